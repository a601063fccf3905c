"""p(a) p(b | a) as one distribution, against the joint Gaussian that a linear chain is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, MultivariateNormal, Normal

from jensen.distributions.chain import Chain
from jensen.errors import JensenError

A, B, SCALE = 2, 3, 0.6


class Linear(nn.Module):
    """N(W a + c, SCALE^2 I)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(A, B, dtype=torch.float64)

    def forward(self, a: Tensor) -> Independent:
        return Independent(Normal(self.linear(a), SCALE), 1)


def parts() -> tuple[MultivariateNormal, Linear]:
    factor = torch.tensor([[1.0, 0.0], [0.7, 0.5]], dtype=torch.float64)
    return MultivariateNormal(torch.tensor([0.3, -1.0], dtype=torch.float64), scale_tril=factor), Linear()


def joint(first: MultivariateNormal, conditional: Linear) -> MultivariateNormal:
    """The law of (a, b)."""
    w, s = conditional.linear.weight.detach(), first.covariance_matrix
    mean = torch.cat([first.mean, conditional.linear(first.mean).detach()])
    below = torch.cat([w @ s, w @ s @ w.T + SCALE**2 * torch.eye(B, dtype=torch.float64)], 1)
    return MultivariateNormal(mean, torch.cat([torch.cat([s, s @ w.T], 1), below]))


def order(reverse: bool) -> Tensor:
    """Where the entries of (a, b) stand in the value."""
    return torch.tensor([A, A + 1, A + 2, 0, 1] if reverse else range(A + B))


@pytest.mark.parametrize("reverse", [False, True])
def test_density_and_mean_are_those_of_the_joint_gaussian(reverse: bool) -> None:
    first, conditional = parts()
    chain, exact = Chain(first, conditional, B, reverse), joint(first, conditional)
    assert chain.event_shape == (A + B,)
    assert chain.batch_shape == ()
    value = exact.sample((7, 4))
    log_p = chain.log_prob(value[..., order(reverse)])
    assert log_p.shape == (7, 4)
    torch.testing.assert_close(log_p, exact.log_prob(value))
    torch.testing.assert_close(chain.mean, exact.mean[order(reverse)])


@pytest.mark.parametrize("reverse", [False, True])
def test_draws_have_the_moments_of_the_joint_gaussian(reverse: bool) -> None:
    first, conditional = parts()
    chain, exact = Chain(first, conditional, B, reverse), joint(first, conditional)
    mean, covariance = exact.mean[order(reverse)], exact.covariance_matrix[order(reverse)][:, order(reverse)]
    for draw in (chain.sample, chain.rsample):
        z = draw((40_000,)).detach()
        assert z.shape == (40_000, A + B)
        deviation = covariance.diagonal().sqrt()
        assert ((z.mean(0) - mean).abs() < 4.5 * deviation / math.sqrt(len(z))).all()
        # An entry of the covariance has variance (C_ii C_jj + C_ij^2) / n.
        error = ((torch.outer(deviation, deviation).square() + covariance.square()) / len(z)).sqrt()
        assert ((z.T.cov() - covariance).abs() < 4.5 * error).all()


def test_a_batch_of_first_factors() -> None:
    _, conditional = parts()
    chain = Chain(Independent(Normal(torch.randn(5, A, dtype=torch.float64), 1.0), 1), conditional, B)
    assert chain.batch_shape == (5,)
    assert chain.sample().shape == (5, A + B)
    assert chain.sample((3,)).shape == (3, 5, A + B)
    assert chain.log_prob(chain.sample((3,))).shape == (3, 5)
    assert chain.mean.shape == (5, A + B)


def test_gradients_pass_through_draws_and_not_through_samples() -> None:
    first, conditional = parts()
    loc = first.loc.clone().requires_grad_()
    chain = Chain(MultivariateNormal(loc, scale_tril=first.scale_tril), conditional, B)
    assert chain.has_rsample
    z = chain.rsample((10,))
    into_loc, into_weight = torch.autograd.grad(z[:, A:].sum(), [loc, conditional.linear.weight])
    torch.testing.assert_close(into_loc, 10 * conditional.linear.weight.sum(0).detach())  # b moves with a
    torch.testing.assert_close(into_weight, z[:, :A].sum(0).detach().expand(B, A))
    assert not chain.sample().requires_grad


def test_what_it_cannot_do() -> None:
    def bits(a: Tensor) -> Distribution:
        return Independent(Bernoulli(logits=a), 1)

    chain = Chain(parts()[0], bits, A)
    assert chain.sample((3,)).shape == (3, 2 * A)
    with pytest.raises(JensenError, match="second factor has no rsample"):
        chain.rsample()
    with pytest.raises(NotImplementedError):
        _ = chain.variance
