from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.inference.em import EM, EMResult, em
from jensen.models.mixture import bernoulli, gaussian


class Coins(nn.Module):
    """A mixture of two vectors of biased coins: the least that `em` asks of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.tensor([0.5, 0.5], dtype=torch.float64)
        self.rates = torch.tensor([[0.8, 0.6], [0.3, 0.2]], dtype=torch.float64)
        self.e_steps = 0

    def e_step(self, x: Tensor) -> Tensor:
        return self.e_step_and_bound(x)[0]

    def e_step_and_bound(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.e_steps += 1
        ones = torch.xlogy(x[:, None], self.rates) + torch.xlogy(1 - x[:, None], 1 - self.rates)
        log_joint = self.weights.log() + ones.sum(-1)
        return log_joint.log_softmax(1), {"log_prob": log_joint.logsumexp(1).mean(), "other": torch.zeros(())}

    def m_step(self, x: Tensor, log_responsibilities: Tensor) -> None:
        shares = log_responsibilities.exp()
        self.weights = shares.mean(0)
        self.rates = shares.T @ x / shares.sum(0)[:, None]


FOUR = torch.tensor([[1, 1], [1, 0], [0, 0], [1, 1]], dtype=torch.float64)


def test_one_step_by_hand() -> None:
    coins = Coins()
    responsibilities = coins.e_step(FOUR).exp()[:, 0]
    torch.testing.assert_close(responsibilities, torch.tensor([8 / 9, 4 / 7, 1 / 8, 8 / 9]).double(), rtol=1e-7, atol=0)
    value = EM(coins, FOUR).step()["log_prob"]
    assert coins.weights[0].item() == pytest.approx(1247 / 2016, abs=1e-12)
    expected = torch.tensor([[1184 / 1247, 896 / 1247], [328 / 769, 112 / 769]], dtype=torch.float64)
    torch.testing.assert_close(coins.rates, expected, rtol=0, atol=1e-7)
    assert value.shape == ()
    assert 4 * value.item() == pytest.approx(-4.4372168936, abs=1e-9)


def test_each_step_makes_one_e_step() -> None:
    coins = Coins()
    fitting = EM(coins, FOUR)
    for _ in range(5):
        assert fitting.step() is fitting.figures
        assert fitting.bound is fitting.figures["log_prob"]
    assert coins.e_steps == 6


def test_the_history_has_the_value_before_the_first_step_and_after_each() -> None:
    result = em(Coins(), FOUR, max_steps=3)
    expected = torch.tensor([-5.031066599, -4.4372168936, -4.2730158941, -4.1971365565], dtype=torch.float64)
    torch.testing.assert_close(4 * result.bound, expected, rtol=0, atol=1e-8)
    assert not result.converged


def test_em_stops_where_a_step_gains_less_than_the_tolerance() -> None:
    coarse, fine = em(Coins(), FOUR, tolerance=1e-3), em(Coins(), FOUR)
    for result, tolerance in ((coarse, 1e-3), (fine, 1e-10)):
        assert result.converged
        gains = result.bound.diff()
        assert gains[-1] < tolerance
        assert (gains[:-1] >= tolerance).all()
    assert len(coarse.bound) < len(fine.bound)
    fifth = fine.bound.diff()[4].item()
    steps = [len(em(Coins(), FOUR, tolerance=factor * fifth).bound) - 1 for factor in (0.99, 1.01)]
    assert steps == [6, 5]
    # 2 log(1/2) + 2 log(1/4): the model can fit these four exactly, with rates of 0 and 1 on the way.
    assert 4 * fine.bound[-1].item() == pytest.approx(-4.1588830834, abs=1e-7)


def test_no_step_changes_nothing() -> None:
    coins = Coins()
    result = em(coins, FOUR, max_steps=0)
    assert isinstance(result, EMResult)
    assert len(result.bound) == 1
    assert coins.weights.equal(Coins().weights)


def some_mixture(which: str) -> tuple[gaussian.GaussianMixture | bernoulli.BernoulliMixture, Tensor]:
    """A mixture at its start, and data for it; a tenth of the entries missing where the name says so."""
    name, _, missing = which.partition(" ")
    if name == "bernoulli":
        centres = 0.1 + 0.8 * torch.randint(2, (4, 12)).double()
        x = torch.bernoulli(centres[torch.randint(4, (300,))])
        model = bernoulli.build(Spec((12,), "binary"), num_components=4)
    else:
        x = torch.randn(300, 5, dtype=torch.float64) + 2 * torch.randint(3, (300, 1))
        model = gaussian.build(Spec((5,), "real"), num_components=4, covariance=name)
    if missing:
        x[torch.rand(x.shape) < 0.1] = torch.nan
        x[0] = torch.nan
    model.initialize(x)
    return model, x


MIXTURES = [
    name + missing
    for name in ("full", "tied", "diagonal", "spherical", "bernoulli")
    for missing in ("", " with missing entries")
]


def entropy(log_q: Tensor) -> Tensor:
    return -torch.where(log_q.isneginf(), 0.0, log_q.exp() * log_q).sum(1)


@pytest.mark.parametrize("which", MIXTURES)
def test_after_each_e_step_the_bound_is_the_log_likelihood(which: str) -> None:
    model, x = some_mixture(which)
    for _ in range(10):
        log_q, figures = model.e_step_and_bound(x)
        touching = model.expected_log_joint(x, log_q) + entropy(log_q)
        torch.testing.assert_close(touching, model.log_prob(x), rtol=0, atol=1e-10)
        assert figures["log_prob"].item() == pytest.approx(touching.mean().item(), abs=1e-10)
        # Any other q is below, by its divergence from the posterior.
        other = (log_q + torch.randn_like(log_q)).log_softmax(1)
        divergence = (other.exp() * (other - log_q)).sum(1)
        below = model.expected_log_joint(x, other) + entropy(other)
        torch.testing.assert_close(model.log_prob(x) - below, divergence, rtol=0, atol=1e-10)
        # The M-step raises Q, and log p by at least as much.
        before = model.expected_log_joint(x, log_q).mean()
        model.m_step(x, log_q)
        gain = model.expected_log_joint(x, log_q).mean() - before
        assert gain > 0
        assert model.log_prob(x).mean() - touching.mean() >= gain - 1e-12


@pytest.mark.parametrize("which", MIXTURES)
def test_hard_em_raises_log_p_of_x_and_the_mode(which: str) -> None:
    model, x = some_mixture(which)
    model.assignment = "hard"
    log_q = model.e_step(x)
    assert log_q.exp().sum(1).equal(torch.ones(len(x)).double())
    assert ((log_q == 0) | log_q.isneginf()).all()
    torch.testing.assert_close(model.expected_log_joint(x, log_q), model.log_joint(x).amax(1), rtol=0, atol=0)
    fitting = EM(model, x)
    bounds = [fitting.bound]
    for _ in range(20):
        fitting.step()
        assert list(fitting.figures) == ["elbo", "log_prob"]
        assert fitting.bound <= fitting.figures["log_prob"]
        bounds.append(fitting.bound)
    assert torch.stack(bounds).diff().min() >= -1e-12
    assert bounds[-1] > bounds[0]


def test_em_takes_no_gradient() -> None:
    x = torch.randn(50, 2, requires_grad=True)
    model = gaussian.build(Spec((2,), "real"), num_components=2)
    model.initialize(x.detach())
    result = em(model, x, max_steps=2)
    assert not result.bound.requires_grad
    assert not model.means.requires_grad
