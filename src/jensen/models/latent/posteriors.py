"""Approximate posteriors q(z | x): modules that return a Distribution when called with x."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Independent

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, full_precision, positive_scale


class DiagonalGaussian(nn.Module):
    """q(z | x) = N(mu(x), diag sigma(x)^2).

    Args:
        net: (B, D) -> (B, 2 Z): the mean, and the raw numbers that `positive_map` turns into sigma.
        positive_map: see `jensen.distributions.positive_scale`.
    """

    def __init__(self, net: nn.Module, positive_map: PositiveMap = "softplus-variance") -> None:
        super().__init__()
        self.net = net
        self.positive_map: PositiveMap = positive_map

    def forward(self, x: Float[Tensor, "batch *event"]) -> Independent:
        """batch_shape (B,), event_shape (Z,)."""
        loc, raw = self.net(x.flatten(1)).chunk(2, dim=-1)
        return diagonal_gaussian(full_precision(loc), positive_scale(raw, self.positive_map))
