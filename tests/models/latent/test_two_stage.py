"""The two-stage VAE: its stages, the chain that they are together, and what the second is for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import jensen
from jensen.data.spec import Batch, Spec
from jensen.data.toy import manifold
from jensen.errors import JensenError
from jensen.evaluation.samples import kernel_two_sample
from jensen.models.base import Clock
from jensen.models.latent.two_stage import TwoStageVAE, build
from jensen.objectives import log_weights
from jensen.objectives.elbo import elbo

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))


def model_and_data(dtype: torch.dtype = torch.float64) -> tuple[TwoStageVAE, Tensor]:
    model = build(Spec((6,), "real"), latent_dim=3, hidden=(8,), second_hidden=(8,)).to(dtype)
    x = torch.randn(40, 6, dtype=dtype)
    model.initialize(x)
    return model, x


def test_each_stage_ascends_its_own_bound_and_no_other() -> None:
    model, x = model_and_data()
    torch.manual_seed(1)
    (turn,) = model.turns(Batch(x), CLOCK)
    parameters = list(model.parameters())
    together = torch.autograd.grad(turn.loss, parameters)
    torch.manual_seed(1)
    first = -elbo(model.first, x).elbo.mean()
    torch.manual_seed(1)
    z = model.first.posterior(x).rsample().detach()
    second = -elbo(model.second, z).elbo.mean()
    apart = torch.autograd.grad(first, list(model.first.parameters()))
    apart += torch.autograd.grad(second, list(model.second.parameters()))
    assert len(apart) == len(parameters)
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(turn.terms["first_elbo"], -first.detach())
    torch.testing.assert_close(turn.terms["second_elbo"], -second.detach())


def test_the_bound_that_is_logged_is_that_of_the_whole_chain() -> None:
    model, x = model_and_data()
    many = x.repeat(50, 1)
    with torch.no_grad():
        logged = torch.stack([next(iter(model.turns(Batch(many), CLOCK))).terms["elbo"] for _ in range(20)])
        whole = torch.stack([elbo(model, many).elbo.mean() for _ in range(20)])
    error = math.hypot(logged.std(), whole.std()) / math.sqrt(20)
    assert abs(logged.mean() - whole.mean()) < 4 * error
    assert error < 0.05


def test_the_chain_is_made_of_both_stages() -> None:
    model, x = model_and_data()
    z = model.posterior(x).rsample((5,))
    assert z.shape == (5, 40, 6)
    first, u = z[..., :3], z[..., 3:]
    prior = model.second.prior().log_prob(u) + model.second.likelihood(u).log_prob(first)
    torch.testing.assert_close(model.prior().log_prob(z), prior)
    posterior = model.first.posterior(x).log_prob(first) + model.second.posterior(first).log_prob(u)
    torch.testing.assert_close(model.posterior(x).log_prob(z), posterior)
    torch.testing.assert_close(model.likelihood(z).log_prob(x), model.first.likelihood(first).log_prob(x))
    assert log_weights(model, x, 4).shape == (4, 40)
    assert model.sample(7).shape == model.sample_mean(7).shape == (7, 6)
    assert model.reconstruct(x).shape == x.shape


def test_scales_start_at_the_spread_of_what_they_scale() -> None:
    model, x = model_and_data()
    assert model.first.likelihood.log_scale.exp().item() == pytest.approx(x.std(0, correction=0).square().mean().sqrt())
    z = model.first.posterior(x).sample()
    assert model.second.likelihood.log_scale.exp().item() == pytest.approx(z.std().item(), rel=0.2)


def test_the_scale_is_learned_and_the_second_stage_comes_nearer_to_the_encoded_data() -> None:
    split = jensen.data.load((manifold(6000) + 0.1 * torch.randn(6000, 20, dtype=torch.float64)).numpy())
    model = jensen.create("two-stage-vae", split.spec, latent_dim=2, hidden=(32,), second_hidden=(64, 64))
    jensen.fit(model, split, steps=600, learning_rate=1e-2, warmup=0.05, schedule="linear", validate_every=0)
    x = split.train.all().x
    with torch.no_grad():
        z = model.first.posterior(x).sample()
        residual = (x - model.first.likelihood(z).mean).square().mean().sqrt().item()
        scale = model.first.likelihood.log_scale.exp().item()
        through_u = model.prior().sample((1000,))[:, :2]
    assert scale == pytest.approx(residual, rel=0.1)
    assert 0.09 < scale < 0.15, "near the noise, whose scale is .1, and far from the data's, .7"
    found = jensen.evaluate(model, split.train.subset(torch.arange(2000)), 2)
    assert found["likelihood_scale"].value == pytest.approx(scale, rel=1e-5)
    assert found["residual_scale"].value == pytest.approx(residual, rel=0.05)
    z = z[torch.randperm(len(z))[:1000]]
    one = kernel_two_sample(z, torch.randn_like(z), num_permutations=1)
    two = kernel_two_sample(z, through_u, num_permutations=1)
    assert one.mmd2 > 4 * one.standard_error, "there is something to mend"
    assert two.mmd2 < 0.5 * one.mmd2


def test_data_without_a_scale_are_refused() -> None:
    with pytest.raises(JensenError, match="binarize=none or dequantize=true"):
        build(Spec((1, 8, 8), "binary", levels=2))
    with pytest.raises(JensenError, match="latent_dim must be at least 1"):
        build(Spec((3,), "real"), latent_dim=0)
