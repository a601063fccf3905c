"""Each example's own q(z): what the encoder loses, and what the family of q does (Cremer, Li & Duvenaud 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributions import Distribution, Independent

from jensen.distributions import diagonal_gaussian
from jensen.errors import JensenError
from jensen.evaluation.bracket import examples_at_once
from jensen.evaluation.likelihood import Mean, draws, log_marginal_likelihood, mean_over_draws
from jensen.evaluation.log_mean import LogMean
from jensen.evaluation.onednn import OneDNNLinear
from jensen.inference.annealed_importance import Annealing
from jensen.models.base import Latent

NUM_DRAWS = 10  # of each step's gradient
LEARNING_RATE = 0.1  # in units of the q that is started from, falling linearly to 0


@dataclass(frozen=True)
class WithPosterior:
    """The model with `q` where its own posterior of these x was."""

    model: Latent
    q: Distribution

    def prior(self) -> Distribution:
        """p(z)."""
        return self.model.prior()

    def posterior(self, x: Tensor) -> Distribution:
        """q(z), whatever x."""
        return self.q

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | z)."""
        return self.model.likelihood(z)


@dataclass(frozen=True)
class Gaps:
    """log p(x) - ELBO of each example, in two parts, nats: the mean over draws and its variance, each (B,).

    encoder: the ELBO of the model's own q(z | x). refined: that of the best diagonal Gaussian found for each x.
    importance, annealed: two lower bounds of log p(x), both from the refined q.
    """

    encoder: Mean
    refined: Mean
    importance: Mean
    annealed: Mean

    @classmethod
    def join(cls, parts: Sequence[Gaps]) -> Gaps:
        """Of all the parts' examples, in order."""
        columns = zip(*([gaps.encoder, gaps.refined, gaps.importance, gaps.annealed] for gaps in parts), strict=True)
        return cls(*(Mean(*map(torch.cat, zip(*means, strict=True))) for means in columns))

    @property
    def evidence(self) -> Mean:
        """The larger in mean of the two lower bounds of log p(x)."""
        return max(self.importance, self.annealed, key=lambda bound: float(bound.value.mean()))

    @property
    def amortisation(self) -> Mean:
        """What x loses because one network serves all x; below 0 where the encoder's family is the richer one."""
        return _difference(self.refined, self.encoder)

    @property
    def approximation(self) -> Mean:
        """What x loses because q is a diagonal Gaussian: KL(q || p(z | x)) at the best one."""
        return _difference(self.evidence, self.refined)


def refine(model: Latent, x: Shaped[Tensor, "batch *event"], num_steps: int = 300) -> Independent:
    """The diagonal Gaussian q(z) of highest ELBO for each x, batch_shape (B,).

    Adam on mean and log-scale from where the encoder's q has them, in units of its scale, with the pathwise gradient,
    which has no variance where q is exact (Roeder, Wu & Duvenaud 2017).
    """
    if num_steps < 0:
        raise JensenError(f"num_steps must be at least 0, got {num_steps}")
    with torch.no_grad():
        prior, (mean, scale) = model.prior(), _moments(model.posterior(x))
    shift, log_scale = torch.zeros_like(mean, requires_grad=True), torch.zeros_like(mean, requires_grad=True)
    # Adam divides by the gradient's size: without a floor it would make steps of what rounding leaves at the optimum.
    adam = torch.optim.Adam([shift, log_scale], lr=LEARNING_RATE, eps=1e-3)
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, max(num_steps, 1))
    with torch.enable_grad():
        for _ in range(num_steps):
            q = diagonal_gaussian(mean + scale * shift, scale * log_scale.exp())
            fixed = diagonal_gaussian(q.mean.detach(), q.stddev.detach())
            z = q.rsample(torch.Size([NUM_DRAWS]))
            with OneDNNLinear(constant_weights=True):
                p_x = model.likelihood(z)
            log_weights = p_x.log_prob(x) + prior.log_prob(z) - fixed.log_prob(z)
            adam.zero_grad()
            (-log_weights.mean(0).sum()).backward(inputs=[shift, log_scale])
            adam.step()
            decay.step()
    return diagonal_gaussian((mean + scale * shift).detach(), (scale * log_scale.exp()).detach())


def gaps(
    model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int = 1000, annealing: Annealing | None = None
) -> Gaps:
    """The amortisation gap and the approximation gap of each x.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z).
        x: (B, *event).
        num_samples: draws of z for each ELBO and for the importance-weighted bound.
        annealing: of the evidence; it starts from the refined q.
    """
    annealing = annealing or Annealing()
    parts = [Gaps(*_bounds(model, some, num_samples, annealing)) for some in x.split(examples_at_once(x, annealing))]
    return Gaps.join(parts)


def _bounds(model: Latent, x: Tensor, num_samples: int, annealing: Annealing) -> tuple[Mean, Mean, Mean, Mean]:
    """The encoder's ELBO, and from the refined q the ELBO, the importance-weighted bound, and the annealed one."""
    better = WithPosterior(model, refine(model, x))
    encoder, _ = _from_draws(model, x, num_samples)
    refined, importance = _from_draws(better, x, num_samples)
    estimate = log_marginal_likelihood(better, x, method="annealed", annealing=annealing)
    return encoder, refined, importance, Mean(estimate.value, estimate.standard_error.square())


@torch.no_grad()
def _from_draws(model: Latent, x: Tensor, num_samples: int) -> tuple[Mean, Mean]:
    """The mean of the log-weights, which has no variance where q is exact, and the log of the mean weight."""
    log_weights = torch.cat([one.log_likelihood + one.log_ratio for one in draws(model, x, num_samples)]).double()
    total = LogMean(len(x), x.device)
    total.add(log_weights)
    estimate = total.estimate()
    return mean_over_draws(log_weights), Mean(estimate.value, estimate.standard_error.square())


def _difference(one: Mean, other: Mean) -> Mean:
    return Mean(one.value - other.value, one.variance + other.variance)


def _moments(q: Distribution) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each dimension, (B, Z); from draws where q has no formula for them."""
    try:
        return q.mean, q.stddev
    except NotImplementedError:  # how torch says so
        z = q.sample(torch.Size([1000]))
        return z.mean(0), z.std(0)
