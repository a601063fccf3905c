"""Priors p(z): modules that return a Distribution when called."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, positive_scale
from jensen.distributions.mixture import DiagonalGaussianMixture
from jensen.errors import JensenError


class StandardNormal(nn.Module):
    """p(z) = N(0, I) over `latent_dim` dimensions.

    >>> StandardNormal(3)().sample((5,)).shape
    torch.Size([5, 3])
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> Independent:
        """batch_shape (), event_shape (Z,)."""
        return diagonal_gaussian(self.loc, self.scale)


class GaussianMixture(nn.Module):
    """p(z) = (1/K) sum_k N(mu_k, diag sigma_k^2), learned with the rest of the model.

    Raw parameters are drawn from N(0, 1) / sqrt(K Z), as in Stanford's CS236. The second half of them are raw numbers,
    which can be negative, and no variances: sigma_k^2 = softplus(raw) + 1e-8 (`positive_map`).

    >>> GaussianMixture(3, num_components=5)().sample((2,)).shape
    torch.Size([2, 3])
    """

    logits: Tensor

    def __init__(
        self, latent_dim: int, num_components: int = 500, positive_map: PositiveMap = "softplus-variance"
    ) -> None:
        super().__init__()
        if num_components < 1:
            raise JensenError(f"num_components must be at least 1, got {num_components}")
        self.positive_map: PositiveMap = positive_map
        self.raw = nn.Parameter(torch.randn(2, num_components, latent_dim) / math.sqrt(num_components * latent_dim))
        self.register_buffer("logits", torch.zeros(num_components), persistent=False)

    def forward(self) -> DiagonalGaussianMixture:
        """batch_shape (), event_shape (Z,)."""
        loc, raw = self.raw
        return DiagonalGaussianMixture(self.logits, loc, positive_scale(raw, self.positive_map))
