"""A model of one's own parts: three modules that return a Distribution are trained, bounded and checked.

The model is linear-Gaussian, so that log p(x) is known exactly: the bound must come close and never exceed it.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

import jensen
from jensen.models.latent.vae import VAE


class Prior(nn.Module):
    """p(z) = N(0, I)."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(latent_dim))

    def forward(self) -> Independent:
        return Independent(Normal(self.zero, 1.0), 1)


class Posterior(nn.Module):
    """q(z | x): a full covariance, by its Cholesky factor."""

    def __init__(self, data_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(data_dim, latent_dim)
        self.factor = nn.Parameter(torch.eye(latent_dim))

    def forward(self, x: Tensor) -> MultivariateNormal:
        diagonal = self.factor.diagonal().exp()
        return MultivariateNormal(self.mean(x), scale_tril=self.factor.tril(-1) + diagonal.diag())


class Likelihood(nn.Module):
    """p(x | z) = N(W z + b, s^2 I)."""

    def __init__(self, latent_dim: int, data_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(latent_dim, data_dim)
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(self.mean(z), self.log_scale.exp()), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a few seconds instead of a minute")
    tiny = parser.parse_args().tiny

    torch.manual_seed(0)
    mixing = torch.randn(2, 6)
    x = torch.randn(5000, 2) @ mixing + 0.5 * torch.randn(5000, 6)
    split = jensen.data.load(x)

    model = VAE(Prior(2), Posterior(6, 2), Likelihood(2, 6))
    jensen.fit(model, split, steps=500 if tiny else 5000, learning_rate=1e-2, schedule="linear", progress=False)
    scores = jensen.evaluate(model, split.test, num_samples=100)

    weight, bias = model.likelihood.mean.weight, model.likelihood.mean.bias
    noise = (2 * model.likelihood.log_scale).exp() * torch.eye(6)
    exact = MultivariateNormal(bias, weight @ weight.T + noise).log_prob(split.test.all().x).mean()
    for name in ("elbo", "iwae_10", "iwae_100"):
        metric = scores[name]
        print(f"{name:9} {metric.value:8.4f} ± {metric.mc_standard_error:.4f} nats ({metric.kind})")
        assert metric.value < exact + 4 * metric.mc_standard_error + 1e-3
    print(f"log p(x)  {exact:8.4f} nats (exact)")


if __name__ == "__main__":
    main()
