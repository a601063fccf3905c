"""What evaluation says: figures, each with its kind, its unit, its measure and its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["exact", "lower bound", "upper bound", "estimate", "objective"]


@dataclass(frozen=True)
class Metric:
    """One figure.

    name: "elbo", "iwae_100", "log_prob", "bits_per_dim", ...
    value: the mean over the test examples.
    kind: "exact", "lower bound", "upper bound", "estimate", or "objective" (a training loss that is no likelihood).
    unit: "nats", "bits/dim", "dimensions", ...
    standard_error: over the test examples; None where the figure is not a mean over them.
    mc_standard_error: over Monte Carlo draws, the examples held fixed; None where nothing was drawn.
    num_samples: draws for each example, where there are any.
    """

    name: str
    value: float
    kind: Kind
    unit: str = "nats"
    standard_error: float | None = None
    mc_standard_error: float | None = None
    num_samples: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """All figures of one model on one data set.

    model: its name. split: "mnist/test". n: examples. measure: what the likelihoods are taken with respect to.
    metrics: the figures. data: what identifies the examples and their realisation: two evaluations with the same
    are paired example by example. examples: the per-example values (N,) of the figures that have them.
    """

    model: str
    split: str
    n: int
    measure: str
    metrics: tuple[Metric, ...]
    data: str = ""
    examples: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, name: str) -> Metric:
        """The figure of that name."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"no figure '{name}', there are: {', '.join(metric.name for metric in self.metrics)}")

    def __contains__(self, name: str) -> bool:
        return any(metric.name == name for metric in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """What `jensen evaluate --json` prints and evaluation.json holds, without the per-example values."""
        return {
            "model": self.model,
            "split": self.split,
            "n": self.n,
            "measure": self.measure,
            "data": self.data,
            "metrics": [asdict(metric) for metric in self.metrics],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evaluation:
        """The inverse of `to_json`."""
        return cls(**{**values, "metrics": tuple(Metric(**metric) for metric in values["metrics"])})


def mean_metric(
    name: str,
    values: np.ndarray,
    kind: Kind,
    mc_variance: np.ndarray | None = None,
    num_samples: int | None = None,
    unit: str = "nats",
    scale: float = 1.0,
) -> Metric:
    """The mean of per-example values (N,), with its standard error over examples and, apart, over draws.

    `mc_variance` (N,) is each value's variance over Monte Carlo draws. `scale` converts the unit.
    """
    n = len(values)
    return Metric(
        name,
        float(values.mean()) * scale,
        kind,
        unit,
        # A mean of -inf, as of rows that a table calls impossible, has no error.
        float(values.std(ddof=1)) / math.sqrt(n) * abs(scale) if n > 1 and np.isfinite(values).all() else None,
        None if mc_variance is None else math.sqrt(float(mc_variance.sum())) / n * abs(scale),
        num_samples,
    )


def paired_difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The mean of first - second over the same examples, and its standard error."""
    difference = np.asarray(first) - np.asarray(second)
    return float(difference.mean()), float(difference.std(ddof=1)) / math.sqrt(len(difference))
