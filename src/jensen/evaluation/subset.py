"""What costs too much for a whole test set: annealing, and each example's own q, on rows chosen by a seed."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.evaluation.evaluate import evaluate
from jensen.evaluation.likelihood import Mean, log_marginal_likelihood
from jensen.evaluation.refine import gaps
from jensen.evaluation.results import Evaluation, Kind, mean_metric
from jensen.evaluation.score import subsample
from jensen.inference.annealed_importance import Annealing
from jensen.models.base import Latent
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
        model: any latent-variable model.
        data: rows are drawn from it without replacement, by `seed`: the same for every model.
        num_examples: N.
        num_samples: of the importance-weighted bounds on the same rows.
        annealing: see `Annealing`.
        seed: of the rows and of the draws.
    """
    annealing = annealing or Annealing()
    found, x, log_det = _rows(model, data, num_examples, num_samples, seed)
    with evaluating(model, x.device, seed):
        estimate = log_marginal_likelihood(model, x, method="annealed", annealing=annealing)  # type: ignore[arg-type]
    mean = Mean(estimate.value + log_det, estimate.standard_error.square())
    return _with(found, {"annealed": (mean, found["elbo"].kind, annealing.num_chains)})


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
    found, x, log_det = _rows(model, data, num_examples, num_samples, seed)
    with evaluating(model, x.device, seed):
        parts = gaps(model, x, num_samples, annealing)  # type: ignore[arg-type]
    kind = found["elbo"].kind
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
) -> tuple[Evaluation, Tensor, Tensor]:
    """The usual figures of the rows; the rows x (N, *event), and the log-determinant of their scaling (N,)."""
    if not isinstance(model, Latent):
        raise JensenError("only a model with latent variables can be annealed or refined: choose one that is bounded")
    if num_examples < 2:
        raise JensenError(f"at least 2 rows are needed for an error over examples, got {num_examples}")
    rows = subsample(data, seed, num_examples)
    found = evaluate(model, rows, num_samples, seed=seed)
    x = like_model(rows.fixed(), model).all().x
    return found, x, rows.log_det(x)


def _with(found: Evaluation, more: dict[str, tuple[Mean, Kind, int | None]]) -> Evaluation:
    metrics, examples = list(found.metrics), dict(found.examples)
    for name, (mean, kind, num_samples) in more.items():
        examples[name] = mean.value.cpu().numpy()
        variance = None if mean.variance.isnan().any() else mean.variance.cpu().numpy()
        metrics.append(mean_metric(name, examples[name], kind, variance, num_samples))
    return replace(found, metrics=tuple(metrics), examples=examples)
