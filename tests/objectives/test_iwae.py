"""The importance-weighted objective and its two gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, Poisson

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock
from jensen.models.latent.vae import VAE
from jensen.objectives import IWAE, iwae_bound
from jensen.objectives.importance import doubly_reparameterised_bound

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))


class Affine(nn.Module):
    """N(a v + b, s^2), all learned: encoder and decoder of a one-dimensional model."""

    def __init__(self, slope: float, shift: float, scale: float) -> None:
        super().__init__()
        self.slope, self.shift, self.log_scale = (
            nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in (slope, shift, math.log(scale))
        )

    def forward(self, v: torch.Tensor) -> Independent:
        loc = self.slope * v + self.shift
        return Independent(Normal(loc, self.log_scale.exp().expand_as(loc)), 1)


def model() -> VAE:
    zero = torch.zeros(1, dtype=torch.float64)
    return VAE(
        lambda: Independent(Normal(zero, torch.ones_like(zero)), 1), Affine(0.3, 0.2, 0.9), Affine(1.0, 0.0, 0.5)
    )


def gradients(bound: Callable[[VAE, torch.Tensor, int], torch.Tensor], vae: VAE, k: int) -> torch.Tensor:
    """Of 500 batches' mean bound with respect to each parameter of q then p, (500, 6)."""
    parameters = [*vae.posterior.parameters(), *vae.likelihood.parameters()]
    x = torch.full((8, 1), 1.3, dtype=torch.float64)
    return torch.stack([torch.stack(torch.autograd.grad(bound(vae, x, k).mean(), parameters)) for _ in range(500)])


@pytest.mark.parametrize("k", [2, 8])
def test_both_gradients_have_the_same_mean_and_the_second_less_noise(k: int) -> None:
    torch.manual_seed(0)
    vae = model()
    plain, doubly = gradients(iwae_bound, vae, k), gradients(doubly_reparameterised_bound, vae, k)
    error = (plain.var(0) / len(plain) + doubly.var(0) / len(doubly)).sqrt()
    assert ((plain.mean(0) - doubly.mean(0)).abs() < 4 * error).all()
    assert (doubly.std(0)[:3] < plain.std(0)[:3]).all(), "q's gradient is less noisy"
    assert (plain.mean(0)[:3].abs() > 2 * error[:3]).any(), "there is a gradient to compare"


def test_the_value_is_the_bound() -> None:
    vae, x = model(), torch.randn(20, 1, dtype=torch.float64)
    for k in (1, 10):
        torch.manual_seed(3)
        plain = iwae_bound(vae, x, k)
        torch.manual_seed(3)
        torch.testing.assert_close(doubly_reparameterised_bound(vae, x, k), plain)


def test_the_loss_that_is_logged_is_minus_the_bound() -> None:
    vae, x = model(), torch.randn(20, 1, dtype=torch.float64)
    for gradient in ("plain", "doubly-reparameterised"):
        torch.manual_seed(3)
        (turn,) = IWAE(10, gradient).turns(vae, Batch(x), CLOCK)
        torch.manual_seed(3)
        expected = iwae_bound(vae, x, 10).mean()
        torch.testing.assert_close(turn.loss, -expected)
        torch.testing.assert_close(turn.terms["iwae_10"], expected)


def test_what_cannot_be() -> None:
    with pytest.raises(JensenError, match="num_samples"):
        IWAE(0)
    counts = Independent(Poisson(torch.ones(2, 1)), 1)
    fixed = VAE(model().prior, lambda x: counts, model().likelihood)
    with pytest.raises(JensenError, match="rsample"):
        doubly_reparameterised_bound(fixed, torch.zeros(2, 1), 3)
