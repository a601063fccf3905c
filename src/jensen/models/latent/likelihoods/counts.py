"""Counts 0, 1, 2, ..."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent

from jensen.distributions.counts import NegativeBinomial as NegativeBinomialDistribution
from jensen.distributions.counts import Poisson as PoissonDistribution
from jensen.distributions.heads import FLOOR
from jensen.models.latent.likelihoods.base import Likelihood


class Poisson(Likelihood):
    """p(x | z) = prod_d Poisson(x_d; exp f_d(z)): the rate is mean and variance in one."""

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of the log-rates (..., D)."""
        (log_rate,) = self.entries(outputs)
        law = PoissonDistribution(log_rate.exp() + FLOOR, validate_args=False)
        return Independent(law, len(self.event_shape), validate_args=False)

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The log of the data's mean."""
        return x.flatten(1).mean(0).clamp_min(1e-3).log()


class NegativeBinomial(Likelihood):
    """p(x | z) = prod_d NB(x_d; m_d, r_d), of mean m and variance m + m^2 / r, both exponentials of outputs of the net.

    The net gives log m and log r of each entry, (..., 2 D).
    """

    per_entry = 2

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of log m and log r (..., 2 D)."""
        log_mean, log_concentration = self.entries(outputs)
        law = NegativeBinomialDistribution(log_mean.exp() + FLOOR, log_concentration.exp() + FLOOR)
        return Independent(law, len(self.event_shape), validate_args=False)

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The r that matches mean and variance, at most 1,000, where the law is a Poisson in all but name."""
        flat = x.flatten(1)
        mean = flat.mean(0).clamp_min(1e-3)
        excess = (flat.var(0, correction=0) - mean).clamp_min(1e-3)
        concentration = (mean.square() / excess).clamp(1e-2, 1e3)
        return torch.stack([mean, concentration], -1).log().flatten()
