"""How far one law is from another, and how much one variable says of another: on tables and on Gaussians, in nats.

A table is an array of probabilities, the outcomes last, in float64; 0 log 0 is 0, and what is infinite is `inf`. A
Gaussian is a `Normal`, an `Independent` one or a `MultivariateNormal`. What has no closed form for Gaussians is
refused: `expectation` estimates it.

Sources: Cover and Thomas (2006), Elements of Information Theory, chapters 2 and 8; Gibbs and Su (2002), On choosing and
bounding probability metrics; of Gaussians, Pardo (2006), Statistical Inference Based on Divergence Measures.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from jensen.errors import JensenError
from jensen.inference.transitions import TOLERANCE, float64


def kl(p: object, q: object) -> Float[Tensor, "..."]:
    """KL(p || q) = sum_i p_i log(p_i / q_i), never negative; infinite where q is 0 and p is not.

    Of Gaussians (tr(S_q^-1 S_p) + |L_q^-1 (m_p - m_q)|^2 - D + log |S_q| / |S_p|) / 2; of any other two
    Distributions, where torch or jensen has it in closed form (Dirichlet, Wishart, ...).

    >>> kl([0.5, 0.5, 0.0], [0.25, 0.25, 0.5])
    tensor(0.6931, dtype=torch.float64)
    """
    if not _are_laws(p, q):
        p, q = _tables(p, q)
        return torch.where(p > 0, p * (p / q).log(), 0.0).sum(-1)
    try:
        return kl_divergence(p, q)  # type: ignore[arg-type]
    except NotImplementedError:
        (mean, cov), (other, other_cov) = _moments("kl", p), _moments("kl", q)
    factor = torch.linalg.cholesky(other_cov)
    spread = torch.linalg.solve_triangular(factor, torch.linalg.cholesky(cov), upper=False)
    shift = torch.linalg.solve_triangular(factor, (mean - other)[..., None], upper=False)
    squares = spread.square().sum((-2, -1)) + shift.square().sum((-2, -1)) - mean.shape[-1]
    return 0.5 * (squares + _log_det(other_cov) - _log_det(cov))


def jensen_shannon(p: object, q: object) -> Float[Tensor, "..."]:
    """JS(p, q) = (KL(p || m) + KL(q || m)) / 2, m = (p + q) / 2: between 0 and log 2, of tables.

    2 JS - log 4 is the value of the best discriminator's game (Goodfellow et al. 2014).
    """
    if _are_laws(p, q):
        raise _no_closed_form("Jensen-Shannon divergence")
    p, q = _tables(p, q)
    middle = (p + q) / 2
    return (kl(p, middle) + kl(q, middle)) / 2


def total_variation(p: object, q: object) -> Float[Tensor, "..."]:
    """max_A |p(A) - q(A)| = sum_i |p_i - q_i| / 2, between 0 and 1.

    Of Gaussians with one covariance erf(sqrt(d' S^-1 d / 8)), d the difference of their means; others are refused.
    """
    if not _are_laws(p, q):
        p, q = _tables(p, q)
        return (p - q).abs().sum(-1) / 2
    (mean, cov), (other, other_cov) = _moments("total variation", p), _moments("total variation", q)
    if not torch.equal(*torch.broadcast_tensors(cov, other_cov)):
        raise _no_closed_form("total variation (but where covariances are equal)")
    return (_distance2(mean - other, cov) / 8).sqrt().erf()


def hellinger(p: object, q: object) -> Float[Tensor, "..."]:
    """H with H^2 = 1 - sum_i sqrt(p_i q_i), between 0 and 1.

    Of Gaussians H^2 = 1 - (|S_p| |S_q|)^(1/4) / |S|^(1/2) exp(-d' S^-1 d / 8), S = (S_p + S_q) / 2.
    """
    if not _are_laws(p, q):
        p, q = _tables(p, q)
        return (p.sqrt() - q.sqrt()).square().sum(-1).div(2).sqrt()
    (mean, cov), (other, other_cov) = _moments("hellinger", p), _moments("hellinger", q)
    middle = (cov + other_cov) / 2
    log_overlap = (_log_det(cov) + _log_det(other_cov)) / 4 - _log_det(middle) / 2
    return (-torch.expm1(log_overlap - _distance2(mean - other, middle) / 8)).clamp_min(0).sqrt()


def chi_square(p: object, q: object) -> Float[Tensor, "..."]:
    """sum_i (p_i - q_i)^2 / q_i = E_q (p / q)^2 - 1, the variance of importance weights; infinite where only q is 0.

    Of Gaussians |S_q| / (|S_p| |2 S_q - S_p|)^(1/2) exp(d' (2 S_q - S_p)^-1 d) - 1, and infinite where 2 S_q - S_p is
    not positive definite: where q has at most half the variance of p in some direction.

    >>> chi_square(Normal(0.0, 1.0), Normal(0.0, 0.6))
    tensor(inf, dtype=torch.float64)
    """
    if not _are_laws(p, q):
        p, q = _tables(p, q)
        return torch.where(p != q, (p - q).square() / q, 0.0).sum(-1)
    (mean, cov), (other, other_cov) = _moments("chi-square", p), _moments("chi-square", q)
    room = 2 * other_cov - cov
    finite = torch.linalg.cholesky_ex(room).info == 0
    room = torch.where(finite[..., None, None], room, torch.eye(room.shape[-1], dtype=room.dtype))
    log_second_moment = _log_det(other_cov) - (_log_det(cov) + _log_det(room)) / 2 + _distance2(mean - other, room)
    return torch.where(finite, torch.expm1(log_second_moment), torch.inf)


def entropy(p: object) -> Float[Tensor, "..."]:
    """-sum_i p_i log p_i; of a Distribution its own, of a Gaussian log |2 pi e S| / 2."""
    return p.entropy() if isinstance(p, Distribution) else torch.special.entr(_table("p", p)).sum(-1)


def cross_entropy(p: object, q: object) -> Float[Tensor, "..."]:
    """-sum_i p_i log q_i = H(p) + KL(p || q); infinite where q is 0 and p is not."""
    if _are_laws(p, q):
        return entropy(p) + kl(p, q)
    p, q = _tables(p, q)
    return -torch.xlogy(p, q).sum(-1)


def mutual_information(joint: object, first: int = 1) -> Float[Tensor, ""]:
    """I(x; y) = KL(p(x, y) || p(x) p(y)); of a Gaussian log(|S_x| |S_y| / |S|) / 2.

    Args:
        joint: p(x, y), a table with a dimension for each variable, or a `MultivariateNormal`.
        first: how many of the dimensions, or entries, are x; the others are y.

    >>> mutual_information([[0.5, 0.0], [0.0, 0.5]])
    tensor(0.6931, dtype=torch.float64)
    """
    if isinstance(joint, Distribution):
        cov = _moments("mutual information", joint)[1]
        _check_first(first, cov.shape[-1])
        blocks = cov[..., :first, :first], cov[..., first:, first:]
        return (_log_det(blocks[0]) + _log_det(blocks[1]) - _log_det(cov)) / 2
    table = _joint_table(joint)
    _check_first(first, table.ndim)
    return total_correlation(table.reshape(math.prod(table.shape[:first]), -1))


def total_correlation(joint: object) -> Float[Tensor, ""]:
    """KL(p(x_1, ..., x_n) || p(x_1) ... p(x_n)) (Watanabe 1960); of a Gaussian -log |R| / 2, R the correlations.

    Args:
        joint: a table with a dimension for each variable, or a `MultivariateNormal`.
    """
    if isinstance(joint, Distribution):
        cov = _moments("total correlation", joint)[1]
        return (cov.diagonal(dim1=-2, dim2=-1).log().sum(-1) - _log_det(cov)) / 2
    table = product = _joint_table(joint)
    product = torch.ones_like(table)
    for dim in range(table.ndim):
        others = [other for other in range(table.ndim) if other != dim]
        product = product * (table.sum(others, keepdim=True) if others else table)
    return torch.where(table > 0, table * (table / product).log(), 0.0).sum()


def _are_laws(p: object, q: object) -> bool:
    laws = isinstance(p, Distribution), isinstance(q, Distribution)
    if laws[0] != laws[1]:
        raise JensenError("a divergence is of two tables or of two Distributions, not of one of each")
    return laws[0]


def _table(name: str, values: object) -> Float[Tensor, "*batch outcomes"]:
    table = float64(name, values)
    if not table.ndim:
        raise JensenError(f"{name} must be a table of probabilities, (..., outcomes); got a number")
    return _normalised(name, table, table.sum(-1, keepdim=True))


def _tables(p: object, q: object) -> tuple[Tensor, Tensor]:
    tables = _table("p", p), _table("q", q)
    if tables[0].shape[-1] != tables[1].shape[-1]:
        raise JensenError(
            f"p has {tables[0].shape[-1]} outcomes and q {tables[1].shape[-1]}: they must be the same ones"
        )
    return tables


def _joint_table(values: object) -> Float[Tensor, "..."]:
    table = float64("joint", values)
    return _normalised("joint", table, table.sum())


def _normalised(name: str, table: Tensor, total: Tensor) -> Tensor:
    if not (table >= 0).all():
        raise JensenError(f"{name} has the entry {float(table[~(table >= 0)][0]):g}: probabilities are from 0 to 1")
    wrong = (total - 1).abs() > TOLERANCE
    if wrong.any():
        raise JensenError(f"{name} sums to {float(total[wrong][0]):.6g}, not 1: divide it by its sum")
    return table / total


def _moments(what: str, law: object) -> tuple[Float[Tensor, "*batch dims"], Float[Tensor, "*batch dims dims"]]:
    """Mean and covariance of a Gaussian, float64."""
    if isinstance(law, MultivariateNormal | LowRankMultivariateNormal):
        return law.loc.double(), law.covariance_matrix.double()
    if isinstance(law, Normal):
        return law.loc[..., None].double(), law.variance[..., None, None].double()
    if isinstance(law, Independent) and isinstance(law.base_dist, Normal):
        batch = len(law.batch_shape)
        return law.mean.flatten(batch).double(), law.variance.flatten(batch).double().diag_embed()
    raise JensenError(
        f"no closed form of the {what} of {type(law).__name__} is known here, but of Gaussians: Normal, "
        "Independent(Normal), MultivariateNormal; expectation() estimates it"
    )


def _no_closed_form(what: str) -> JensenError:
    return JensenError(f"the {what} of Gaussians has no closed form: estimate it with expectation(), or use tables")


def _check_first(first: int, count: int) -> None:
    if count < 2:
        raise JensenError("mutual information is of at least 2 variables: a table with a dimension for each")
    if not 0 < first < count:
        raise JensenError(f"first is how many of the {count} variables are x, from 1 to {count - 1}; got {first}")


def _log_det(cov: Float[Tensor, "*batch dims dims"]) -> Float[Tensor, "*batch"]:
    return 2 * torch.linalg.cholesky(cov).diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _distance2(shift: Float[Tensor, "*batch dims"], cov: Float[Tensor, "*batch dims dims"]) -> Float[Tensor, "*batch"]:
    """d' S^-1 d."""
    solved = torch.linalg.solve_triangular(torch.linalg.cholesky(cov), shift[..., None], upper=False)
    return solved.square().sum((-2, -1))
