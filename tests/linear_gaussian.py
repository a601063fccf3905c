"""The linear-Gaussian model, whose evidence and posterior are known: the oracle of every bound."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from jensen.models.latent.vae import VAE


class Prior(nn.Module):
    """p(z) = N(0, I), as a multivariate Gaussian so that KL with a full covariance has a closed form."""

    def __init__(self, latent_dim: int, diagonal: bool = False, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.register_buffer("identity", torch.eye(latent_dim, dtype=dtype))
        self.diagonal = diagonal

    def forward(self):
        zero = torch.zeros(len(self.identity), dtype=self.identity.dtype)
        if self.diagonal:
            return Independent(Normal(zero, torch.ones_like(zero)), 1)
        return MultivariateNormal(zero, self.identity)


class Likelihood(nn.Module):
    """p(x | z) = N(W z + b, s^2 I)."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.scale = scale

    def forward(self, z: Tensor):
        return Independent(Normal(z @ self.weight.T + self.bias, self.scale), 1)


class Posterior(nn.Module):
    """N(mean(x) + shift, widen^2 times the exact covariance): exact for shift 0 and widen 1."""

    def __init__(self, likelihood: Likelihood, shift: float = 0.0, widen: float = 1.0, diagonal: bool = False) -> None:
        super().__init__()
        w, s = likelihood.weight, likelihood.scale
        precision = torch.eye(w.shape[1], dtype=w.dtype) + w.T @ w / s**2
        self.covariance = widen**2 * torch.linalg.inv(precision)
        self.gain = torch.linalg.solve(precision, w.T / s**2)
        self.bias, self.shift, self.diagonal = likelihood.bias, shift, diagonal

    def forward(self, x: Tensor):
        mean = (x - self.bias) @ self.gain.T + self.shift
        if self.diagonal:
            # The best diagonal Gaussian under KL(q || p) has the inverse of the precision's diagonal as its variances.
            variance = 1 / torch.linalg.inv(self.covariance).diagonal()
            return Independent(Normal(mean, variance.sqrt().expand_as(mean)), 1)
        return MultivariateNormal(mean, self.covariance)


def linear_gaussian(
    data_dim: int = 6,
    latent_dim: int = 2,
    scale: float = 0.7,
    shift: float = 0.0,
    widen: float = 1.0,
    diagonal: bool = False,
    dtype: torch.dtype = torch.float64,
) -> tuple[VAE, MultivariateNormal]:
    """The model, and its exact marginal p(x) = N(b, W W' + s^2 I), which is in double precision."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(data_dim, latent_dim, generator=generator, dtype=torch.float64)
    weight[:, 1:] += weight[:, :1]  # so that the posterior is correlated
    bias = torch.randn(data_dim, generator=generator, dtype=torch.float64)
    likelihood = Likelihood(weight.to(dtype), bias.to(dtype), scale)
    model = VAE(Prior(latent_dim, diagonal, dtype), Posterior(likelihood, shift, widen, diagonal), likelihood)
    covariance = weight @ weight.T + scale**2 * torch.eye(data_dim, dtype=torch.float64)
    return model, MultivariateNormal(bias, covariance)


def gap(latent_dim: int, shift: float, widen: float, covariance: Tensor) -> float:
    """KL(q || exact posterior) for q = N(m + shift, widen^2 S) against N(m, S), nats."""
    offset = torch.full((latent_dim,), shift, dtype=torch.float64)
    quadratic = float(offset @ torch.linalg.inv(covariance) @ offset)
    return 0.5 * (latent_dim * widen**2 + quadratic - latent_dim - 2 * latent_dim * math.log(widen))
