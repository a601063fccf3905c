"""Approximate posteriors q(z | x), or q(z | x, y): modules that return a Distribution when called.

What they are called with is what their network takes: x, or x and y. Called with y alone they serve as priors p(z | y).
"""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.distributions import Independent

from jensen.distributions.gaussian import CholeskyGaussian
from jensen.distributions.heads import PositiveMap, diagonal_gaussian, full_precision, positive_scale
from jensen.distributions.logistic import Logistic


class DiagonalGaussian(nn.Module):
    """q(z | x) = N(mu(x), diag sigma(x)^2).

    Args:
        net: (B, *event) -> (B, 2 Z): the mean, and the raw numbers that `positive_map` turns into sigma.
        positive_map: see `jensen.distributions.positive_scale`.
    """

    def __init__(self, net: nn.Module, positive_map: PositiveMap = "softplus-variance") -> None:
        super().__init__()
        self.net = net
        self.positive_map: PositiveMap = positive_map

    def forward(self, *x: Shaped[Tensor, "..."]) -> Independent:
        """batch_shape (B,), event_shape (Z,)."""
        loc, raw = self.net(*x).chunk(2, dim=-1)
        return diagonal_gaussian(full_precision(loc), positive_scale(raw, self.positive_map))


class FullGaussian(nn.Module):
    """q(z | x) = N(mu(x), L(x) L(x)'), L lower triangular with a positive diagonal.

    Args:
        net: (B, *event) -> (B, Z + Z (Z + 1) / 2): the mean, L's raw diagonal, and what is below it, row by row.
        latent_dim: Z.
        positive_map: turns the raw diagonal into L's, which is the scale of each dimension given those before it.
    """

    def __init__(self, net: nn.Module, latent_dim: int, positive_map: PositiveMap = "softplus-variance") -> None:
        super().__init__()
        self.net, self.latent_dim = net, latent_dim
        self.positive_map: PositiveMap = positive_map

    @staticmethod
    def num_outputs(latent_dim: int) -> int:
        """How many numbers the network gives for each example."""
        return latent_dim + latent_dim * (latent_dim + 1) // 2

    def forward(self, *x: Shaped[Tensor, "..."]) -> CholeskyGaussian:
        """batch_shape (B,), event_shape (Z,)."""
        z = self.latent_dim
        loc, raw, below = full_precision(self.net(*x)).split([z, z, z * (z - 1) // 2], dim=-1)
        row, column = torch.tril_indices(z, z, -1, device=loc.device)
        factor = positive_scale(raw, self.positive_map).diag_embed()
        factor[..., row, column] = below
        return CholeskyGaussian(loc, factor)


class RelaxedBernoulli(nn.Module):
    """q(z | x) of relaxed bits, each the log-odds of a number in (0, 1) that is near 0 or 1 at a low temperature.

    Args:
        net: (B, *event) -> (B, Z), the log-odds of each bit.
        temperature: T of Maddison, Mnih & Teh (2017).
    """

    def __init__(self, net: nn.Module, temperature: float = 0.5) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, *x: Shaped[Tensor, "..."]) -> Independent:
        """batch_shape (B,), event_shape (Z,)."""
        loc = full_precision(self.net(*x)) / self.temperature
        return Independent(Logistic(loc, loc.new_tensor(1 / self.temperature)), 1, validate_args=False)
