"""Importance sampling: means under p from draws of q, weighted by p / q; and how to see that it fails.

Sources: Kahn and Marshall (1953); Owen (2013), Monte Carlo theory, methods and examples, chapter 9; Zhang and Stephens
(2009); Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, Uniform

from jensen.errors import JensenError
from jensen.inference.divergences import chi_square
from jensen.inference.estimate import Function, LogDensity, log_density_at, values_at
from jensen.inference.transitions import float64

INFINITE_VARIANCE = 0.5  # the least shape k of a Pareto tail that has no variance
NOT_BELIEVED = 0.7  # above this no feasible number of draws helps; below, an estimated k may be too large by .2
FEW = 100  # effective draws


class ImportanceEstimate(NamedTuple):
    """E_p f(z), and whether to believe it.

    value, standard_error: (*shape), as f's values. variance: of one draw, (*shape); the error is its root over root N.
    effective_sample_size: (sum w)^2 / sum w^2 of the weights; its share of N tends to 1 / E_q w^2.
    pareto_k: the shape of the tail of what is averaged; above 1/2 its variance is infinite, and so is the error.
    infinite_variance: whether it is: known of two Gaussians, else whether `pareto_k` is above 0.7.
    warning: in words, or None.
    """

    value: Tensor
    standard_error: Tensor
    variance: Tensor
    effective_sample_size: float
    pareto_k: float
    infinite_variance: bool
    warning: str | None


@torch.no_grad()
def importance_estimate(
    f: Function,
    log_density: LogDensity | Distribution,
    proposal: Distribution,
    num_samples: int = 10_000,
    self_normalised: bool = False,
) -> ImportanceEstimate:
    """E_p f(z) from N draws of q, with weights w = p(z) / q(z).

    Plain, (1/N) sum_i w_i f(z_i): unbiased, and needs p with its constant. Self-normalised, the same over (1/N) sum_i
    w_i: p may lack a constant; the bias is of order 1/N, and the variance that of the delta method,
    E_q w^2 (f - E f)^2 / (E_q w)^2.

    It warns, as a Python warning and in `warning`, where the proposal is too narrow for the draws to say how wrong they
    are. What no draw has come near (another mode) no diagnosis sees. That plain weights lack a constant is seen only
    where they average more than 1.

    Args:
        f: takes all draws, (N, *event), and gives (N,) or (N, ...).
        log_density: log p, or p itself, whose Gaussian closed forms are then used.
        proposal: q, with q > 0 wherever f p is not 0.
        num_samples: N.
        self_normalised: whether to divide by the sum of the weights.

    Raises:
        JensenError: all weights are 0; fewer than two draws; values that are not finite.

    >>> from torch.distributions import Normal
    >>> _ = torch.manual_seed(0)
    >>> tail = importance_estimate(lambda z: z > 4.0, Normal(0.0, 1.0), Normal(4.0, 1.0))
    >>> abs(tail.value - 3.167124e-5) < 4 * tail.standard_error
    tensor(True)
    """
    if num_samples < 2:
        raise JensenError(f"a standard error needs at least 2 draws, got {num_samples}: draw more")
    z = proposal.sample(torch.Size([num_samples]))
    log_weights = log_density_at(log_density, z) - log_density_at(proposal.log_prob, z)
    values = values_at(f, z)
    if log_weights.max() == -torch.inf:
        raise JensenError(
            f"all {num_samples} draws of the proposal fall where the density is 0: choose one that covers it"
        )
    columns = (...,) + (None,) * (values.ndim - 1)
    weights = (log_weights - log_weights.max()).exp()
    ess = _effective_sample_size(weights)
    if self_normalised:
        shares = (weights / weights.sum())[columns]
        value = (shares * values).sum(0)
        variance = num_samples * (shares * (values - value)).square().sum(0)
        tails = torch.cat([weights[:, None], (weights[columns] * values).reshape(num_samples, -1)], 1)
        told = ess
    else:
        terms = log_weights.exp()[columns] * values
        if not terms.isfinite().all():
            raise JensenError("the weights p / q overflow: log_density lacks a constant; pass self_normalised=True")
        value, variance = terms.mean(0), terms.var(0)
        tails = terms.reshape(num_samples, -1)
        told = min(_effective_sample_size(column) for column in tails.abs().T)
    shapes = [pareto_k(column) for column in tails.abs().T]
    k = max((shape for shape in shapes if not math.isnan(shape)), default=math.nan)
    known = _weights_have_infinite_variance(log_density, proposal)
    infinite = k > NOT_BELIEVED if known is None else known
    warning = _warning(k, infinite, known, told, num_samples) or _unnormalised(log_weights, self_normalised, k)
    if warning is not None:
        warnings.warn(warning, RuntimeWarning, stacklevel=3)
    return ImportanceEstimate(value, (variance / num_samples).sqrt(), variance, ess, k, infinite, warning)


def _effective_sample_size(weights: Float[Tensor, " draws"]) -> float:
    """(sum w)^2 / sum w^2 (Kong 1992); of weights that are all 0, as of an event that was not seen, 0."""
    total = float(weights.sum())
    return total**2 / float(weights.square().sum()) if total else 0.0


def _weights_have_infinite_variance(p: LogDensity | Distribution, q: Distribution) -> bool | None:
    """Whether E_q (p / q)^2 is infinite, where a closed form knows."""
    if not isinstance(p, Distribution):
        return None
    try:
        return bool(chi_square(p, q).isinf().any())
    except JensenError:
        return None


def _warning(k: float, infinite: bool, known: bool | None, ess: float, num_samples: int) -> str | None:
    if known:
        what = "p / q has infinite variance: in some direction the proposal has at most half the variance of p"
    elif infinite:
        what = f"the variance looks infinite: Pareto k = {k:.2f}, above 0.7"
    elif k > NOT_BELIEVED:
        what = f"the largest weights outweigh all others: Pareto k = {k:.2f}, above 0.7"
    elif k > INFINITE_VARIANCE and known is None:
        return (
            f"the variance may be infinite, and the error too small: Pareto k = {k:.2f}, above 0.5; a proposal that is "
            "wider is safer"
        )
    elif ess < min(FEW, num_samples / 10):
        return (
            f"{num_samples} draws are worth {ess:.1f} (effective sample size): the error is rough, more so where the "
            "proposal is too narrow; widen it, or bring it nearer to |f| p"
        )
    else:
        return None
    return (
        f"{what}; neither the value nor its error is to be believed: the proposal is too narrow, or elsewhere; widen it"
    )


def _unnormalised(log_weights: Tensor, self_normalised: bool, k: float) -> str | None:
    """E_q w is at most 1 for a density: what it is, where it is more by 5 standard errors that can be believed."""
    if self_normalised or k > INFINITE_VARIANCE:
        return None
    weights = log_weights.exp()
    mean, error = float(weights.mean()), float(weights.std()) / math.sqrt(len(weights))
    if mean <= 1 + 5 * error + 1e-6:
        return None
    return f"the weights average {mean:.4g} ± {error:.2g}, and of a density at most 1: pass self_normalised=True"


def pareto_k(values: Float[Tensor, " draws"]) -> float:
    """The shape k of a generalised Pareto tail: moments of order 1 / k and above are infinite.

    Fitted to the largest min(N / 5, 3 sqrt(N)) of N values, not negative, less the next one, by the estimator of Zhang
    and Stephens (2009), and drawn a little to 1/2 as Vehtari et al. (2024) do. -inf where the largest are all one
    value, as under the best proposal; nan where fewer than five stand out, too few to say.
    """
    ordered = values.double().sort().values
    count = math.ceil(min(len(values) / 5, 3 * math.sqrt(len(values))))
    cut, tail = ordered[-count - 1], ordered[-count:]
    tail = tail[tail > cut]
    if not len(tail) or tail[0] >= tail[-1] * (1 - 1e-12):
        return -math.inf
    if len(tail) < 5:
        return math.nan
    tail = tail - cut
    n, grid = len(tail), 30 + math.isqrt(len(tail))
    # Candidates theta = -k / sigma, each with the k that is likeliest given it; averaged by their likelihood.
    quantiles = 1 - (grid / (torch.arange(1, grid + 1, dtype=torch.float64) - 0.5)).sqrt()
    theta = 1 / tail[-1] + quantiles / (3 * tail[int(n / 4 + 0.5) - 1])
    shape = torch.log1p(-theta[:, None] * tail).mean(1)
    log_likelihood = n * ((-theta / shape).log() - shape - 1)
    theta_mean = (log_likelihood.softmax(0) * theta).sum()
    k = float(torch.log1p(-theta_mean * tail).mean())
    return (n * k + 10 * 0.5) / (n + 10)


def best_proposal(f: object, p: object) -> Float[Tensor, " states"]:
    """q = |f| p / sum |f| p on a table, (S,): no q has less variance (Kahn and Marshall 1953).

    Its variance is (sum |f| p)^2 - (sum f p)^2: 0 where f has one sign, and not where it has two.

    Args:
        f: its values (S,). p: their probabilities (S,).

    >>> best_proposal([1.0, -2.0, 0.0], [0.5, 0.25, 0.25])
    tensor([0.5000, 0.5000, 0.0000], dtype=torch.float64)
    """
    products = float64("f", f).abs() * float64("p", p)
    if not products.sum() > 0:
        raise JensenError("f p is 0 everywhere: its mean is 0, and any proposal finds it")
    return products / products.sum()


def importance_variance(f: object, p: object, q: object) -> Float[Tensor, ""]:
    """Var_q(f p / q) = sum q (f p / q - mu)^2, of one draw, on a table; infinite where q is 0 and f p is not.

    There the estimate is not even unbiased. Plain Monte Carlo is q = p.

    >>> importance_variance([1.0, 4.0, 9.0], [0.5, 0.25, 0.25], best_proposal([1.0, 4.0, 9.0], [0.5, 0.25, 0.25]))
    tensor(0., dtype=torch.float64)
    """
    products, q = float64("f", f) * float64("p", p), float64("q", q)
    if ((q == 0) & (products != 0)).any():
        return torch.tensor(torch.inf, dtype=torch.float64)
    ratios = torch.where(q > 0, products / q, 0.0)
    return (q * (ratios - products.sum()).square()).sum()


@torch.no_grad()
def best_proposal_on_grid(f: Function, log_density: LogDensity | Distribution, edges: Tensor) -> MixtureSameFamily:
    """A density on the line, flat between neighbouring edges and in proportion to |f| p in their middle.

    The best proposal but for the width of the cells, to draw from and to hand to `importance_estimate`. The edges must
    reach as far as f p matters: beyond them q is 0, and what lies there is missed.

    Args:
        f: (N,) -> (N,). log_density: log p, of which a constant may be missing, or p. edges: (C + 1,), rising.
    """
    if edges.ndim != 1 or len(edges) < 2 or not (edges.diff() > 0).all():
        raise JensenError(f"edges must rise along one dimension, at least 2 of them; got {tuple(edges.shape)}")
    edges = edges.double()
    middles = (edges[1:] + edges[:-1]) / 2
    log_mass = values_at(f, middles).abs().log() + log_density_at(log_density, middles) + edges.diff().log()
    if log_mass.max() == -torch.inf:
        raise JensenError("f p is 0 in the middle of every cell: choose edges where it is not, or finer ones")
    cells = Uniform(edges[:-1], edges[1:], validate_args=False)
    return MixtureSameFamily(Categorical(logits=log_mass), cells, validate_args=False)
