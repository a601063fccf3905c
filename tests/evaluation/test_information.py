"""Mutual information and the aggregate posterior, held against integrals and against the identity they obey."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from tests.linear_gaussian import linear_gaussian
from torch import Tensor, nn
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal

from jensen.data import Dataset, load
from jensen.distributions.mixture import DiagonalGaussianMixture
from jensen.errors import JensenError
from jensen.evaluation import information
from jensen.evaluation.information import AggregatePosterior, log_densities
from jensen.models.latent.vae import VAE


class Mixture(nn.Module):
    """A prior with which no KL is in closed form."""

    def forward(self) -> DiagonalGaussianMixture:
        loc = torch.tensor([[-1.0, 0.0], [1.0, 0.5]], dtype=torch.float64)
        return DiagonalGaussianMixture(torch.zeros(2, dtype=torch.float64), loc, torch.ones_like(loc))


def rows(x: Tensor) -> Dataset:
    return load(x.numpy(), validation=0, test=1).train


def linear(kind: str) -> tuple[VAE, Dataset]:
    model, marginal = linear_gaussian(diagonal=kind != "full", shift=0.3)
    if kind == "mixture prior":
        model = VAE(Mixture(), model.posterior, model.likelihood)
    return model, rows(marginal.sample((801,)))


@pytest.mark.parametrize("kind", ["diagonal", "full", "mixture prior"])
def test_both_sides_of_the_identity_agree(kind: str) -> None:
    model, data = linear(kind)
    found = information(model, data, 3000)
    assert found.num_examples == 800
    assert found.kl_method == ("monte carlo" if kind == "mixture prior" else "closed form")
    assert (found.kl.standard_error > 0) == (kind == "mixture prior")
    parts = found.mutual_information.value + found.aggregate_kl.value
    assert found.difference.value == pytest.approx(found.kl.value - parts)
    assert abs(found.difference.value) < 3 * found.difference.standard_error
    assert found.difference.standard_error < 0.05 * found.kl.value  # so that the line above can fail
    assert 0.5 < found.mutual_information.value < found.cap == math.log(800)
    assert found.active_units == 2


def test_rows_that_are_left_out_break_the_identity(monkeypatch) -> None:
    model, data = linear("diagonal")
    add = AggregatePosterior.add

    def some(self: AggregatePosterior, q_z) -> None:
        kept = q_z.mean[:, 0] < 1
        add(self, Independent(Normal(q_z.mean[kept], q_z.stddev[kept]), 1))

    monkeypatch.setattr(AggregatePosterior, "add", some)
    found = information(model, data, 3000)
    assert abs(found.difference.value) > 5 * found.difference.standard_error


class OneDimension(nn.Module):
    """q(z | x) about x, of one family or another."""

    def __init__(self, family: type) -> None:
        super().__init__()
        self.family = family
        self.register_buffer("scale", torch.tensor(0.4, dtype=torch.float64))

    def forward(self, x: Tensor):
        return Independent(self.family(x, self.scale), 1)


@pytest.mark.parametrize("family", [Normal, Laplace])
def test_the_figures_are_the_integrals(family: type) -> None:
    x = torch.tensor([[-2.0], [-0.5], [0.0], [0.3], [1.7], [2.0]], dtype=torch.float64)
    prior = Independent(Normal(torch.zeros(1, dtype=torch.float64), 1.0), 1)
    model = VAE(lambda: prior, OneDimension(family), lambda z: Independent(Normal(z, 1.0), 1))
    data = rows(torch.cat([x, x[:1]]))
    kept = data.all().x.double()
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    q = family(kept, 0.4).log_prob(z).exp()  # (N, grid)
    marginal, p = q.mean(0), Normal(0.0, 1.0).log_prob(z)
    step = float(z[1] - z[0])
    aggregate = float((marginal * (marginal.clamp_min(1e-300).log() - p)).sum()) * step
    mutual = float((q * (q.clamp_min(1e-300).log() - marginal.clamp_min(1e-300).log())).mean(0).sum()) * step
    found = information(model, data, 20_000)
    for figure, truth in ((found.mutual_information, mutual), (found.aggregate_kl, aggregate)):
        assert abs(figure.value - truth) < 3 * figure.standard_error
        assert figure.standard_error < 0.02


def test_the_cap_is_reached_where_codes_are_apart_and_nothing_is_where_they_are_alike() -> None:
    apart = torch.arange(50.0, dtype=torch.float64)[:, None] * 100
    prior = Independent(Normal(torch.zeros(1, dtype=torch.float64), 1.0), 1)
    model = VAE(lambda: prior, OneDimension(Normal), lambda z: Independent(Normal(z, 1.0), 1))
    found = information(model, rows(apart), 200)
    assert found.mutual_information.value == pytest.approx(found.cap, abs=1e-9)
    alike = information(model, rows(torch.ones_like(apart)), 2000)
    assert alike.mutual_information.value == pytest.approx(0, abs=1e-9)
    assert abs(alike.aggregate_kl.value - alike.kl.value) < 3 * alike.aggregate_kl.standard_error
    assert alike.active_units == 0


def test_the_matrix_product_is_the_density() -> None:
    q_z = Independent(Normal(3 * torch.randn(30, 4), torch.rand(30, 4) + 0.01), 1)
    z = 3 * torch.randn(20, 4)
    expected = Independent(Normal(q_z.mean.double(), q_z.stddev.double()), 1).log_prob(z.double()[:, None])
    torch.testing.assert_close(log_densities(q_z, z), expected, rtol=1e-6, atol=1e-6)
    full = MultivariateNormal(q_z.mean, torch.diag_embed(q_z.variance))
    torch.testing.assert_close(log_densities(full, z), expected, rtol=1e-3, atol=1e-3)


def test_batches_make_no_difference(monkeypatch) -> None:
    loc, scale = torch.randn(70, 3, dtype=torch.float64), torch.rand(70, 3, dtype=torch.float64) + 0.1
    z = torch.randn(11, 3, dtype=torch.float64)
    whole, parts = AggregatePosterior(z), AggregatePosterior(z)
    whole.add(Independent(Normal(loc, scale), 1))
    monkeypatch.setattr(sys.modules[AggregatePosterior.__module__], "PAIRS", 40)  # and few draws at a time
    for some in torch.arange(70).split(30):
        parts.add(Independent(Normal(loc[some], scale[some]), 1))
    log_q = Independent(Normal(loc, scale), 1).log_prob(z[:, None])
    torch.testing.assert_close(whole.log_prob(), log_q.logsumexp(1) - math.log(70))
    torch.testing.assert_close(parts.log_prob(), whole.log_prob())
    torch.testing.assert_close(parts.mutual_information(), whole.mutual_information())
    r = log_q.softmax(1)
    torch.testing.assert_close(whole.mutual_information(), math.log(70) + (r * r.log()).sum(1))


def test_figures_are_a_function_of_the_seed_and_leave_the_callers_state_alone() -> None:
    model, data = linear("diagonal")
    before = torch.get_rng_state()
    first, second = information(model, data, 50), information(model, data, 50)
    assert first == second
    assert first != information(model, data, 50, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_refused() -> None:
    model, data = linear("diagonal")
    with pytest.raises(JensenError, match="num_draws"):
        information(model, data, 1)
    with pytest.raises(JensenError, match="at least 2 rows"):
        information(model, data.subset(torch.tensor([0])), 10)
    with pytest.raises(JensenError, match="latents"):
        information(nn.Linear(1, 1), data)
