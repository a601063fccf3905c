"""Counts, in double precision where their log-gammas cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions import Poisson as TorchPoisson
from torch.distributions.utils import broadcast_all


class Poisson(TorchPoisson):
    """torch's Poisson, its log-probability found in double precision.

    At a count of 1,000 the three terms of x log r - r - log x! are a thousand times their sum.

    >>> Poisson(torch.tensor(1000.0)).log_prob(torch.tensor(1000.0))
    tensor(-4.3729)
    """

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log P(x = value), nats."""
        rate, x = self.rate.double(), value.double()
        return (x.xlogy(rate) - rate - (x + 1).lgamma()).to(self.rate.dtype)


class NegativeBinomial(Distribution):
    """Counts with mean m and variance m + m^2 / r: a Poisson whose rate is drawn from a Gamma of shape r.

    log P(x) = log G(x + r) - log G(r) - log x! + r log(r / (r + m)) + x log(m / (r + m)), G the gamma function;
    in double precision, since its terms cancel where r is large.

    Args:
        mean: m > 0.
        concentration: r > 0; the larger, the nearer to a Poisson.

    >>> law = NegativeBinomial(torch.tensor(2.0), torch.tensor(1.0))
    >>> law.log_prob(torch.arange(3.0)).exp()
    tensor([0.3333, 0.2222, 0.1481])
    """

    arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012  # torch's own protocol
    support = constraints.nonnegative_integer

    def __init__(self, mean: Float[Tensor, "..."], concentration: Float[Tensor, "..."]) -> None:
        self._mean, self.concentration = broadcast_all(mean, concentration)
        super().__init__(self._mean.shape, validate_args=False)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> NegativeBinomial:
        """The same law over a larger batch."""
        return NegativeBinomial(self._mean.expand(batch_shape), self.concentration.expand(batch_shape))

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log P(x = value), nats."""
        x, m, r = value.double(), self._mean.double(), self.concentration.double()
        gammas = (x + r).lgamma() - r.lgamma() - (x + 1).lgamma()
        return (gammas - r * (m / r).log1p() + x * (m / (r + m)).log()).to(self._mean.dtype)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Floating point, (*sample_shape, *batch_shape)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        rate = torch.distributions.Gamma(self.concentration, self.concentration / self._mean, validate_args=False)
        return torch.poisson(rate.sample(torch.Size(sample_shape)).expand(shape))

    @property
    def mean(self) -> Tensor:
        """m."""
        return self._mean

    @property
    def variance(self) -> Tensor:
        """m + m^2 / r."""
        return self._mean + self._mean.square() / self.concentration


def likeliest_concentration(
    counts: Float[Tensor, "batch dims"], mean: Float[Tensor, " dims"]
) -> Float[Tensor, " dims"]:
    """The r (D,) that maximises the likelihood of negative binomials of these means, within [1e-3, 1e6], a Poisson.

    By bisection of log r on the sign of the derivative, all columns at once; the likelihood has one maximum (Levin and
    Reeds, 1977), at infinity where the counts vary no more than a Poisson's do.
    """
    low, high = torch.full_like(mean, 1e-3).log(), torch.full_like(mean, 1e6).log()
    for _ in range(50):
        middle = (low + high) / 2
        r = middle.exp()
        slope = (counts + r).digamma() - r.digamma() - (mean / r).log1p() + 1 - (counts + r) / (mean + r)
        rising = slope.nanmean(0) > 0
        low, high = middle.where(rising, low), high.where(rising, middle)
    return low.exp()
