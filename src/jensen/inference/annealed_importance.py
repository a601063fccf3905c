"""Annealed importance sampling of the evidence (Neal 2001; Wu, Burda, Salakhutdinov & Grosse 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Dirichlet

from jensen.errors import JensenError
from jensen.inference.mcmc import hmc
from jensen.models.base import Directed

ACCEPTANCE = 0.65  # what the pilot run drives the step sizes to
JITTER = 0.3  # step sizes vary by up to this share, or chains of one period would come back to where they were
SPREAD_DRAWS = 100  # of f_0, for the scales that a pilot run begins with
PILOT_CHAINS = 4  # at least, so that there is a variance over chains
PILOT_DISTRIBUTIONS = 20  # at least


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
    num_leapfrog: int = 5
    start: Literal["posterior", "prior"] = "posterior"

    def __post_init__(self) -> None:
        for name in ("num_distributions", "num_chains", "num_leapfrog"):
            if getattr(self, name) < 1:
                raise JensenError(f"{name} must be at least 1, got {getattr(self, name)}")


class Schedule(NamedTuple):
    """What a pilot run found, frozen: beta_0 = 0 .. beta_T = 1 (T + 1,), and HMC's step sizes (T, B, Z)."""

    betas: Float[Tensor, "distributions_and_one"]
    step_sizes: Float[Tensor, "distributions batch latent"]


class Point(NamedTuple):
    """Where chains stand, z (C, B, Z), with log f_0(z) and log p(x, z), (C, B), and their gradients, (C, B, Z).

    Both ends of the path are kept, so that nothing is computed anew where beta changes.
    """

    position: Tensor
    log_first: Tensor
    first_gradient: Tensor
    log_joint: Tensor
    joint_gradient: Tensor

    @property
    def log_ratio(self) -> Float[Tensor, "chains batch"]:
        """log p(x, z) - log f_0(z), (C, B), float64."""
        return (self.log_joint - self.log_first).double()

    def at(self, beta: float) -> hmc.State:
        """The same under f_beta."""
        return hmc.State(
            self.position,
            (1 - beta) * self.log_first + beta * self.log_joint,
            (1 - beta) * self.first_gradient + beta * self.joint_gradient,
        )


class Path:
    """The distributions between f_0 and p(x, z) for one batch of x."""

    @torch.no_grad()
    def __init__(self, model: Directed, x: Shaped[Tensor, "batch *event"], annealing: Annealing) -> None:
        self.model, self.x, self.annealing = model, x, annealing
        self.prior = model.prior()
        if isinstance(self.prior, Dirichlet):
            raise JensenError("annealing moves z over all of space, and this model's z are proportions: leave it out")
        self.first = self.prior if annealing.start == "prior" else model.posterior(x)  # type: ignore[attr-defined]

    def sample_first(self, num_chains: int) -> Float[Tensor, "chains batch latent"]:
        """z ~ f_0, whether f_0 is one for each x or the same for all."""
        each = len(self.first.batch_shape) > 0
        return self.first.sample(torch.Size([num_chains] if each else [num_chains, len(self.x)]))

    def evaluate(self, z: Float[Tensor, "chains batch latent"]) -> Point:
        """Both densities at z and their gradients, by one forward and one backward pass of the likelihood."""
        log_prior, prior_gradient = hmc.value_and_gradient(self.prior.log_prob, z)
        first = log_prior, prior_gradient
        if self.first is not self.prior:
            first = hmc.value_and_gradient(self.first.log_prob, z)
        value, gradient = hmc.value_and_gradient(lambda z: self.model.likelihood(z).log_prob(self.x), z)
        return Point(z.detach(), *first, log_prior + value, prior_gradient + gradient)

    def move(self, point: Point, beta: float, step_size: Float[Tensor, "batch latent"]) -> tuple[Point, Tensor]:
        """One HMC proposal that leaves f_beta invariant: the new point, and its acceptance rate (C, B)."""
        proposed = point

        def evaluate(z: Tensor) -> hmc.State:
            nonlocal proposed
            proposed = self.evaluate(z)
            return proposed.at(beta)

        jitter = 1 + JITTER * (2 * torch.rand_like(point.log_joint) - 1)
        _, info = hmc.step(evaluate, point.at(beta), jitter[..., None] * step_size, self.annealing.num_leapfrog)
        kept = (torch.where(_over(info.accepted, new), new, old) for new, old in zip(proposed, point, strict=True))
        return Point(*kept), info.acceptance_rate


@torch.no_grad()
def pilot(path: Path) -> Schedule:
    """A shorter run along a sigmoid's betas, which finds the schedule of the real one.

    HMC's step size in each dimension is the spread of the chains, times a factor that drives the acceptance to .65. The
    betas are spaced so that the log-weight's increments have equal standard deviations: their density is that of
    log p(x, z) - log f_0(z) under f_beta, over chains and all examples (Gelman & Meng 1998). All of it is frozen
    afterwards, since a step size that followed its chain would leave nothing invariant.
    """
    num_distributions = max(path.annealing.num_distributions // 4, PILOT_DISTRIBUTIONS)
    point = path.evaluate(path.sample_first(max(path.annealing.num_chains, PILOT_CHAINS)))
    # Dense at both ends, where the path changes fastest.
    grid = torch.linspace(-4, 4, num_distributions + 1, device=path.x.device, dtype=torch.float64).sigmoid()
    betas = (grid - grid[0]) / (grid[-1] - grid[0])
    variance = path.sample_first(SPREAD_DRAWS).var(0)
    factor = torch.full_like(variance[:, :1], 0.5)
    step_sizes, speeds = [], []
    for beta in betas[1:].tolist():
        speeds.append(_finite(point.log_ratio.var(0)).mean().sqrt())
        step_sizes.append(factor * variance.sqrt())
        point, rate = path.move(point, beta, step_sizes[-1])
        factor = factor * (0.5 * (rate.mean(0) - ACCEPTANCE)).exp()[:, None]
        variance = 0.9 * variance + 0.1 * point.position.var(0)
    speed = _smooth(torch.stack(speeds)[:, None])[:, 0]
    length = (speed + 1e-3 * speed.mean() + 1e-12) * betas.diff()  # rises everywhere, though the speed may be 0
    length = torch.cat([length.new_zeros(1), length.cumsum(0)])
    even = torch.linspace(0, 1, path.annealing.num_distributions + 1, device=length.device, dtype=torch.float64)
    spaced = _interpolate(even * length[-1], length, betas[:, None])[:, 0]
    sizes = _smooth(torch.stack(step_sizes).flatten(1).log())
    sizes = _interpolate(spaced[1:], betas[1:], sizes).exp().to(variance.dtype)
    return Schedule(spaced, sizes.unflatten(1, variance.shape))


@torch.no_grad()
def anneal(
    path: Path, schedule: Schedule, *, backward_from: Float[Tensor, "chains batch latent"] | None = None
) -> tuple[Float[Tensor, "chains batch"], Float[Tensor, "distributions"]]:
    """Log-weights (C, B) with E w = p(x), and the mean acceptance at each distribution.

    With `backward_from`, draws from the true posterior p(z | x) that only simulated data have, the chains run from
    p(x, z) to f_0, and the weights have E 1/w = 1 / p(x): their log is a stochastic upper bound of log p(x)
    (Grosse, Ghahramani & Adams 2015).
    """
    betas = schedule.betas.tolist()
    places = list(zip(betas[:-1], betas[1:], schedule.step_sizes, strict=True))
    backward = backward_from is not None
    point = path.evaluate(path.sample_first(path.annealing.num_chains) if backward_from is None else backward_from)
    total = torch.zeros_like(point.log_ratio)
    rates = []
    for before, beta, step_size in reversed(places) if backward else places:
        if not backward:
            total += (beta - before) * point.log_ratio
        point, rate = path.move(point, beta, step_size)
        if backward:
            total += (beta - before) * point.log_ratio
        rates.append(rate.mean())
    return total, torch.stack(rates)


def _over(mask: Tensor, values: Tensor) -> Tensor:
    """A mask (C, B) that chooses among values (C, B) or (C, B, Z)."""
    return mask if values.dim() == mask.dim() else mask[..., None]


def _finite(values: Tensor) -> Tensor:
    """Where p(x, z) is 0 for a draw, its log-ratio has no variance."""
    return values.nan_to_num(nan=0.0, posinf=0.0)


def _smooth(values: Float[Tensor, "distributions series"], window: int = 9) -> Float[Tensor, "distributions series"]:
    """A running mean over distributions, which takes the pilot's noise out."""
    padded = F.pad(values.T[:, None].double(), (window // 2, window // 2), mode="replicate")
    return F.avg_pool1d(padded, window, 1)[:, 0].T


def _interpolate(
    at: Float[Tensor, "places"], known: Float[Tensor, "knots"], values: Float[Tensor, "knots series"]
) -> Float[Tensor, "places series"]:
    """Linear between the knots, constant beyond them."""
    right = torch.searchsorted(known, at).clamp(1, len(known) - 1)
    share = ((at - known[right - 1]) / (known[right] - known[right - 1])).clamp(0, 1)[:, None]
    return torch.lerp(values[right - 1], values[right], share)
