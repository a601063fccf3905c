"""Real values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn import functional as F

from jensen.distributions.gaussian import CholeskyGaussian
from jensen.errors import JensenError, unknown
from jensen.models.latent.likelihoods.base import Likelihood

Scale = Literal["unit", "learned", "per-dimension", "decoder"]

# The widest row that has a full covariance: its factor has D (D + 1) / 2 parameters.
WIDEST = 64


class Gaussian(Likelihood):
    """p(x | z) = prod_d N(x_d; f_d(z), gamma_d^2).

    The constant (D/2) log 2 pi and the log of gamma are part of the density and are never dropped.

    Args:
        net: (..., Z) -> (..., D), the mean; with scale "decoder" (..., 2 D), mean and raw scale of each entry.
        event_shape: the shape of x; its product is D.
        scale: gamma: "unit" is 1, "learned" one parameter, "per-dimension" one for each entry of x, all independent
            of z; "decoder" is softplus(raw) + floor, a function of z.
        start_from_data: whether `initialize` does anything.
        floor: the least scale that "decoder" can give. Without it the likelihood has no bound: a mean on one example
            and a scale towards 0 beat every honest fit. The learned scales are shared by all z and have none.
    """

    log_scale: Tensor

    def __init__(
        self,
        net: nn.Module,
        event_shape: Sequence[int],
        scale: Scale = "learned",
        start_from_data: bool = False,
        floor: float = 1e-3,
    ) -> None:
        super().__init__(net, event_shape, start_from_data)
        if scale not in get_args(Scale):
            raise unknown("likelihood_scale", scale, get_args(Scale))
        if not floor > 0:
            raise JensenError(f"scale_floor must be above 0, got {floor:g}: the density has no bound at scale 0")
        self.scale, self.floor = scale, floor
        if scale == "decoder":
            self.per_entry = 2
        elif scale == "unit":
            self.register_buffer("log_scale", torch.zeros(()), persistent=False)
        else:
            self.log_scale = nn.Parameter(torch.zeros(self.event_shape if scale == "per-dimension" else ()))

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of the mean (..., D), or mean and raw scale (..., 2 D)."""
        loc, *raw = self.entries(outputs)
        scale = F.softplus(raw[0]) + self.floor if raw else self.log_scale.exp().expand_as(loc)
        return Independent(Normal(loc, scale, validate_args=False), len(self.event_shape), validate_args=False)

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The data's mean, and its spread: of each entry, or over all of them for a learned scalar, which is set."""
        flat = x.flatten(1)
        mean, variance = flat.mean(0), flat.var(0, correction=0).clamp_min(1e-12)
        if self.scale == "decoder":
            excess = (variance.sqrt() - self.floor).clamp_min(1e-3)
            return torch.stack([mean, excess + (-torch.expm1(-excess)).log()], -1).flatten()
        if self.scale == "learned":
            self.log_scale.data.fill_(0.5 * math.log(float(variance.mean())))
        elif self.scale == "per-dimension":
            self.log_scale.data.copy_(0.5 * variance.log().view(self.event_shape))
        return mean


class FullGaussian(Likelihood):
    """p(x | z) = N(x; f(z), L L'), with one learned factor L for all z: for tables of few columns.

    Args:
        net: (..., Z) -> (..., D), the mean.
        event_shape: (D,), D at most 64.
        start_from_data: whether `initialize` does anything; L then starts at the factor of the data's covariance.
    """

    def __init__(self, net: nn.Module, event_shape: Sequence[int], start_from_data: bool = False) -> None:
        if len(event_shape) != 1 or event_shape[0] > WIDEST:
            raise JensenError(
                f"gaussian-full is for rows of at most {WIDEST} numbers, got x of shape {tuple(event_shape)}: choose "
                "likelihood=gaussian"
            )
        super().__init__(net, event_shape, start_from_data)
        dims = event_shape[0]
        self.log_diagonal = nn.Parameter(torch.zeros(dims))
        self.below = nn.Parameter(torch.zeros(dims * (dims - 1) // 2))

    def scale_tril(self) -> Float[Tensor, "dims dims"]:
        """L, lower triangular with a positive diagonal."""
        factor = self.log_diagonal.exp().diag()
        factor[self._places()] = self.below
        return factor

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> CholeskyGaussian:
        """Of the mean (..., D)."""
        return CholeskyGaussian(outputs, self.scale_tril())

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The data's mean; L is set to the factor of their covariance."""
        covariance = torch.cov(x.double().T, correction=0).reshape(x.shape[1], x.shape[1])
        spread = 1e-6 * covariance.diagonal().mean().clamp_min(1e-6)
        factor = torch.linalg.cholesky(covariance + spread * torch.eye(x.shape[1], device=x.device))
        self.log_diagonal.data.copy_(factor.diagonal().log())
        self.below.data.copy_(factor[self._places()])
        return x.mean(0)

    def _places(self) -> tuple[Tensor, Tensor]:
        dims = self.event_shape[0]
        row, column = torch.tril_indices(dims, dims, -1, device=self.below.device)
        return row, column
