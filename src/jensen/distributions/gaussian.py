"""A Gaussian with full covariance, given by its Cholesky factor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal
from torch.distributions.kl import register_kl

from jensen.distributions.heads import is_diagonal_gaussian


class CholeskyGaussian(MultivariateNormal):
    """N(loc, L L'), which never forms the covariance to be sampled or scored, and knows its KL to a diagonal one.

    Args:
        loc: (*batch, Z).
        scale_tril: L (*batch, Z, Z), or one for all of them, lower triangular with a positive diagonal.
    """

    def __init__(self, loc: Float[Tensor, "*batch dims"], scale_tril: Float[Tensor, "*factors dims dims"]) -> None:
        super().__init__(loc, scale_tril=scale_tril, validate_args=False)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + L eps, (*sample_shape, *batch, Z)."""
        noise = torch.randn(
            self._extended_shape(torch.Size(sample_shape)), dtype=self.loc.dtype, device=self.loc.device
        )
        # Mixed precision would take this product too, and leave 8 bits of z.
        with torch.autocast(noise.device.type, enabled=False):
            return self.loc + torch.einsum("...ij,...j->...i", self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Float[Tensor, "... dims"]) -> Float[Tensor, "..."]:
        """log N(value; loc, L L'), nats: one triangular solve for all values of one factor."""
        with torch.autocast(value.device.type, enabled=False):
            return super().log_prob(value)


@register_kl(CholeskyGaussian, Independent)
def _kl_to_diagonal(q: CholeskyGaussian, p: Independent) -> Tensor:
    """KL(N(m, L L') || N(mu, diag s^2)) = sum log s - log diag L + (|L / s|^2 + |(m - mu) / s|^2 - Z) / 2, nats."""
    if not is_diagonal_gaussian(p):
        raise NotImplementedError
    loc, scale = p.base_dist.loc, p.base_dist.scale
    factor = q._unbroadcasted_scale_tril
    logs = scale.log() - factor.diagonal(dim1=-2, dim2=-1).log()
    squares = (factor / scale[..., :, None]).square().sum(-1) + ((q.loc - loc) / scale).square()
    return (logs + 0.5 * (squares - 1)).sum(-1)
