"""score: log p(x) of each row, or its bound, and where that stands among the training data's."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.evaluation.likelihood import examples_at_once, log_marginal_likelihood, what_is_bounded
from jensen.evaluation.results import Kind
from jensen.models.base import Latent, bound_to, kind_of
from jensen.training.check import check_data, like_model
from jensen.training.checkpoint import write_atomically
from jensen.training.mode import evaluating

# Percentiles are among this many training rows: their own error, at most 1.1 points, is not worth more.
REFERENCE_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of each row x, nats.

    model: its name. split: "mnist/test". measure: what the values are taken with respect to, as in an `Evaluation`.
    kind: "exact" (log p(x)), "lower bound" (the importance-weighted bound at K = `num_samples`, in expectation), or
        "objective" (a formula that is no likelihood of such data).
    row (N,): the number of each row in its part.
    value (N,): log p(x) or its bound, over the user's own units.
    standard_error (N,): over draws, NaN from a single draw; None where nothing is drawn.
    percentile (N,): how many percent of `num_reference` training rows score no higher; None without training data.
    """

    model: str
    split: str
    measure: str
    kind: Kind
    row: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray | None
    percentile: np.ndarray | None
    num_samples: int | None
    num_reference: int

    def write(self, path: str | Path) -> None:
        """A .csv of row, score, kind, standard_error, percentile; written whole or not at all."""
        import polars

        columns = {
            "row": self.row,
            "score": self.value,
            "kind": [self.kind] * len(self.row),
            "standard_error": self.standard_error,
            "percentile": self.percentile,
        }
        content = io.BytesIO()
        polars.DataFrame(columns).write_csv(content)
        write_atomically(Path(path), content.getvalue())


def score(
    model: nn.Module, data: Dataset, training: Dataset | None = None, num_samples: int = 100, *, seed: int = 0
) -> Scores:
    """log p(x) of each row of an exact model, the importance-weighted bound of a bounded one.

    Args:
        model: any model with a density or a bound on one.
        data: the rows.
        training: what the model was fitted to; each row gets its percentile among up to 2,000 rows of it, drawn
            without replacement by `seed` and scored in the same way. A model that has learned its training rows by
            heart scores them higher than fresh rows of the same kind, whose percentiles then are low.
        num_samples: K, draws of z for each row of a bounded model.
        seed: of the draws; the rows' scores do not depend on whether training data are given.
    """
    name = getattr(model, "recipe", {}).get("name") or type(model).__name__
    if kind_of(model) not in ("exact", "bounded"):
        raise JensenError(
            f"{name} has no density, so no row can be scored: choose an exact or bounded model, see jensen models"
        )
    if num_samples < 1:
        raise JensenError(f"num_samples must be at least 1, got {num_samples}")
    if len(data) == 0:
        raise JensenError("there is nothing to score: the data have no rows")
    check_data(model, data)
    data = like_model(data.fixed(), model)
    with evaluating(model, data.device, seed):
        kind, measure = _what_it_says(model, data)
        value, error = _log_density(model, data, num_samples)
        percentile, num_reference = None, 0
        if training is not None:
            reference, _ = _log_density(model, like_model(subsample(training, seed).fixed(), model), num_samples)
            num_reference = len(reference)
            percentile = 100 * np.searchsorted(np.sort(reference), value, side="right") / num_reference
    draws = None if error is None else num_samples
    split = f"{data.name}/{data.part}"
    return Scores(name, split, measure, kind, data.rows.numpy(), value, error, percentile, draws, num_reference)


def subsample(data: Dataset, seed: int, num_rows: int = REFERENCE_ROWS) -> Dataset:
    """`num_rows` rows of the data, in order, drawn without replacement; all of them where there are no more."""
    if len(data) <= num_rows:
        return data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data.subset(order[:num_rows].sort().values)


def auroc(inliers: Scores, outliers: Scores) -> tuple[float, float]:
    """How well the score separates: the chance that an inlier scores higher than an outlier, and its standard error.

    1 is perfect, 1/2 is chance, below that the outliers score higher. Ties count one half. The standard error is that
    of DeLong, DeLong & Clarke-Pearson (1988), from the spread of each row's share of the other rows.
    """
    m, n = len(inliers.value), len(outliers.value)
    if min(m, n) < 2:
        raise JensenError(f"the area under a curve needs 2 rows of each kind, got {m} and {n}: give more rows")
    above = _share_below(inliers.value, outliers.value)
    below = 1 - _share_below(outliers.value, inliers.value)
    return float(above.mean()), math.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    ordered = np.sort(others)
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(others))


def _what_it_says(model: nn.Module, data: Dataset) -> tuple[Kind, str]:
    if not isinstance(model, Latent):
        return "exact", str(data.spec.measure(data.spec.kind not in ("real", "unit")))
    first = data.batch(torch.zeros(1, dtype=torch.int64, device=data.device))
    discrete, kind = what_is_bounded(bound_to(model, first), data.spec)
    return kind, "none: the objective is no likelihood" if kind == "objective" else str(data.spec.measure(discrete))


def _log_density(model: nn.Module, data: Dataset, num_samples: int) -> tuple[np.ndarray, np.ndarray | None]:
    """log p(x) over the user's own units, (N,), and its standard error where it is estimated."""
    exact = kind_of(model) == "exact"
    values, errors = [], []
    for batch in data.batches(500 if exact else examples_at_once(num_samples)):
        if exact:
            value = bound_to(model, batch).log_prob(batch.x).double()
        else:
            value, error = log_marginal_likelihood(bound_to(model, batch), batch.x, num_samples)
            errors.append(error)
        values.append(value + data.log_det(batch.x))
    found = torch.cat(values).cpu().numpy()
    if np.isnan(found).any():
        raise JensenError(f"the model gives NaN for {np.isnan(found).sum():,} of {len(found):,} rows: train it again")
    return found, torch.cat(errors).cpu().numpy() if errors else None
