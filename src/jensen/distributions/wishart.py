"""What torch's Wishart does not say of itself: E log |Lambda|, its normaliser, its inverse's mean, and its KL.

Lambda ~ Wishart(nu, V) of D x D matrices has E Lambda = nu V: `covariance_matrix` is the scale V, `df` is nu > D - 1.
Mean, variance and entropy are torch's. Importing this registers KL(Wishart || Wishart) with torch.

Source: Bishop (2006), Pattern Recognition and Machine Learning, appendix B.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Wishart
from torch.distributions.kl import register_kl

from jensen.errors import JensenError


def expected_log_det(law: Wishart) -> Float[Tensor, "*batch"]:
    """E log |Lambda| = sum_(i=1)^D psi((nu + 1 - i) / 2) + D log 2 + log |V|, nats.

    >>> expected_log_det(Wishart(torch.tensor(7.0), torch.tensor([[2.0, 0.5], [0.5, 1.0]])))
    tensor(3.9719)
    """
    return mean_log_det(law.df, _log_det_scale(law), law.event_shape[-1])


def log_normaliser(law: Wishart) -> Float[Tensor, "*batch"]:
    """log of the integral of |L|^((nu - D - 1) / 2) exp(-tr(V^-1 L) / 2), which is -log B(V, nu) in Bishop's (B.79)."""
    return log_integral(law.df, _log_det_scale(law), law.event_shape[-1])


def mean_log_det(df: Tensor, log_det_scale: Tensor, dims: int) -> Tensor:
    """`expected_log_det` from nu and log |V|, for whoever holds another factor than V's own."""
    halves = (df[..., None] - torch.arange(dims, dtype=df.dtype, device=df.device)) / 2
    return halves.digamma().sum(-1) + dims * math.log(2) + log_det_scale


def log_integral(df: Tensor, log_det_scale: Tensor, dims: int) -> Tensor:
    """`log_normaliser` from nu and log |V|."""
    return 0.5 * df * (log_det_scale + dims * math.log(2)) + torch.mvlgamma(df / 2, dims)


def inverse_mean(law: Wishart) -> Float[Tensor, "*batch dims dims"]:
    """E Lambda^-1 = V^-1 / (nu - D - 1), the mean of a covariance whose precision is Lambda.

    Lambda^-1 is inverse-Wishart with scale Psi = V^-1: whoever writes IW(Psi, nu) has E = Psi / (nu - D - 1).

    Raises:
        JensenError: nu <= D + 1, where there is no such mean.
    """
    dims = law.event_shape[-1]
    if not (law.df > dims + 1).all():
        raise JensenError(
            f"E of an inverse Wishart needs more than D + 1 = {dims + 1} degrees of freedom: it is infinite"
        )
    return law.precision_matrix / (law.df - dims - 1)[..., None, None]


def _log_det_scale(law: Wishart) -> Tensor:
    return 2 * law.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


@register_kl(Wishart, Wishart)
def _kl(q: Wishart, p: Wishart) -> Tensor:
    """log Z_p - log Z_q + ((nu_q - nu_p) E log |Lambda| - nu_q D + nu_q tr(V_p^-1 V_q)) / 2, nats."""
    trace = torch.linalg.solve_triangular(p.scale_tril, q.scale_tril, upper=False).square().sum((-2, -1))
    linear = (q.df - p.df) * expected_log_det(q) + q.df * (trace - q.event_shape[-1])
    return log_normaliser(p) - log_normaliser(q) + 0.5 * linear
