from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent, kl_divergence

from jensen.distributions.bernoulli import IndependentBernoulli


@pytest.mark.parametrize("event_shape", [(784,), (1, 28, 28), (7,), (1,), (2**12,)])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_density_is_that_of_independent_bits(event_shape: tuple[int, ...], scale: float) -> None:
    logits = scale * torch.randn(3, 5, *event_shape)
    x = torch.rand(5, *event_shape).round()
    dims = len(event_shape)
    exact = Independent(Bernoulli(logits=logits.double()), dims).log_prob(x.double())
    with torch.no_grad():
        fast = IndependentBernoulli(Bernoulli(logits=logits), dims).log_prob(x)
    assert fast.shape == (3, 5)
    torch.testing.assert_close(fast.double(), exact, rtol=2e-6, atol=1e-4)


def test_double_precision_to_its_last_digits() -> None:
    logits, x = 5 * torch.randn(4, 100, dtype=torch.float64), torch.rand(4, 100, dtype=torch.float64)
    with torch.no_grad():
        fast = IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(x)
        slow = Independent(Bernoulli(logits=logits, validate_args=False), 1).log_prob(x)
    torch.testing.assert_close(fast, slow, rtol=1e-13, atol=1e-12)


def test_a_differentiated_density_is_torchs_own() -> None:
    logits, x = torch.randn(4, 6, requires_grad=True), torch.rand(4, 6).round()
    ours = IndependentBernoulli(Bernoulli(logits=logits), 1).log_prob(x)
    assert torch.equal(ours, Independent(Bernoulli(logits=logits), 1).log_prob(x))
    (gradient,) = torch.autograd.grad(ours.sum(), logits)
    torch.testing.assert_close(gradient, x - logits.sigmoid())


def test_expands_and_diverges_as_an_independent_does() -> None:
    p = IndependentBernoulli(Bernoulli(logits=torch.tensor([0.0, 1.0])), 1)
    q = IndependentBernoulli(Bernoulli(logits=torch.tensor([2.0, -1.0])), 1)
    assert p.expand((3,)).log_prob(torch.ones(2)).shape == (3,)
    expected = kl_divergence(p.base_dist, q.base_dist).sum()
    torch.testing.assert_close(kl_divergence(p, q), expected)
