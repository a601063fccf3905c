"""The mixture of diagonal Gaussians, against torch's own and its moments."""

from __future__ import annotations

import math

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from jensen.distributions.mixture import DiagonalGaussianMixture


def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(5), 3 + 2 * torch.randn(5, 3), 0.1 + torch.rand(5, 3)


def test_density_equals_the_general_mixture() -> None:
    logits, loc, scale = parts()
    general = MixtureSameFamily(Categorical(logits=logits), Independent(Normal(loc, scale), 1))
    ours = DiagonalGaussianMixture(logits, loc, scale)
    z = general.sample((200, 4))
    assert ours.log_prob(z).shape == (200, 4)
    torch.testing.assert_close(ours.log_prob(z), general.log_prob(z), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.mean, general.mean)
    torch.testing.assert_close(ours.variance, general.variance, atol=1e-4, rtol=1e-4)


def test_samples_have_the_moments() -> None:
    mixture = DiagonalGaussianMixture(*parts())
    z = mixture.sample((40_000,))
    assert z.shape == (40_000, 3)
    assert mixture.sample().shape == (3,)
    error = mixture.variance.sqrt() / math.sqrt(len(z))
    assert ((z.mean(0) - mixture.mean).abs() < 4.5 * error).all()
    fourth = (z - mixture.mean).pow(4).mean(0)
    spread = ((fourth - mixture.variance.square()) / len(z)).sqrt()
    assert ((z.var(0) - mixture.variance).abs() < 4.5 * spread).all()


def test_gradients_reach_the_parameters() -> None:
    logits, loc, scale = (p.requires_grad_() for p in parts())
    DiagonalGaussianMixture(logits, loc, scale).log_prob(torch.randn(10, 3)).sum().backward()
    for parameter in (logits, loc, scale):
        assert parameter.grad.abs().max() > 0


def test_mixed_precision_leaves_the_density_alone() -> None:
    mixture = DiagonalGaussianMixture(*parts())
    z = mixture.sample((50,))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = mixture.log_prob(z)
    assert torch.equal(mixed, mixture.log_prob(z))
