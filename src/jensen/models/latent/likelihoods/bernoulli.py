"""Bits, and grey values in [0, 1]."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.distributions import Independent

from jensen.distributions.bernoulli import IndependentBernoulli
from jensen.distributions.continuous_bernoulli import ContinuousBernoulli as ContinuousBernoulliDistribution
from jensen.models.latent.likelihoods.base import Likelihood


class Bernoulli(Likelihood):
    """p(x | z) = prod_d Bernoulli(x_d; sigmoid(f_d(z))).

    On bits this is a probability. On grey values in [0, 1] the same formula is a loss that trains but is no
    likelihood, since it does not sum or integrate to one; `evaluate` reports it as kind `objective`. The density on
    [0, 1] is `ContinuousBernoulli`.
    """

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of the logits (..., D)."""
        (logits,) = self.entries(outputs)
        return IndependentBernoulli(
            BernoulliDistribution(logits=logits, validate_args=False), len(self.event_shape), validate_args=False
        )

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The data's log-odds."""
        return x.flatten(1).mean(0).clamp(1e-3, 1 - 1e-3).logit()


class ContinuousBernoulli(Likelihood):
    """p(x | z) = prod_d C(l_d) exp(l_d x_d) on [0, 1], l = f(z) (Loaiza-Ganem & Cunningham 2019).

    The Bernoulli's formula with the constant C(l) = l / (exp l - 1) that makes it a density over a volume.
    """

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of the logits (..., D)."""
        (logits,) = self.entries(outputs)
        return Independent(ContinuousBernoulliDistribution(logits), len(self.event_shape), validate_args=False)

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The logits at which the density has the data's mean, by Newton's method from 0, whence it is monotone."""
        mean = x.flatten(1).mean(0).clamp(1e-3, 1 - 1e-3).double()
        logits = mean * 0
        for _ in range(20):
            law = ContinuousBernoulliDistribution(logits)
            logits = logits + (mean - law.mean) / law.variance
        return logits.to(x.dtype)
