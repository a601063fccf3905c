"""Priors in the plane whose parts are numbered: ten Gaussians, and a swiss roll (Makhzani et al. 2016)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal


class PartedPrior(nn.Module):
    """p(z) = (1/K) sum_y p(z | y), each p(z | y) an equal mixture of J Gaussians; fixed.

    Called with labels y it returns p(z | y), without them p(z), both with their densities.

    Args:
        loc: (K, J, Z).
        scale_tril: lower triangular factors of the covariances, (K, J, Z, Z).
    """

    loc: Tensor
    scale_tril: Tensor

    def __init__(
        self, loc: Float[Tensor, "parts each latent"], scale_tril: Float[Tensor, "parts each latent latent"]
    ) -> None:
        super().__init__()
        self.register_buffer("loc", loc, persistent=False)
        self.register_buffer("scale_tril", scale_tril, persistent=False)

    @property
    def num_parts(self) -> int:
        """K."""
        return len(self.loc)

    def forward(self, y: Int[Tensor, "*batch"] | None = None) -> MixtureSameFamily:
        """p(z), batch_shape (); or p(z | y) of labels from 0 on, batch_shape that of y. event_shape (Z,)."""
        loc = self.loc.flatten(0, 1) if y is None else self.loc[y]
        factor = self.scale_tril.flatten(0, 1) if y is None else self.scale_tril[y]
        return MixtureSameFamily(
            Categorical(logits=loc.new_zeros(loc.shape[:-1]), validate_args=False),
            MultivariateNormal(loc, scale_tril=factor, validate_args=False),
            validate_args=False,
        )


def ten_gaussians() -> PartedPrior:
    """Ten Gaussians around the origin like petals, each part one of them.

    Their means are at distance 1.4, their standard deviations 0.35 along the radius and 0.1 across.

    >>> ten_gaussians()(torch.tensor([3, 3, 7])).sample().shape
    torch.Size([3, 2])
    """
    angle = 2 * math.pi * torch.arange(10) / 10
    along, across = torch.stack([angle.cos(), angle.sin()], -1), torch.stack([-angle.sin(), angle.cos()], -1)
    covariance = 0.35**2 * along[:, :, None] * along[:, None] + 0.1**2 * across[:, :, None] * across[:, None]
    return PartedPrior(1.4 * along[:, None], torch.linalg.cholesky(covariance)[:, None])


def swiss_roll(num_parts: int = 10, each: int = 50) -> PartedPrior:
    """A spiral of one and a half turns between the radii 0.67 and 2.0, about 0.08 wide, cut in parts of equal length.

    It is a mixture of `num_parts * each` Gaussians of that scale at equal distances along the spiral, which are closer
    to one another than they are wide. So it has a density.

    >>> swiss_roll()().log_prob(torch.zeros(2)).exp() < 1e-9
    tensor(True)
    """
    angle = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 10_001, dtype=torch.float64)
    curve = angle[:, None] * torch.stack([angle.cos(), angle.sin()], -1) / 7
    length = torch.cat([angle.new_zeros(1), curve.diff(dim=0).norm(dim=1).cumsum(0)])
    count = num_parts * each
    places = torch.searchsorted(length, (torch.arange(count) + 0.5) / count * length[-1])
    loc = curve[places].float().unflatten(0, (num_parts, each))
    return PartedPrior(loc, 0.08 * torch.eye(2).expand(num_parts, each, 2, 2).contiguous())
