from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.inference.em import EMResult, em, em_step
from jensen.models.mixture.gaussian import build


class Coins(nn.Module):
    """A mixture of two vectors of biased coins: the least that `em` asks of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.tensor([0.5, 0.5], dtype=torch.float64)
        self.rates = torch.tensor([[0.8, 0.6], [0.3, 0.2]], dtype=torch.float64)

    def log_joint(self, x: Tensor) -> Tensor:
        ones = torch.xlogy(x[:, None], self.rates) + torch.xlogy(1 - x[:, None], 1 - self.rates)
        return self.weights.log() + ones.sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_joint(x).logsumexp(1)

    def e_step(self, x: Tensor) -> Tensor:
        return self.log_joint(x).log_softmax(1)

    def m_step(self, x: Tensor, log_responsibilities: Tensor) -> None:
        shares = log_responsibilities.exp()
        self.weights = shares.mean(0)
        self.rates = shares.T @ x / shares.sum(0)[:, None]


FOUR = torch.tensor([[1, 1], [1, 0], [0, 0], [1, 1]], dtype=torch.float64)


def test_one_step_by_hand() -> None:
    coins = Coins()
    responsibilities = coins.e_step(FOUR).exp()[:, 0]
    torch.testing.assert_close(responsibilities, torch.tensor([8 / 9, 4 / 7, 1 / 8, 8 / 9]).double(), rtol=1e-7, atol=0)
    value = em_step(coins, FOUR)
    assert coins.weights[0].item() == pytest.approx(1247 / 2016, abs=1e-12)
    expected = torch.tensor([[1184 / 1247, 896 / 1247], [328 / 769, 112 / 769]], dtype=torch.float64)
    torch.testing.assert_close(coins.rates, expected, rtol=0, atol=1e-7)
    assert value.shape == ()
    assert 4 * value.item() == pytest.approx(-4.4372168936, abs=1e-9)
    assert value == coins.log_prob(FOUR).mean()


def test_the_history_has_the_value_before_the_first_step_and_after_each() -> None:
    result = em(Coins(), FOUR, max_steps=3)
    expected = torch.tensor([-5.031066599, -4.4372168936, -4.2730158941, -4.1971365565], dtype=torch.float64)
    torch.testing.assert_close(4 * result.log_likelihood, expected, rtol=0, atol=1e-8)
    assert not result.converged


def test_em_stops_where_a_step_gains_less_than_the_tolerance() -> None:
    coarse, fine = em(Coins(), FOUR, tolerance=1e-3), em(Coins(), FOUR)
    for result, tolerance in ((coarse, 1e-3), (fine, 1e-10)):
        assert result.converged
        gains = result.log_likelihood.diff()
        assert gains[-1] < tolerance
        assert (gains[:-1] >= tolerance).all()
    assert len(coarse.log_likelihood) < len(fine.log_likelihood)
    fifth = fine.log_likelihood.diff()[4].item()
    steps = [len(em(Coins(), FOUR, tolerance=factor * fifth).log_likelihood) - 1 for factor in (0.99, 1.01)]
    assert steps == [6, 5]
    # 2 log(1/2) + 2 log(1/4): the model can fit these four exactly, with rates of 0 and 1 on the way.
    assert 4 * fine.log_likelihood[-1].item() == pytest.approx(-4.1588830834, abs=1e-7)


def test_no_step_changes_nothing() -> None:
    coins = Coins()
    result = em(coins, FOUR, max_steps=0)
    assert isinstance(result, EMResult)
    assert len(result.log_likelihood) == 1
    assert coins.weights.equal(Coins().weights)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
def test_after_each_e_step_the_bound_is_the_log_likelihood(covariance: str) -> None:
    torch.manual_seed(1)
    x = torch.randn(300, 5, dtype=torch.float64) + 2 * torch.randint(3, (300, 1))
    model = build(Spec((5,), "real"), num_components=4, covariance=covariance)
    model.initialize(x)

    def elbo(log_q: Tensor) -> Tensor:
        return (log_q.exp() * (model.log_joint(x) - log_q)).sum(1)

    for _ in range(10):
        log_q = model.e_step(x)
        touching = elbo(log_q)
        torch.testing.assert_close(touching, model.log_prob(x), rtol=0, atol=1e-10)
        # Any other q is below, by its divergence from the posterior.
        other = (log_q + torch.randn_like(log_q)).log_softmax(1)
        divergence = (other.exp() * (other - log_q)).sum(1)
        torch.testing.assert_close(model.log_prob(x) - elbo(other), divergence, rtol=0, atol=1e-10)
        model.m_step(x, log_q)
        assert elbo(log_q).mean() > touching.mean()


def test_em_takes_no_gradient() -> None:
    x = torch.randn(50, 2, requires_grad=True)
    model = build(Spec((2,), "real"), num_components=2)
    model.initialize(x.detach())
    result = em(model, x, max_steps=2)
    assert not result.log_likelihood.requires_grad
    assert not model.means.requires_grad
