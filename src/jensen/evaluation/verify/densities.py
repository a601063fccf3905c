"""Whether a distribution is one: its log_prob sums or integrates to one, and its draws are of that density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, StudentT, Transform, biject_to, constraints, identity_transform

from jensen.evaluation.verify.question import ERRORS, Fault, Undecided

DRAWS = 20_000
STATES = 2**14
REAL_ENTRIES = 20


@dataclass(frozen=True)
class Moments:
    """Means and second moments about a common centre, with their standard errors: (*batch, D), (*batch, D, D)."""

    first: Tensor
    second: Tensor
    first_error: Tensor
    second_error: Tensor

    @property
    def scale(self) -> Tensor:
        """The standard deviation of each entry, (*batch, D)."""
        return (self.second.diagonal(dim1=-2, dim2=-1) - self.first.square()).clamp_min(0).sqrt()


@dataclass(frozen=True)
class Survey:
    """What log_prob says, and what the draws say, of the same distribution.

    mass (*batch,): the sum or integral of exp log_prob, with `mass_error`. mass_if_averaged: what it would be if
    log_prob were its D-fold. said: moments of the normalised density; drawn: those of the draws.
    """

    num_entries: int
    mass: Tensor
    mass_error: Tensor
    mass_if_averaged: Tensor
    said: Moments
    drawn: Moments
    discrete: bool

    def check_mass(self) -> str:
        """The mass where it is one; else the Fault says what may be wrong."""
        if _near(self.mass, torch.ones_like(self.mass), self.mass_error):
            return f"to {float(self.mass.mean()):.4f}"
        constant = (self.drawn.scale * math.sqrt(2 * math.pi)).log().sum(-1)
        half = torch.full_like(constant, 0.5 * self.num_entries * math.log(2 * math.pi))
        what = "a normalising constant is missing or wrong"
        if self.num_entries > 1 and ((self.mass_if_averaged - 1).abs() < 0.02).all():
            what = f"it is averaged over the {self.num_entries} entries instead of summed"
        elif not self.discrete and ((self.mass.log() - half).abs() < 0.1).all():
            what = "the Gaussian's -1/2 log 2 pi of each entry is missing"
        elif not self.discrete and ((self.mass.log() - constant).abs() < 0.1).all():
            what = "the Gaussian's constant -1/2 log 2 pi scale^2 of each entry is missing"
        worst = self.mass.flatten()[int((self.mass.log().abs()).argmax())]
        verb = "sums" if self.discrete else "integrates"
        raise Fault(f"{what} (exp log_prob {verb} to {float(worst):.3g})")

    def check_draws(self) -> str:
        """That the draws agree with log_prob; else the Fault says how they differ."""
        said, drawn = self.said, self.drawn
        first_error = torch.hypot(said.first_error, drawn.first_error)
        second_error = torch.hypot(said.second_error, drawn.second_error)
        if _near(said.first, drawn.first, first_error) and _near(said.second, drawn.second, second_error):
            return "means and second moments agree"
        what = "sample and log_prob are of different distributions"
        if _near(said.first, drawn.first, first_error):
            if ((drawn.scale / said.scale.square() - 1).abs() < 0.1).all():
                what = "draws are mean + variance * noise, or log_prob takes the scale for the variance"
            elif ((drawn.scale.square() / said.scale - 1).abs() < 0.1).all():
                what = "log_prob takes the variance for the scale"
        entry = int((drawn.scale - said.scale).abs().flatten().argmax())
        scales = (float(drawn.scale.flatten()[entry]), float(said.scale.flatten()[entry]))
        raise Fault(f"{what} (standard deviation of draws {scales[0]:.3g}, of log_prob {scales[1]:.3g})")


def survey(distribution: Distribution) -> Survey:
    """Mass and moments by enumeration where the values are whole, else by importance sampling about the draws."""
    draws = distribution.sample(torch.Size([DRAWS]))
    dims = len(distribution.event_shape)
    if not bool(draws.isfinite().all()):
        raise Undecided("its draws are not finite")
    if bool((draws == draws.round()).all()):
        return _enumerated(distribution, draws, dims)
    return _integrated(distribution, draws, dims)


def _enumerated(distribution: Distribution, draws: Tensor, dims: int) -> Survey:
    entries = distribution.event_shape.numel()
    values = _values(distribution, draws)
    if len(values) ** entries > STATES:
        raise Undecided(
            f"{len(values)}^{entries} values are too many to enumerate: give a smaller one of the same kind"
        )
    states = torch.cartesian_prod(*[values.to(draws.dtype)] * entries).reshape(-1, *distribution.event_shape)
    ones = [1] * len(distribution.batch_shape)
    log_prob = distribution.log_prob(states.reshape(len(states), *ones, *distribution.event_shape)).double()
    mass = log_prob.exp().sum(0)
    y = _flat(states.double(), dims).reshape(len(states), *ones, entries).expand(*log_prob.shape, entries)
    drawn = _flat(draws.double(), dims)
    centre = drawn.mean(0)
    said = moments(y - centre, log_prob.softmax(0))
    exact = Moments(said.first, said.second, 0 * said.first, 0 * said.second)
    averaged = (entries * log_prob).exp().sum(0)
    return Survey(entries, mass, 0 * mass, averaged, exact, moments(drawn - centre), True)


def _integrated(distribution: Distribution, draws: Tensor, dims: int) -> Survey:
    entries = distribution.event_shape.numel()
    if entries > REAL_ENTRIES:
        raise Undecided(f"{entries} entries are too many to integrate over: give a smaller one of the same kind")
    to_support = _to_support(distribution)
    drawn = _flat(to_support.inv(draws).double(), dims)
    centre = drawn.mean(0)
    covariance = torch.einsum("n...i,n...j->...ij", drawn - centre, drawn - centre) / len(drawn)
    factor = torch.linalg.cholesky(covariance + 1e-12 * torch.eye(entries, dtype=torch.float64))
    # Tails heavier than the density's keep the weights' variance finite; three degrees of freedom have them.
    proposal = StudentT(torch.tensor(3.0, dtype=torch.float64))
    noise = proposal.sample(drawn.shape)
    y = centre + torch.einsum("...ij,n...j->n...i", factor, noise)
    log_proposal = proposal.log_prob(noise).sum(-1) - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    unconstrained = y.reshape(draws.shape).to(draws.dtype)
    x = to_support(unconstrained)
    volume = to_support.log_abs_det_jacobian(unconstrained, x).double()
    volume = volume.reshape(*log_proposal.shape, -1).sum(-1)
    log_prob = distribution.log_prob(x).double()
    log_weights = log_prob + volume - log_proposal
    weights = log_weights.exp()
    averaged = (entries * log_prob + volume - log_proposal).exp().mean(0)
    error = weights.std(0) / math.sqrt(DRAWS)
    if bool((error > 0.1 * weights.mean(0)).any()):
        raise Undecided("its shape is too far from its draws' mean and covariance to integrate over")
    said, seen = moments(y - centre, log_weights.softmax(0)), moments(drawn - centre)
    return Survey(entries, weights.mean(0), error, averaged, said, seen, False)


def moments(y: Float[Tensor, "draws *batch entries"], weights: Tensor | None = None) -> Moments:
    """Moments of y under weights (N, *batch) that sum to one, equal ones where there are none."""
    w = torch.full(y.shape[:-1], 1 / len(y), dtype=y.dtype) if weights is None else weights

    def mean(w: Tensor, f: Tensor) -> Tensor:
        return torch.einsum("n...,n...i->...i", w, f)

    def product(w: Tensor, f: Tensor) -> Tensor:
        return torch.einsum("n...i,n...j->...ij", w[..., None] * f, f)

    first, second, total = mean(w, y), product(w, y), w.square().sum(0)
    spread = mean(w.square(), y.square()) - 2 * first * mean(w.square(), y) + first.square() * total[..., None]
    spread_2 = product(w.square(), y.square()) - 2 * second * product(w.square(), y)
    spread_2 = spread_2 + second.square() * total[..., None, None]
    return Moments(first, second, spread.clamp_min(0).sqrt(), spread_2.clamp_min(0).sqrt())


def _values(distribution: Distribution, draws: Tensor) -> Tensor:
    """The values that an entry can take: what the support says, else whatever whole numbers were drawn."""
    support = _support(distribution)
    if support is constraints.boolean:
        return torch.arange(2)
    if isinstance(support, constraints.integer_interval):
        return torch.arange(
            int(torch.as_tensor(support.lower_bound).min()), int(torch.as_tensor(support.upper_bound).max()) + 1
        )
    low, high = int(draws.min()), int(draws.max())
    if support is constraints.nonnegative_integer:
        low, high = 0, 2 * high + 20  # what lies beyond twice the largest of 20,000 draws is not seen
    return torch.arange(low, high + 1)


def _support(distribution: Distribution) -> constraints.Constraint | None:
    try:
        support = distribution.support
    except (AttributeError, NotImplementedError):  # a class of one's own need not say
        return None
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def _to_support(distribution: Distribution) -> Transform:
    support = _support(distribution)
    real = support is None or support is constraints.real or support is constraints.real_vector
    return identity_transform if real else biject_to(support)


def _flat(values: Tensor, dims: int) -> Tensor:
    return values.flatten(-dims) if dims else values[..., None]


def _near(found: Tensor, expected: Tensor, error: Tensor) -> bool:
    return bool(((found - expected).abs() <= ERRORS * error + 1e-3 * (1 + expected.abs())).all())
