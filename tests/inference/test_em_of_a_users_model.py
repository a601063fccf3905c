"""Models that a user would write: the least that `em` asks for, and iterates that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jensen.errors import JensenError
from jensen.inference import em

# Heads in five sets of ten tosses, each set of one of two coins (Do and Batzoglou 2008, figure 1).
HEADS = torch.tensor([5.0, 9.0, 8.0, 4.0, 7.0], dtype=torch.float64)
PUBLISHED = [(0.60, 0.50), (0.71, 0.58), (0.75, 0.57), (0.77, 0.55), (0.78, 0.53), (0.79, 0.53), (0.79, 0.52)]


class TwoCoins:
    """Which coin a set was tossed with is not known; each is as likely."""

    def __init__(self) -> None:
        self.rates = torch.tensor([0.6, 0.5], dtype=torch.float64)

    def log_joint(self, heads: Tensor) -> Tensor:
        return torch.distributions.Binomial(10, self.rates).log_prob(heads[:, None]) - torch.tensor(2.0).log()

    def log_prob(self, heads: Tensor) -> Tensor:
        return self.log_joint(heads).logsumexp(1)

    def e_step(self, heads: Tensor) -> Tensor:
        return self.log_joint(heads).softmax(1)

    def m_step(self, heads: Tensor, shares: Tensor) -> None:
        self.rates = heads @ shares / (10 * shares.sum(0))


class Lifetimes:
    """Exponential lifetimes, some cut short: z is the rest of a life, and q is summed up by expected lifetimes.

    x are rows (time, whether it ended). EM maps the mean m to mean(time) + (share that was cut) m.
    """

    def __init__(self) -> None:
        self.mean = torch.tensor(1.0, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        return -x[:, 1] * self.mean.log() - x[:, 0] / self.mean

    def e_step(self, x: Tensor) -> Tensor:
        return x[:, 0] + (1 - x[:, 1]) * self.mean  # memoryless: what is left is a whole life

    def m_step(self, x: Tensor, lifetimes: Tensor) -> None:
        self.mean = lifetimes.mean()


def test_two_coins_have_the_published_iterates() -> None:
    model = TwoCoins()
    found = [tuple(model.rates.tolist())]
    for _ in PUBLISHED[1:]:
        em(model, HEADS, max_steps=1)
        found.append(tuple(model.rates.tolist()))
    for ours, theirs in zip(found, PUBLISHED, strict=True):
        assert ours == pytest.approx(theirs, abs=0.0051)
    for _ in range(4):
        em(model, HEADS, max_steps=1)
    assert model.rates.tolist() == pytest.approx([0.80, 0.52], abs=0.0051), "after ten"
    result = em(model, HEADS)
    assert result.converged
    assert result.bound.diff().min() >= -1e-12


def test_censored_lifetimes_go_to_the_closed_form_by_a_known_factor() -> None:
    time = torch.distributions.Exponential(0.5).sample((200,)).double()
    x = torch.stack([time.clamp(max=2.0), (time < 2.0).double()], 1)
    cut = 1 - x[:, 1].mean()
    model = Lifetimes()
    expected = 1.0
    for _ in range(5):
        em(model, x, max_steps=1)
        expected = float(x[:, 0].mean() + cut * expected)
        assert model.mean.item() == pytest.approx(expected, rel=1e-12)
    result = em(model, x, tolerance=1e-15)
    assert result.converged
    assert model.mean.item() == pytest.approx(float(x[:, 0].sum() / x[:, 1].sum()), rel=1e-6)
    assert result.bound.diff().min() >= -1e-12


def test_a_model_whose_bound_cannot_be_seen_is_refused() -> None:
    class Blind:
        def e_step(self, x: Tensor) -> Tensor:
            return x

        def m_step(self, x: Tensor, q: Tensor) -> None: ...

    with pytest.raises(JensenError, match=r"EM must see its bound, and Blind has none: give it log_prob"):
        em(Blind(), HEADS)


def test_a_bound_that_falls_convicts_the_model() -> None:
    class Wrong(Lifetimes):
        def m_step(self, x: Tensor, lifetimes: Tensor) -> None:
            self.mean = 1 / lifetimes.mean()  # the rate, where the mean is meant

    x = torch.tensor([[1.0, 1.0], [5.0, 1.0]], dtype=torch.float64)
    with pytest.raises(JensenError, match=r"step 1 of EM took the bound from -3 to -7\.9.*it cannot fall") as raised:
        em(Wrong(), x)
    assert "\n" not in str(raised.value)

    class Lost(Lifetimes):
        def log_prob(self, x: Tensor) -> Tensor:
            return x[:, 0] * torch.nan

    with pytest.raises(JensenError, match="NaN before the first step"):
        em(Lost(), x)
