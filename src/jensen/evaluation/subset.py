"""What costs too much for a whole test set: annealing, and each example's own q, on rows chosen by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from jensen.data import Batch, Dataset
from jensen.errors import JensenError
from jensen.evaluation.bracket import examples_at_once
from jensen.evaluation.evaluate import evaluate
from jensen.evaluation.likelihood import Mean, log_marginal_likelihood, what_is_bounded
from jensen.evaluation.refine import Gaps, gaps
from jensen.evaluation.results import Evaluation, Kind, mean_metric
from jensen.evaluation.score import subsample
from jensen.inference.annealed_importance import Annealing
from jensen.models.base import Directed, Latent, bound_to, kind_of
from jensen.training.check import like_model
from jensen.training.mode import evaluating


def evaluate_annealed(
    model: nn.Module,
    data: Dataset,
    num_examples: int = 100,
    num_samples: int = 1000,
    annealing: Annealing | None = None,
    *,
    seed: int = 0,
) -> Evaluation:
    """The usual figures on `num_examples` rows of the data, and `annealed`: a stochastic lower bound of log p(x).

    Args:
        model: any with prior() and likelihood(z); without a posterior the chains start from the prior.
        data: rows are drawn from it without replacement, by `seed`: the same for every model.
        num_examples: N.
        num_samples: of the importance-weighted bounds on the same rows.
        annealing: see `Annealing`.
        seed: of the rows and of the draws.
    """
    annealing = annealing or Annealing()
    if not isinstance(model, Latent):
        annealing = replace(annealing, start="prior")
    found, rows = _rows(model, data, num_examples, num_samples, seed)
    parts = []
    with evaluating(model, rows.device, seed):
        for of_x, batch in _bound_batches(model, rows, annealing):
            estimate = log_marginal_likelihood(of_x, batch.x, method="annealed", annealing=annealing)
            parts.append(Mean(estimate.value + rows.log_det(batch.x), estimate.standard_error.square()))
        discrete, kind = what_is_bounded(of_x, data.spec)
    if kind_of(model) == "implicit" and kind != "objective":
        found = replace(found, measure=str(data.spec.measure(discrete)))
    mean = Mean(*map(torch.cat, zip(*parts, strict=True)))
    return _with(found, {"annealed": (mean, kind, annealing.num_chains)})


def evaluate_refined(
    model: nn.Module,
    data: Dataset,
    num_examples: int = 100,
    num_samples: int = 1000,
    annealing: Annealing | None = None,
    *,
    seed: int = 0,
) -> Evaluation:
    """The usual figures on `num_examples` rows, and the two parts of log p(x) - ELBO (see `gaps`).

    elbo_refined: of each x's own diagonal Gaussian. evidence: the best lower bound of log p(x) at hand.
    amortisation_gap: elbo_refined less the encoder's, from draws of log-weights. approximation_gap: evidence less
    elbo_refined. The arguments are those of `evaluate_annealed`.
    """
    if not isinstance(model, Latent):
        raise JensenError("only a model with a posterior q(z | x) can be refined: choose one that is bounded")
    found, rows = _rows(model, data, num_examples, num_samples, seed)
    annealing = annealing or Annealing()
    kind, log_det = found["elbo"].kind, rows.log_det(rows.all().x)
    with evaluating(model, rows.device, seed):
        parts = Gaps.join(
            [gaps(of_x, batch.x, num_samples, annealing) for of_x, batch in _bound_batches(model, rows, annealing)]
        )
    return _with(
        found,
        {
            "elbo_refined": (Mean(parts.refined.value + log_det, parts.refined.variance), kind, num_samples),
            "evidence": (Mean(parts.evidence.value + log_det, parts.evidence.variance), kind, None),
            "amortisation_gap": (parts.amortisation, "estimate", num_samples),
            "approximation_gap": (parts.approximation, "estimate", None),
        },
    )


def _rows(
    model: nn.Module, data: Dataset, num_examples: int, num_samples: int, seed: int
) -> tuple[Evaluation, Dataset]:
    """The usual figures of the rows, and the rows."""
    if not isinstance(model, Directed):
        raise JensenError("only a model with p(z) and p(x | z) can be annealed or refined: choose one that is bounded")
    if getattr(model, "discrete_latents", False):
        raise JensenError("annealing moves continuous latents, and this model has labels among its own: leave it out")
    if num_examples < 2:
        raise JensenError(f"at least 2 rows are needed for an error over examples, got {num_examples}")
    rows = subsample(data, seed, num_examples)
    found = evaluate(model, rows, num_samples, seed=seed)
    return found, like_model(rows.fixed(), model)


def _bound_batches(model: nn.Module, rows: Dataset, annealing: Annealing) -> Iterator[tuple[Any, Batch]]:
    """The rows in parts that are annealed together, each with the model bound to its condition."""
    for batch in rows.batches(examples_at_once(rows.all().x, annealing)):
        yield bound_to(model, batch), batch


def _with(found: Evaluation, more: dict[str, tuple[Mean, Kind, int | None]]) -> Evaluation:
    metrics, examples = list(found.metrics), dict(found.examples)
    for name, (mean, kind, num_samples) in more.items():
        examples[name] = mean.value.cpu().numpy()
        variance = None if mean.variance.isnan().any() else mean.variance.cpu().numpy()
        metrics.append(mean_metric(name, examples[name], kind, variance, num_samples))
    return replace(found, metrics=tuple(metrics), examples=examples)
