"""Variational inference for a log-density: the Gaussian that is nearest to it in KL(q || p), by gradient.

Sources: Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), Automatic differentiation variational inference; the path
gradient: Roeder, Wu and Duvenaud (2017), Sticking the landing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from jensen.distributions.gaussian import CholeskyGaussian
from jensen.errors import JensenError, unknown
from jensen.inference.estimate import Estimate, LogDensity, mean_of_draws, point

Family = Literal["diagonal", "full"]
WINDOW = 100  # steps over which the ELBO is averaged, to see whether it still rises
FALLS = 6  # of the learning rate, each by the root of 10, before the end
FINAL_DRAWS = 10_000  # for the ELBO that is reported


@dataclass(frozen=True)
class VariationalFit:
    """The q that was found, and how well.

    q: event_shape (Z,): `Independent(Normal)`, or a Gaussian by its Cholesky factor.
    elbo: E_q log p(z) - log q(z), nats, with its standard error over fresh draws: a lower bound on the log of the
        normalising constant, below it by KL(q || p).
    history: (windows,) the ELBO's mean over each 100 steps.
    converged: whether the ELBO had ceased to rise before the last step was made.
    """

    q: Distribution
    elbo: Estimate
    history: Float[Tensor, " windows"]
    converged: bool


def fit_vi(
    log_density: LogDensity,
    dims: int,
    family: Family = "diagonal",
    *,
    start: Float[Tensor, " dims"] | None = None,
    num_samples: int = 100,
    max_steps: int = 10_000,
    learning_rate: float = 0.1,
) -> VariationalFit:
    """Raises ELBO(q) = E_q [log p(z) - log q(z)] = log Z - KL(q || p) over Gaussian q, from N(start, I).

    p need not be normalised: Z = ∫ p(z) dz. Each step draws z = m + L eps and moves m and L by Adam along the path
    gradient, that of log p(z) - log q(z) through z alone: the rest has mean 0, and without it the noise vanishes where
    q = p. Steps are taken in coordinates in which the q of 100 steps before is N(0, I), so neither the units of z nor
    its correlations matter. Where 100 steps gain no more than one standard error over the 100 before, the rate falls by
    the root of 10; after six falls it ends, with the mean of the last iterates.

    KL(q || p) is large where q has mass and p has none: q finds one mode, and is too narrow where it lacks
    correlations. Other modes take other starts. Draws come from torch's global generator.

    Args:
        log_density: log p, (S, Z) -> (S,) nats, differentiable and finite for every real z.
        dims: Z.
        family: "diagonal" or "full" covariance.
        start: mean of the first q, (Z,), which also says dtype and device; none is 0 in torch's default type.
        num_samples: S, draws of a step.
        max_steps: the most that are made, in hundreds.
        learning_rate: of Adam, in units of q's standard deviations.

    Raises:
        JensenError: a log-density of another shape, without a gradient, or not finite where q has mass.

    >>> from torch.distributions import MultivariateNormal
    >>> _ = torch.manual_seed(0)
    >>> p = MultivariateNormal(torch.tensor([1.0, 2.0]).double(), torch.tensor([[1.0, 0.9], [0.9, 1.0]]).double())
    >>> found = fit_vi(p.log_prob, 2, "full", start=torch.zeros(2).double())
    >>> torch.allclose(found.q.mean, p.mean, atol=1e-4), torch.allclose(found.q.covariance_matrix, p.covariance_matrix)
    (True, True)
    """
    if family not in get_args(Family):
        raise unknown("family", family, get_args(Family))
    for name, value, least in (("dims", dims, 1), ("num_samples", num_samples, 1), ("max_steps", max_steps, WINDOW)):
        if value < least:
            raise JensenError(f"{name} must be at least {least}, got {value}")
    if not learning_rate > 0:
        raise JensenError(f"learning_rate must be above 0, got {learning_rate}")
    loc = torch.zeros(dims) if start is None else start.detach().clone()
    if loc.shape != (dims,):
        raise JensenError(f"start is the mean of q, of shape ({dims},), got {tuple(loc.shape)}")
    scale = torch.ones_like(loc) if family == "diagonal" else torch.eye(dims).to(loc)
    means: list[Tensor] = []
    before: tuple[Tensor, Tensor] | None = None
    falls = 0
    for _ in range(max_steps // WINDOW):
        loc, scale, values = _window(log_density, loc, scale, num_samples, learning_rate, first=not means)
        mean, variance = values.mean(), values.var() / WINDOW
        means.append(mean)
        if before is None or mean - before[0] > (variance + before[1]).sqrt():
            before = mean, variance
            continue
        falls += 1
        if falls > FALLS:
            break
        learning_rate, before = learning_rate / math.sqrt(10), None
    q = _gaussian(loc, scale)
    return VariationalFit(q, _elbo(log_density, q, num_samples), torch.stack(means), falls > FALLS)


def _window(
    log_density: LogDensity, loc: Tensor, scale: Tensor, num_samples: int, learning_rate: float, first: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """A window's steps from N(loc, scale): the mean of its second half's iterates as (loc, scale), and its ELBOs.

    The parameters are those of u ~ N(shift, factor factor') with z = loc + scale u.
    """
    dims = len(loc)
    shift, log_scale = torch.zeros_like(loc).requires_grad_(), torch.zeros_like(loc).requires_grad_()
    below = torch.zeros_like(scale).requires_grad_()  # the diagonal: used where there is something below it
    groups: list[dict[str, Any]] = [{"params": [shift, log_scale]}]
    if scale.ndim == 2:
        groups.append({"params": [below], "lr": learning_rate / math.sqrt(dims)})
    parameters = [parameter for group in groups for parameter in group["params"]]
    optimizer = torch.optim.Adam(groups, lr=learning_rate)
    averages = [torch.zeros_like(parameter) for parameter in parameters]
    values = []
    for step in range(WINDOW):
        factor = _factor(log_scale, below)
        noise = torch.randn(num_samples, dims, dtype=loc.dtype, device=loc.device)
        u = shift + _times(factor, noise)
        z = loc + _times(scale, u)
        # log q(z), its parameters held fixed, is a function of u alone.
        whitened = _solve(factor.detach(), u - shift.detach())
        log_det = log_scale.detach().sum() + _diagonal(scale).log().sum()
        log_q = -0.5 * whitened.square().sum(1) - log_det - 0.5 * dims * math.log(2 * math.pi)
        bound = (_at(log_density, z, first and step == 0) - log_q).mean()
        for parameter, gradient in zip(parameters, torch.autograd.grad(-bound, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        values.append(bound.detach())
        if 2 * step >= WINDOW:
            for average, parameter in zip(averages, parameters, strict=True):
                average.add_(parameter.detach(), alpha=2 / WINDOW)
    averages[0] = loc + _times(scale, averages[0])
    factor = _factor(averages[1], averages[2] if scale.ndim == 2 else below.detach())
    return averages[0], scale * factor if scale.ndim == 1 else scale @ factor, torch.stack(values)


def _factor(log_scale: Tensor, below: Tensor) -> Tensor:
    """Standard deviations (Z,), or a lower triangular factor (Z, Z)."""
    return log_scale.exp() if below.ndim == 1 else below.tril(-1) + log_scale.exp().diag()


def _times(factor: Tensor, rows: Tensor) -> Tensor:
    return rows * factor if factor.ndim == 1 else rows @ factor.mT


def _solve(factor: Tensor, rows: Tensor) -> Tensor:
    return rows / factor if factor.ndim == 1 else torch.linalg.solve_triangular(factor, rows.mT, upper=False).mT


def _diagonal(factor: Tensor) -> Tensor:
    return factor if factor.ndim == 1 else factor.diagonal()


def _gaussian(loc: Tensor, scale: Tensor) -> Distribution:
    """Of standard deviations (Z,), or of a Cholesky factor (Z, Z)."""
    return Independent(Normal(loc, scale), 1) if scale.ndim == 1 else CholeskyGaussian(loc, scale)


def _at(log_density: LogDensity, z: Tensor, first: bool) -> Tensor:
    """log p(z), (S,): a gradient behind it, and finite."""
    value = log_density(z)
    if not isinstance(value, Tensor) or value.shape != z.shape[:1]:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise JensenError(
            f"log_density takes all draws at once, {tuple(z.shape)}, and gives one value for each, ({len(z)},); it "
            f"gave {shape}: sum over the last dimension of z"
        )
    if torch.is_grad_enabled() and not value.requires_grad:
        raise JensenError("log_density has no gradient in z: write it in torch operations, without numpy or detach")
    if not value.isfinite().all():
        at = int((~value.isfinite()).nonzero()[0])
        found = float(value[at].detach())
        remedy = "q ran away; p needs a finite integral, or lower learning_rate"
        if found == -math.inf:
            remedy = "a Gaussian q has mass everywhere; let z be the logarithm, or the log-odds, of what is bounded"
        elif first:
            remedy = "q starts at N(start, I); give a start around which it is finite"
        raise JensenError(f"log_density is {found:g} at z = {point(z[at].detach())}: {remedy}")
    return value


@torch.no_grad()
def _elbo(log_density: LogDensity, q: Distribution, num_samples: int) -> Estimate:
    """On fresh draws, as many at a time as in training."""
    draws = q.sample(torch.Size([max(FINAL_DRAWS, 2)])).split(num_samples)
    return mean_of_draws(torch.cat([_at(log_density, z, False) - q.log_prob(z) for z in draws]).double())
