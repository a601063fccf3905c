"""The logistic distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all


class Logistic(Distribution):
    """loc + scale * u, where sigmoid(u) is uniform on (0, 1).

    Two laws on the unit interval are this one, seen through log-odds: the uniform (loc 0, scale 1), and the relaxed
    Bernoulli of temperature T and log-odds l (loc l / T, scale 1 / T; Maddison, Mnih & Teh 2017; Jang, Gu & Poole
    2017). On the whole line nothing saturates, and every posterior and every sampler can be used.

    >>> Logistic(torch.zeros(()), torch.ones(())).log_prob(torch.zeros(())).exp()
    tensor(0.2500)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012  # torch's own protocol
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Logistic:
        """The same law over a larger batch."""
        return Logistic(self.loc.expand(batch_shape), self.scale.expand(batch_shape))

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """u - 2 log(1 + e^u) - log scale, u = (value - loc) / scale, nats."""
        u = (value - self.loc) / self.scale
        return u - 2 * F.softplus(u) - self.scale.log()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(*sample_shape, *batch_shape)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        tiny = torch.finfo(self.loc.dtype).tiny
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device).clamp_min(tiny)
        # log u - log(1 - u); rand never returns 1.
        return self.loc + self.scale * (uniform.log() - (-uniform).log1p())

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """(pi scale)^2 / 3."""
        return (math.pi * self.scale).square() / 3
