"""Annealed importance sampling of the evidence (Neal 2001; Wu, Burda, Salakhutdinov & Grosse 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError
from jensen.inference.mcmc import hmc
from jensen.models.base import Latent

ACCEPTANCE = 0.65  # what the step sizes of the pilot run are tuned to


@dataclass(frozen=True)
class Annealing:
    """How the chains go from a first distribution f_0, normalised, to f_1(z) = p(x, z), unnormalised.

    num_distributions: T, steps along log f_beta = (1 - beta) log f_0 + beta log p(x, z).
    num_chains: C, for each example.
    num_leapfrog: of each HMC proposal; one proposal a distribution.
    start: "posterior" (f_0 = q(z | x), the encoder's) or "prior" (f_0 = p(z)).
    """

    num_distributions: int = 400
    num_chains: int = 4
    num_leapfrog: int = 10
    start: Literal["posterior", "prior"] = "posterior"

    def __post_init__(self) -> None:
        for name in ("num_distributions", "num_chains", "num_leapfrog"):
            if getattr(self, name) < 1:
                raise JensenError(f"{name} must be at least 1, got {getattr(self, name)}")

    def betas(self, device: torch.device) -> Float[Tensor, "distributions"]:
        """beta_0 = 0 .. beta_T = 1: a sigmoid's, dense at both ends, where the path changes fastest."""
        grid = torch.linspace(-4, 4, self.num_distributions + 1, device=device, dtype=torch.float64).sigmoid()
        return (grid - grid[0]) / (grid[-1] - grid[0])


class Path:
    """The distributions between f_0 and p(x, z) for one batch of x."""

    def __init__(self, model: Latent, x: Shaped[Tensor, "batch *event"], start: Literal["posterior", "prior"]) -> None:
        self.model, self.x = model, x
        self.prior = model.prior()
        posterior = model.posterior(x)
        self.first: Distribution = posterior if start == "posterior" else self.prior
        self.batch = posterior.batch_shape
        self.scale = self.first.variance.sqrt()

    def sample_first(self, num_chains: int) -> Tensor:
        """z ~ f_0, (C, B, Z), whether f_0 is one for each x or the same for all."""
        shape = (num_chains,) if self.first.batch_shape == self.batch else (num_chains, *self.batch)
        return self.first.sample(torch.Size(shape))

    def log_joint(self, z: Tensor) -> Tensor:
        """log p(x, z), (C, B)."""
        return self.model.likelihood(z).log_prob(self.x) + self.prior.log_prob(z)

    def log_ratio(self, z: Tensor) -> Tensor:
        """log p(x, z) - log f_0(z), (C, B)."""
        return self.log_joint(z) - self.first.log_prob(z)

    def at(self, beta: Tensor) -> hmc.LogDensity:
        """log f_beta."""
        weight = beta.to(self.scale.dtype)
        if beta == 1:
            return self.log_joint
        return lambda z: (1 - weight) * self.first.log_prob(z) + weight * self.log_joint(z)

    def move(self, z: Tensor, beta: Tensor, step_size: Tensor, num_leapfrog: int) -> tuple[Tensor, Tensor]:
        """One HMC proposal that leaves f_beta invariant, step_size (B,): new z (C, B, Z), and its acceptance (C, B)."""
        density = self.at(beta)
        state = hmc.init(density, z)
        state, info = hmc.step(density, state, step_size[:, None], num_leapfrog, self.scale.square())
        return state.position, info.acceptance_rate


@torch.no_grad()
def tune_step_sizes(path: Path, annealing: Annealing) -> Float[Tensor, "distributions batch"]:
    """A step size for each distribution and example (T, B), by a pilot run that drives the acceptance to .65.

    They are frozen afterwards: a step size that followed the chain would leave nothing invariant.
    """
    betas = annealing.betas(path.x.device)
    size = torch.full(path.batch, 0.3, dtype=path.scale.dtype, device=path.x.device)
    z = path.sample_first(annealing.num_chains)
    sizes = []
    for beta in betas[1:]:
        z, rate = path.move(z, beta, size, annealing.num_leapfrog)
        sizes.append(size)
        size = size * (0.1 * (rate.mean(0) - ACCEPTANCE)).exp()
    return _smooth(torch.stack(sizes))


@torch.no_grad()
def anneal(
    path: Path,
    annealing: Annealing,
    step_sizes: Float[Tensor, "distributions batch"],
    *,
    backward_from: Float[Tensor, "chains batch latent"] | None = None,
) -> tuple[Float[Tensor, "chains batch"], Float[Tensor, "distributions"]]:
    """Log-weights (C, B) with E w = p(x), and the mean acceptance at each distribution.

    With `backward_from`, draws from the true posterior p(z | x) that only simulated data have, the chains run from
    p(x, z) to f_0, and the weights have E 1/w = 1 / p(x): their log is a stochastic upper bound of log p(x)
    (Grosse, Ghahramani & Adams 2015).
    """
    betas = annealing.betas(path.x.device)
    backward = backward_from is not None
    z = backward_from if backward_from is not None else path.sample_first(annealing.num_chains)
    total = torch.zeros(z.shape[:-1], dtype=torch.float64, device=z.device)
    rates = []
    places = range(annealing.num_distributions)
    for place in reversed(places) if backward else places:
        change = betas[place + 1] - betas[place]
        if not backward:
            total += change * path.log_ratio(z).double()
        z, rate = path.move(z, betas[place + 1], step_sizes[place], annealing.num_leapfrog)
        if backward:
            total += change * path.log_ratio(z).double()
        rates.append(rate.mean())
    return total, torch.stack(rates)


def _smooth(sizes: Tensor, window: int = 9) -> Tensor:
    """A running mean of the logarithm over distributions, which takes the pilot's noise out."""
    padded = torch.nn.functional.pad(sizes.log().T[:, None], (window // 2, window // 2), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, window, 1)[:, 0].T.exp()
