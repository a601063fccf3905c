"""Adversarial variational Bayes: its encoder's moments, what T finds, and a posterior of two modes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence

import jensen
from jensen.data.spec import Batch, Spec
from jensen.distributions.gaussian import CholeskyGaussian
from jensen.errors import JensenError
from jensen.models.adversarial.avb import AVB, Contrast, Draws, NoiseBasis, build
from jensen.models.adversarial.encoders import Discriminator, Features
from jensen.models.base import Clock, kind_of
from jensen.models.latent.posteriors import DiagonalGaussian
from jensen.models.latent.priors import StandardNormal
from jensen.models.latent.vae import VAE
from jensen.nets import MLP

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
LINE = Spec((1,), "real")


class Folded(nn.Module):
    """p(x | z) = N(x; |z|, 1/4): under p(z) = N(0, 1) the posterior is symmetric, with modes near x and -x."""

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(z.abs(), 0.5, validate_args=False), 1, validate_args=False)


def test_the_moments_are_those_of_the_draws() -> None:
    torch.manual_seed(0)
    encoder = NoiseBasis(nn.Identity(), 3, 2, num_basis=4, noise_dim=2).double()
    with torch.no_grad():
        encoder.head.weight.normal_()
        draws = encoder.draw(torch.randn(1, 3).double().expand(50_000, 3))
    torch.testing.assert_close(draws.z.mean(0), draws.gaussian.loc[0])
    # The v_n are independent, and the covariance of z in 50,000 draws differs by what they happen to share.
    found, expected = torch.cov(draws.z.T), draws.gaussian.covariance_matrix[0]
    scale = expected.diagonal().sqrt()
    assert ((found - expected).abs() < 5 * scale[:, None] * scale * (2 / 50_000) ** 0.5).all()


def test_the_encoder_starts_at_the_prior() -> None:
    torch.manual_seed(0)
    model = build(Spec((1, 8, 8), "binary"), latent_dim=3, hidden=(64,))
    z = model.encode(torch.rand(5000, 1, 8, 8))
    assert (z.mean(0).abs() < 0.2).all()
    assert ((z.std(0) - 1).abs() < 0.2).all()


class Known(nn.Module):
    """q(z | x) = N(x, 0.6^2), which T does not know."""

    def draw(self, x: Tensor) -> Draws:
        r = CholeskyGaussian(x, torch.full_like(x, 0.6)[..., None])
        return Draws(r.rsample(), r)

    def forward(self, x: Tensor) -> Tensor:
        return self.draw(x).z


@pytest.mark.parametrize("adaptive", [False, True])
def test_t_finds_the_log_ratio_of_q_and_p(adaptive: bool) -> None:
    """T* = log q(z | x) - log p(z), or under adaptive contrast log q - log r, which is 0 for a Gaussian q."""
    torch.manual_seed(0)
    trunk, width = Features(LINE, hidden=(32,)), 32
    model = AVB(
        StandardNormal(1),
        Known(),
        Folded(),
        Contrast(trunk, Discriminator(width + 1, (32, 32), "elu")),
        adaptive,
    )
    optimizer = torch.optim.Adam(model.contrast.parameters(), lr=3e-3)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 400)
        *_, turn = model.turns(Batch(torch.randn(400, 1)), CLOCK)
        optimizer.zero_grad()
        turn.loss.backward(inputs=list(turn.parameters))
        optimizer.step()
    x = torch.linspace(-1.5, 1.5, 13)[:, None].repeat(200, 1)
    with torch.no_grad():
        draws = model.encoder.draw(x)  # type: ignore[operator]
        found = model._log_ratio(x, draws).mean()
        exact = kl_divergence(draws.gaussian, model.prior()).mean()
    assert exact > 0.6
    # T is a network, fitted to draws: right to a tenth of what it stands for (adaptively it stands for 0).
    assert abs(found - exact) < 0.06


def test_the_model_descends_its_estimate_and_logs_no_bound() -> None:
    torch.manual_seed(0)
    model = build(Spec((6,), "binary"), latent_dim=2, hidden=(8,), contrast_hidden=(8,), num_basis=2, noise_dim=2)
    assert kind_of(model) == "implicit"
    turns = list(model.turns(Batch(torch.bernoulli(torch.full((10, 6), 0.5))), CLOCK))
    assert [turn.player for turn in turns] == ["model", "discriminator"]
    terms = turns[0].terms
    torch.testing.assert_close(terms["estimated_elbo"], terms["reconstruction"] - terms["estimated_kl"])
    torch.testing.assert_close(turns[0].loss.detach(), -terms["estimated_elbo"])
    assert not any(name in {"elbo", "kl"} for turn in turns for name in turn.terms)
    assert set(turns[0].parameters) | set(turns[1].parameters) == set(model.parameters())
    assert not set(turns[0].parameters) & set(turns[1].parameters)


def mass_and_distance(z: Tensor, x: float) -> tuple[float, float]:
    """Share of draws above 0; total variation between draws and the posterior by quadrature, over 20 cells."""
    grid = torch.linspace(-4, 4, 2001)
    log_joint = Normal(0.0, 1.0).log_prob(grid) + Normal(grid.abs(), 0.5).log_prob(torch.tensor(x))
    cells = torch.linspace(-4, 4, 21)
    p = torch.zeros(20).index_add_(0, torch.bucketize(grid, cells[1:-1]), log_joint.softmax(0))
    q = torch.bincount(torch.bucketize(z, cells[1:-1]), minlength=20) / len(z)
    return float((z > 0).float().mean()), float((p - q).abs().sum()) / 2


def test_both_modes_of_a_posterior_are_found_where_a_gaussian_finds_one() -> None:
    torch.manual_seed(0)
    data = jensen.data.load(torch.randn(4000, 1).abs() + 0.5 * torch.randn(4000, 1), validation=0)
    trunk, seen, width = Features(LINE, hidden=(32, 32)), Features(LINE, hidden=(32, 32)), 32
    encoder = NoiseBasis(trunk, width, 1, num_basis=1, noise_dim=2, hidden=(32, 32))
    contrast = Contrast(seen, Discriminator(width + 1, (64, 64)))
    model = AVB(StandardNormal(1), encoder, Folded(), contrast, contrast_rate=2.0)
    vae = VAE(StandardNormal(1), DiagonalGaussian(MLP([1, 32, 32, 2], "elu")), Folded())
    for one in (model, vae):
        jensen.fit(one, data, steps=600, batch_size=256, learning_rate=4e-3, betas=(0.5, 0.9), schedule="linear")
    for x in (1.0, 1.5):
        rows = torch.full((4000, 1), x)
        mass, distance = mass_and_distance(model.encode(rows).flatten(), x)
        _, gaussian = mass_and_distance(vae.posterior(rows).sample().flatten(), x)
        assert 0.35 < mass < 0.65
        assert distance < 0.3
        assert distance < gaussian - 0.1


def test_bad_input() -> None:
    for name in ("latent_dim", "num_basis", "noise_dim"):
        with pytest.raises(JensenError, match=f"{name} must be at least 1, got 0"):
            build(LINE, **{name: 0})


def test_a_contrast_that_tells_all_apart_is_named() -> None:
    model = build(LINE, adaptive_contrast=False)
    assert model.warning({"discriminator_accuracy": 0.6, "discriminator_loss": 1.3}) is None
    assert "adaptive_contrast=true" in (
        model.warning({"discriminator_accuracy": 1.0, "discriminator_loss": 1e-4}) or ""
    )
