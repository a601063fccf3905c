"""The logistic distribution in steps of one, cut off at both ends (Salimans et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all

from jensen.distributions.logistic import Logistic


class DiscretisedLogistic(Distribution):
    """P(x = k) = s((k + 1/2 - m) / b) - s((k - 1/2 - m) / b), k = 0 .. levels - 1, s the logistic function.

    The lowest level has all that is below it and the highest all that is above, so that the masses sum to one. The
    difference is taken as s(v) - s(u) = s(v) s(-u) (1 - exp(u - v)), of which no factor cancels, however far out.

    Args:
        loc: m, in levels.
        scale: b, in levels.
        levels: how many there are.

    >>> law = DiscretisedLogistic(torch.tensor(1.0), torch.tensor(0.5), 3)
    >>> law.log_prob(torch.arange(3)).exp()
    tensor([0.2689, 0.4621, 0.2689])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012  # torch's own protocol

    def __init__(self, loc: Float[Tensor, "..."], scale: Float[Tensor, "..."], levels: int = 256) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """0 .. levels - 1."""
        return constraints.integer_interval(0, self.levels - 1)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> DiscretisedLogistic:
        """The same law over a larger batch."""
        return DiscretisedLogistic(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self.levels)

    def log_prob(self, value: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log P(x = value), nats."""
        above = F.logsigmoid((value + 0.5 - self.loc) / self.scale)
        below = F.logsigmoid((self.loc - value + 0.5) / self.scale)
        inside = above + below + (-torch.expm1(-1 / self.scale)).log()
        inside = torch.where(value <= 0, above, inside)
        return torch.where(value >= self.levels - 1, below, inside)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """int64, (*sample_shape, *batch_shape)."""
        drawn = Logistic(self.loc, self.scale).sample(torch.Size(sample_shape))
        return drawn.round().clamp(0, self.levels - 1).long()

    @property
    def mean(self) -> Tensor:
        """sum_k P(x > k)."""
        return self._tail_sum(lambda k: 1.0).to(self.loc.dtype)

    @property
    def variance(self) -> Tensor:
        """sum_k (2 k + 1) P(x > k) - mean^2."""
        squares, mean = self._tail_sum(lambda k: 2 * k + 1.0), self._tail_sum(lambda k: 1.0)
        return (squares - mean.square()).to(self.loc.dtype)

    def _tail_sum(self, weight: Callable[[int], float]) -> Tensor:
        loc, scale = self.loc.double(), self.scale.double()  # the variance is a difference of squares
        total = torch.zeros_like(loc)
        for k in range(self.levels - 1):  # one level after another: all at once would take `levels` times the memory
            total = total + weight(k) * torch.sigmoid((loc - k - 0.5) / scale)
        return total
