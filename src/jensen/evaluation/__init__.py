"""What can be said of a trained model: likelihoods, latents, samples, and how models compare."""

from jensen.evaluation.compare import Comparison, compare
from jensen.evaluation.evaluate import evaluate
from jensen.evaluation.information import Information, information
from jensen.evaluation.likelihood import Estimate, log_marginal_likelihood
from jensen.evaluation.results import Evaluation, Metric
from jensen.evaluation.runs import evaluate_run, read_evaluation
from jensen.evaluation.score import Scores, auroc, score
from jensen.evaluation.verify import verify
from jensen.evaluation.verify.question import Check

__all__ = [
    "Check",
    "Comparison",
    "Estimate",
    "Evaluation",
    "Information",
    "Metric",
    "Scores",
    "auroc",
    "compare",
    "evaluate",
    "evaluate_run",
    "information",
    "log_marginal_likelihood",
    "read_evaluation",
    "score",
    "verify",
]
