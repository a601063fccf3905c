"""evaluate: every figure that a model's kind allows, with its kind, unit, measure and errors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.evaluation.classification import classified
from jensen.evaluation.latents import ActiveUnits
from jensen.evaluation.likelihood import Bounds, Mean, bounds, examples_at_once, what_is_bounded
from jensen.evaluation.residuals import Residuals
from jensen.evaluation.results import Evaluation, Kind, Metric, mean_metric
from jensen.evaluation.samples import kernel_two_sample
from jensen.evaluation.text import text_metrics
from jensen.models.base import Classifying, Conditional, Evidenced, Latent, Reconstructing, bound_to, kind_of
from jensen.training.check import check_data, like_model
from jensen.training.mode import evaluating
from jensen.training.progress import Progress

# The kernel two-sample test compares this many examples with as many samples: its cost grows with the square.
TWO_SAMPLE_EXAMPLES = 2000


def evaluate(
    model: nn.Module, data: Dataset, num_samples: int = 1000, *, seed: int = 0, progress: bool | None = False
) -> Evaluation:
    """Every figure that the model's kind allows, over all of `data`.

    exact: log_prob and bits_per_dim, of text bits_per_byte; evidence, the bound on log p(all training data) of a model
    that integrates its parameters out. bounded: elbo, reconstruction = E_q log p(x | z), kl, the importance-weighted
    bounds at 1, 10, 100, ... num_samples, bits_per_dim from the tightest of them, active_units, and the scale of a
    Gaussian likelihood beside that of its residuals. implicit: the kernel two-sample statistic between samples and
    data, and the reconstruction errors of one that reconstructs. reconstruction: the model's own reconstruction errors.
    classifier: log_prob_y = log p(y | x), accuracy and calibration_error.

    Densities are over the user's own units: the log-determinant of any scaling is put back, and the measure says
    whether they are probabilities of counts or densities over a volume. A Bernoulli likelihood of grey values sums to
    nothing, so all its figures are of kind "objective".

    Args:
        model: any model that keeps the contract.
        data: e.g. `split.test`; whatever is random in it is fixed by the data's own seed.
        num_samples: draws of z for each example.
        seed: of the Monte Carlo draws; the same seed gives the same figures.
        progress: a bar on standard error; None shows one on a terminal.
    """
    if len(data) == 0:
        raise JensenError("there is nothing to evaluate on: the data have no rows")
    if num_samples < 1:
        raise JensenError(f"num_samples must be at least 1, got {num_samples}")
    check_data(model, data)
    data = like_model(data.fixed(), model)
    with evaluating(model, data.device, seed):
        kind = kind_of(model)
        if kind == "exact":
            discrete, metrics, examples = _exact(model, data)
        elif kind == "bounded":
            discrete, metrics, examples = _bounded(model, data, num_samples, progress)
        elif kind == "reconstruction":
            discrete, (metrics, examples) = False, _reconstructed(model, data)
        elif kind == "classifier":
            discrete, (metrics, examples) = True, classified(model, data)  # type: ignore[arg-type]
        else:
            discrete, metrics, examples = False, _implicit(model, data), {}
            if isinstance(model, Reconstructing):
                more, examples = _reconstructed(model, data)
                metrics += more
        # One that learned classes from labels, beside what it says of x.
        learned = kind != "classifier" and getattr(model, "needs_labels", False)
        if learned and isinstance(model, Classifying) and data.labels is not None:
            more, of_y = classified(model, data)
            metrics, examples = metrics + more, examples | of_y
    measure = str(data.spec.measure(discrete))
    if kind == "implicit":
        measure = "none: the model has no density"
    elif kind == "classifier":
        measure = "counts, of y given x"
    elif any(metric.kind == "objective" for metric in metrics):
        measure = "none: the objective is no likelihood"
    name = getattr(model, "recipe", {}).get("name") or type(model).__name__
    return Evaluation(
        f"{name}, of x given y" if isinstance(model, Conditional) else name,
        f"{data.name}/{data.part}",
        len(data),
        measure,
        tuple(metrics),
        f"{data.fingerprint} {data.realisation}",
        {name: values.astype(np.float64) for name, values in examples.items()},
    )


def bits_per_dim(metric: Metric, num_dims: int) -> Metric:
    """-log2 p(x) / D from a log-likelihood in nats; a lower bound on one is an upper bound on the other."""
    factor = 1 / (num_dims * math.log(2))
    kinds: dict[Kind, Kind] = {"lower bound": "upper bound", "upper bound": "lower bound"}
    return Metric(
        "bits_per_dim",
        -metric.value * factor,
        kinds.get(metric.kind, metric.kind),
        "bits/dim",
        None if metric.standard_error is None else metric.standard_error * factor,
        None if metric.mc_standard_error is None else metric.mc_standard_error * factor,
        metric.num_samples,
    )


def _exact(model: nn.Module, data: Dataset) -> tuple[bool, list[Metric], dict[str, np.ndarray]]:
    values = []
    for batch in data.batches(500):
        values.append(bound_to(model, batch).log_prob(batch.x).double() + data.log_det(batch.x))
    log_prob = torch.cat(values).cpu().numpy()
    metric = mean_metric("log_prob", log_prob, "exact")
    # Where entries may be missing, x has no one number of dimensions.
    metrics = [metric, *([] if data.spec.missing else [bits_per_dim(metric, data.spec.num_dims)])]
    if data.spec.merges is not None:
        metrics += text_metrics(model, data, log_prob)
    if isinstance(model, Evidenced):  # of the training data, in the user's own units as well
        evidence = model.evidence_bound + model.num_fitted * data.log_det(batch.x)[0]
        unit = f"nats, all {int(model.num_fitted):,} training rows"
        metrics.append(Metric("evidence", float(evidence), "lower bound", unit))
    return data.spec.kind not in ("real", "unit"), metrics, {"log_prob": log_prob}


def _bounded(
    model: nn.Module, data: Dataset, num_samples: int, progress: bool | None
) -> tuple[bool, list[Metric], dict[str, np.ndarray]]:
    assert isinstance(model, Latent)
    ladder = (*(k for k in (10**power for power in range(10)) if k < num_samples), num_samples)
    parts: dict[str, list[Mean]] = {}
    active, residuals = ActiveUnits(), Residuals()
    method = ""
    with Progress(len(data), 0, progress, "evaluate") as bar:
        for batch in data.batches(examples_at_once(num_samples)):
            of_x = bound_to(model, batch)
            found = bounds(of_x, batch.x, num_samples, ladder)
            method = found.kl_method
            for name, mean in _named(found, data.log_det(batch.x)).items():
                parts.setdefault(name, []).append(Mean(mean.value.cpu(), mean.variance.cpu()))
            active.add(of_x.posterior(batch.x).mean.flatten(1))
            residuals.add(of_x, batch.x)
            bar.update(sum(len(mean.value) for mean in parts["elbo"]), {})
        discrete, kind = what_is_bounded(of_x, data.spec)
    metrics, examples = [], {}
    for name, means in parts.items():
        values = torch.cat([mean.value for mean in means]).numpy()
        variance = torch.cat([mean.variance for mean in means]).numpy()
        exact_kl = name == "kl" and method == "closed form"
        said: Kind = kind
        if kind != "objective" and name in ("reconstruction", "kl"):
            said = "exact" if exact_kl else "estimate"
        samples = None if exact_kl else num_samples
        metrics.append(
            mean_metric(
                name,
                values,
                said,
                None if exact_kl or np.isnan(variance).all() else variance,
                int(name.removeprefix("iwae_")) if name.startswith("iwae_") else samples,
            )
        )
        examples[name] = values
    metrics.append(bits_per_dim(metrics[-1], getattr(model, "num_modelled", data.spec.num_dims)))
    metrics.append(Metric("active_units", float(active.count()), "estimate", "dimensions"))
    metrics += residuals.metrics()
    return discrete, metrics, examples


def _named(found: Bounds, log_det: Tensor) -> dict[str, Mean]:
    """The figures by name; what scaled x belongs to every log-density of it, and not to the KL."""
    shifted = {"elbo": found.elbo, "reconstruction": found.reconstruction} | {
        f"iwae_{k}": mean for k, mean in found.ladder.items()
    }
    moved = {name: Mean(mean.value + log_det, mean.variance) for name, mean in shifted.items()}
    return {"elbo": moved.pop("elbo"), "reconstruction": moved.pop("reconstruction"), "kl": found.kl} | moved


def _implicit(model: nn.Module, data: Dataset) -> list[Metric]:
    count = min(len(data), TWO_SAMPLE_EXAMPLES)
    index = torch.randperm(len(data))[:count].sort().values
    x = data.batch(index.to(data.device)).x
    test = kernel_two_sample(x, model.sample(count))  # type: ignore[operator]
    return [
        Metric("mmd2", test.mmd2, "estimate", "squared kernel distance", test.standard_error, None, count),
        Metric("mmd2_p_value", test.p_value, "estimate", "probability", None, None, count),
    ]


def _reconstructed(model: nn.Module, data: Dataset) -> tuple[list[Metric], dict[str, np.ndarray]]:
    assert isinstance(model, Reconstructing)
    squared = "squared units of x" if data.treatment.scale is None else "squared units of x as scaled"
    parts: dict[str, list[Tensor]] = {}
    for batch in data.batches(500):
        for name, errors in model.reconstruction_errors(batch.x).items():
            parts.setdefault(name, []).append(errors.double().cpu())
    examples = {name: torch.cat(values).numpy() for name, values in parts.items()}
    metrics = [
        mean_metric(name, values, "objective", unit=squared if name.endswith("squared_error") else "nats")
        for name, values in examples.items()
    ]
    return metrics, examples
