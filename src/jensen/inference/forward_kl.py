"""The Gaussian nearest to a density in KL(p || q): it has the moments of p.

Sources: Bishop (2006), Pattern Recognition and Machine Learning, section 10.7; by importance sampling in rounds:
Cappé, Guillin, Marin and Robert (2004), Population Monte Carlo.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from jensen.distributions.gaussian import CholeskyGaussian
from jensen.errors import JensenError, unknown
from jensen.inference.estimate import Estimate, LogDensity, log_density_at
from jensen.inference.fit_vi import Family
from jensen.inference.importance import NOT_BELIEVED, pareto_k


def match_moments(
    z: Float[Tensor, "draws dims"], log_weights: Float[Tensor, " draws"] | None = None, family: Family = "full"
) -> Distribution:
    """The Gaussian q that maximises Σ_i w_i log q(z_i): its mean is that of z, its (co)variance that of z.

    Of z drawn from p it minimises KL(p || q) = E_p log p - E_p log q, of which only the last term knows q. Without the
    weights this is maximum likelihood; with log-weights log p - log r, z may be drawn from any r that covers p.

    Args:
        z: (N, Z).
        log_weights: (N,), up to a constant; none are equal weights.
        family: "full", or "diagonal": then q has the variances of p, and not its correlations.

    Raises:
        JensenError: where so few draws carry the weight that the covariance is singular.

    >>> match_moments(torch.tensor([[0.0], [2.0]]), torch.tensor([0.75, 0.25]).log(), "diagonal").mean
    tensor([0.5000])
    """
    shares = torch.full_like(z[:, 0], 1 / len(z)) if log_weights is None else log_weights.softmax(0).to(z)
    mean = shares @ z
    centred = z - mean
    if family == "diagonal":
        scale = (shares @ centred.square()).sqrt()
        if not (scale > 0).all():
            raise _singular(shares)
        return Independent(Normal(mean, scale), 1)
    if family != "full":
        raise unknown("family", family, ("diagonal", "full"))
    factor, info = torch.linalg.cholesky_ex((shares[:, None] * centred).mT @ centred)
    if info:
        raise _singular(shares)
    return CholeskyGaussian(mean, factor)


@dataclass(frozen=True)
class ForwardFit:
    """The q that was found, and how well.

    q: event_shape (Z,).
    eubo: E_p log p(z) - log q(z), nats, with its standard error, over fresh draws: an upper bound on the log of
        the normalising constant, above it by KL(p || q).
    effective_sample_size: (Σ w)² / Σ w² of the weights of the last round's draws, between 1 and their number.
    """

    q: Distribution
    eubo: Estimate
    effective_sample_size: float


@torch.no_grad()
def fit_forward_kl(
    log_density: LogDensity,
    proposal: Distribution,
    family: Family = "full",
    *,
    num_samples: int = 10_000,
    rounds: int = 10,
) -> ForwardFit:
    """Lowers KL(p || q) over Gaussian q: the moments of p by importance sampling, round after round.

    Draws come from the proposal, then from the Gaussian that has the moments found last.

    p need not be normalised. KL(p || q) is large where p has mass and q has none: q covers all modes that the proposal
    covers, so let it be wide. A mode that no draw comes near is missed, and nothing can tell.

    Args:
        log_density: log p, (N, Z) -> (N,) nats.
        proposal: of the first round, event_shape (Z,); with mass wherever p has some.
        family: "full" or "diagonal".
        num_samples: N, draws of a round.
        rounds: at least 1.

    Raises:
        JensenError: no draw has a weight, or too few have; a proposal that is not of vectors; a log-density of another
            shape, NaN or +inf.

    >>> from torch.distributions import MultivariateNormal
    >>> _ = torch.manual_seed(0)
    >>> p = MultivariateNormal(torch.ones(2), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    >>> found = fit_forward_kl(p.log_prob, MultivariateNormal(torch.zeros(2), 9 * torch.eye(2)))
    >>> bool((found.q.mean - 1).abs().max() < 0.04)
    True
    """
    for name, value in (("num_samples", num_samples), ("rounds", rounds)):
        if value < 1:
            raise JensenError(f"{name} must be at least 1, got {value}")
    if len(proposal.event_shape) != 1:
        raise JensenError(
            f"proposal must be of vectors, event_shape (Z,), got {tuple(proposal.event_shape)}: "
            "Independent(proposal, 1) makes it so"
        )
    for _ in range(rounds):
        z, log_weights = _weighted(log_density, proposal, num_samples)
        # Whatever the family, draws come from the Gaussian that is nearest to p.
        q, proposal = match_moments(z, log_weights, family), match_moments(z, log_weights)
    z, log_weights = _weighted(log_density, proposal, num_samples)
    shares = log_weights.softmax(0)
    k = pareto_k(shares * ((z - q.mean).square() / q.variance).sum(1))  # of what the variances are sums of
    if k > NOT_BELIEVED:
        warnings.warn(
            f"the tails of p are heavier than a Gaussian's: Pareto k of its squares is {k:.2f}, above {NOT_BELIEVED}; "
            "the moments are not to be believed: draw samples of p (hmc), and give those to match_moments",
            RuntimeWarning,
            stacklevel=2,
        )
    # log p - log q; 0 log 0 is 0 where p is 0.
    gaps = torch.where(shares > 0, log_weights + proposal.log_prob(z) - q.log_prob(z), 0.0)
    eubo = (shares * gaps).sum()
    error = (shares * (gaps - eubo)).square().sum().sqrt()
    return ForwardFit(q, Estimate(eubo, error), 1 / float(shares.square().sum()))


def _weighted(log_density: LogDensity, q: Distribution, num_samples: int) -> tuple[Tensor, Tensor]:
    """Draws of q (N, Z), and log p - log q of each (N,), float64."""
    z = q.sample(torch.Size([num_samples]))
    log_weights = log_density_at(log_density, z) - q.log_prob(z).double()
    if log_weights.max() == -torch.inf:
        raise JensenError(
            f"all {num_samples} draws of the proposal fall where the density is 0: choose one that covers it"
        )
    return z, log_weights


def _singular(shares: Tensor) -> JensenError:
    worth = 1 / float(shares.square().sum())
    return JensenError(
        f"the covariance is singular: {len(shares)} draws are worth {worth:.1f}, the effective sample size; widen the "
        "proposal, or draw more"
    )
