"""Figures of p(y | x): the log-probability of the true class, accuracy, and calibration."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jensen.data import Dataset
from jensen.evaluation.results import Metric, mean_metric
from jensen.models.base import Classifying

BINS = 15


@torch.no_grad()
def classified(model: Classifying, data: Dataset) -> tuple[list[Metric], dict[str, np.ndarray]]:
    """log_prob_y = log p(y | x) of the true y in nats, accuracy, and calibration_error; values of each example."""
    log_probs, labels = [], []
    for batch in data.batches(500):
        assert batch.y is not None
        log_probs.append(model.classify(batch.x).double().cpu())
        labels.append(batch.y.cpu())
    return figures(torch.cat(log_probs), torch.cat(labels))


def figures(
    log_prob: Float[Tensor, "examples classes"], y: Int[Tensor, " examples"]
) -> tuple[list[Metric], dict[str, np.ndarray]]:
    """The same of log p(y | x) that are at hand, (N, C), and the true classes (N,)."""
    examples = {
        "log_prob_y": log_prob.gather(1, y[:, None])[:, 0].numpy(),
        "accuracy": (log_prob.argmax(1) == y).double().numpy(),
    }
    metrics = [
        mean_metric("log_prob_y", examples["log_prob_y"], "exact"),
        mean_metric("accuracy", examples["accuracy"], "exact", unit="share of examples"),
        Metric("calibration_error", calibration_error(log_prob, y), "estimate", f"probability, {BINS} bins"),
    ]
    return metrics, examples


def calibration_error(
    log_prob: Float[Tensor, "examples classes"], y: Int[Tensor, " examples"], bins: int = BINS
) -> float:
    """The expected calibration error sum_b n_b / n |accuracy_b - confidence_b| (Guo, Pleiss, Sun & Weinberger 2017).

    Confidence is the probability of the class that is named, max_y p(y | x); the bins part [0, 1] equally. What chance
    puts between accuracy and confidence in a bin counts too, so that on few examples it is too large: 0 means
    calibrated, a little above 0 may.

    Args:
        log_prob: log p(y | x), (N, C), nats.
        y: the true classes (N,).
        bins: how many.
    """
    confidence, named = log_prob.double().exp().max(1)
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    excess = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, (named == y).double() - confidence)
    return float(excess.abs().sum()) / len(y)
