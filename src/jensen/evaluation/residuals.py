"""Whether the scale of a Gaussian likelihood is that of its residuals."""

from __future__ import annotations

import math

from jaxtyping import Shaped
from torch import Tensor
from torch.distributions import Independent, Normal

from jensen.evaluation.results import Metric
from jensen.models.base import Latent


class Residuals:
    """Root mean squares over examples, in batches, and entries of x, of one draw z ~ q(z | x) each.

    residual_scale = sqrt(mean (x_d - E[x_d | z])^2), likelihood_scale = sqrt(mean Var(x_d | z)), in units of x as the
    model sees it. A learned scalar has its optimum where they are equal on the training data. Without figures where
    p(x | z) is not a diagonal Gaussian.
    """

    def __init__(self) -> None:
        self._count, self._squares, self._variances = 0, 0.0, 0.0

    def add(self, model: Latent, x: Shaped[Tensor, "batch *event"]) -> None:
        """A batch of examples (B, *event)."""
        p_x = model.likelihood(model.posterior(x).sample())
        if isinstance(p_x, Independent) and isinstance(p_x.base_dist, Normal):
            self._count += x.numel()
            self._squares += float((x - p_x.mean).double().square().sum())
            self._variances += float(p_x.variance.double().sum())

    def metrics(self) -> list[Metric]:
        """likelihood_scale and residual_scale, or nothing."""
        sums = {"likelihood_scale": self._variances, "residual_scale": self._squares}
        if not self._count:
            return []
        return [
            Metric(name, math.sqrt(total / self._count), "estimate", "units of the model's x")
            for name, total in sums.items()
        ]
