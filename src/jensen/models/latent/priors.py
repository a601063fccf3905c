"""Priors p(z): modules that return a Distribution when called."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, is_diagonal_gaussian, positive_scale
from jensen.distributions.logistic import Logistic
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


class Uniform(nn.Module):
    """z uniform on (0, 1)^Z; it travels as its log-odds, whose law is the standard logistic, and so is any q of it.

    >>> Uniform(3)().sample((5,)).sigmoid().shape
    torch.Size([5, 3])
    """

    loc: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)

    def forward(self) -> Independent:
        """Of the log-odds: batch_shape (), event_shape (Z,)."""
        return Independent(Logistic(self.loc, self.loc.new_ones(())), 1, validate_args=False)


class RelaxedBernoulli(nn.Module):
    """Z relaxed bits with learned probabilities (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017), as log-odds.

    A number in (0, 1) that is near 0 or 1 at a low temperature stands for each bit.

    >>> RelaxedBernoulli(3, temperature=0.1)().sample((5,)).sigmoid().shape
    torch.Size([5, 3])
    """

    def __init__(self, latent_dim: int, temperature: float = 0.5) -> None:
        super().__init__()
        if temperature <= 0:
            raise JensenError(f"bit_temperature must be above 0, got {temperature}")
        self.temperature = temperature
        self.logits = nn.Parameter(torch.zeros(latent_dim))

    def forward(self) -> Independent:
        """Of the log-odds: batch_shape (), event_shape (Z,)."""
        loc = self.logits / self.temperature
        return Independent(Logistic(loc, loc.new_tensor(1 / self.temperature)), 1, validate_args=False)


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


class VampPrior(nn.Module):
    """p(z) = (1/K) sum_k q(z | u_k): a mixture of the posteriors of K learned pseudo-inputs (Tomczak & Welling 2018).

    Args:
        posterior: q(z | x), the model's own.
        event_shape: of x, and so of each u_k.
        num_components: K.
        unit: whether x lives in [0, 1]; its u_k then stay there.
    """

    logits: Tensor

    def __init__(
        self,
        posterior: Callable[[Tensor], Distribution],
        event_shape: Sequence[int],
        num_components: int = 500,
        unit: bool = False,
    ) -> None:
        super().__init__()
        if num_components < 1:
            raise JensenError(f"num_components must be at least 1, got {num_components}")
        self._posterior = (posterior,)  # in a tuple: the model holds its parameters once, under its own name
        self.unit = unit
        self.pseudo_inputs = nn.Parameter(
            torch.rand(num_components, *event_shape) if unit else torch.randn(num_components, *event_shape)
        )
        self.register_buffer("logits", torch.zeros(num_components), persistent=False)

    def forward(self) -> Distribution:
        """batch_shape (), event_shape (Z,)."""
        inputs = self.pseudo_inputs.clamp(0, 1) if self.unit else self.pseudo_inputs
        q_z = self._posterior[0](inputs)
        if is_diagonal_gaussian(q_z):
            return DiagonalGaussianMixture(self.logits, q_z.base_dist.loc, q_z.base_dist.scale)
        return MixtureSameFamily(Categorical(logits=self.logits, validate_args=False), q_z, validate_args=False)

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the pseudo-inputs at examples drawn from the data."""
        rows = torch.randint(len(x), (len(self.pseudo_inputs),), device=x.device)
        self.pseudo_inputs.data.copy_(x[rows])
