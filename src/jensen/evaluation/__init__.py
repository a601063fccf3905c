"""What can be said of a trained model: likelihoods, latents, samples, and how models compare."""

from jensen.evaluation.compare import Comparison, compare
from jensen.evaluation.evaluate import evaluate
from jensen.evaluation.likelihood import Estimate, log_marginal_likelihood
from jensen.evaluation.results import Evaluation, Metric
from jensen.evaluation.runs import evaluate_run, read_evaluation

__all__ = [
    "Comparison",
    "Estimate",
    "Evaluation",
    "Metric",
    "compare",
    "evaluate",
    "evaluate_run",
    "log_marginal_likelihood",
    "read_evaluation",
]
