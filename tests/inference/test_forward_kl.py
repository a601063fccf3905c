from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal, StudentT

from jensen.errors import JensenError
from jensen.inference import fit_forward_kl, fit_vi, match_moments

P = MultivariateNormal(torch.tensor([1.0, -2.0]).double(), torch.tensor([[1.0, 0.9], [0.9, 1.0]]).double())
WIDE = MultivariateNormal(torch.zeros(2).double(), 16 * torch.eye(2).double())


def two_modes() -> MixtureSameFamily:
    centres = torch.tensor([[3.0, 3.0], [-3.0, -3.0]], dtype=torch.float64)
    each = Independent(Normal(centres, torch.ones_like(centres)), 1)
    return MixtureSameFamily(Categorical(torch.tensor([0.5, 0.5]).double()), each)


def test_moments_of_weighted_draws_are_those_of_the_gaussian_exactly() -> None:
    # A quadrature of a Gaussian, where its moments have no error: nodes as draws, weights as weights.
    nodes = torch.linspace(-9, 9, 181, dtype=torch.float64)
    grid = torch.cartesian_prod(nodes, nodes) + P.mean
    q = match_moments(grid, P.log_prob(grid))
    torch.testing.assert_close(q.mean, P.mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(q.covariance_matrix, P.covariance_matrix, rtol=0, atol=1e-10)
    diagonal = match_moments(grid, P.log_prob(grid), "diagonal")
    # Forward, a diagonal q keeps the marginal variances; reverse it shrinks to 1 - r^2.
    torch.testing.assert_close(diagonal.variance, torch.ones(2).double(), rtol=0, atol=1e-10)


def test_unweighted_draws_give_maximum_likelihood() -> None:
    z = P.sample((50,))
    q = match_moments(z)
    torch.testing.assert_close(q.covariance_matrix, z.T.cov(correction=0), rtol=1e-10, atol=0)
    best = q.log_prob(z).sum()
    for moved in (
        MultivariateNormal(q.mean + 0.01, q.covariance_matrix),
        MultivariateNormal(q.mean, 1.02 * q.covariance_matrix),
    ):
        assert moved.log_prob(z).sum() < best


@pytest.mark.parametrize("family", ["full", "diagonal"])
def test_by_importance_sampling_within_its_errors(family: str) -> None:
    draws = 20_000
    found = fit_forward_kl(lambda z: P.log_prob(z) + 2, WIDE, family, num_samples=draws)  # type: ignore[arg-type]
    error = (1 / found.effective_sample_size) ** 0.5
    assert ((found.q.mean - P.mean).abs() < 4 * error).all()
    assert ((found.q.variance - 1).abs() < 4 * 2**0.5 * error).all()
    gap = 0.0 if family == "full" else -0.5 * torch.logdet(P.covariance_matrix).item()
    # q is off by about a standard error, and the bound by its square.
    assert abs(found.eubo.value - 2 - gap) < 4 * found.eubo.standard_error + 1e-3
    assert found.effective_sample_size > 0.99 * draws


def test_forward_covers_both_modes_and_reverse_seeks_one() -> None:
    p = two_modes()
    forward = fit_forward_kl(p.log_prob, WIDE).q
    error = 4 * (10 / 5000) ** 0.5
    torch.testing.assert_close(forward.mean, torch.zeros(2).double(), rtol=0, atol=error)
    expected = torch.tensor([[10.0, 9.0], [9.0, 10.0]]).double()
    torch.testing.assert_close(forward.covariance_matrix, expected, rtol=0, atol=10 * error)
    reverse = fit_vi(p.log_prob, 2, start=torch.ones(2).double())
    torch.testing.assert_close(reverse.q.mean, torch.full((2,), 3.0).double(), rtol=0, atol=0.05)
    # One of two modes that lie apart: KL(q || p) = log 2.
    assert reverse.elbo.value.item() == pytest.approx(-math.log(2), abs=2e-3)


def test_tails_that_no_gaussian_covers_are_called_so() -> None:
    def heavy(z: Tensor) -> Tensor:
        return StudentT(1.5).log_prob(z).sum(-1)

    with pytest.warns(RuntimeWarning, match="tails of p are heavier than a Gaussian's"):
        fit_forward_kl(heavy, Independent(Normal(torch.zeros(2), 3 * torch.ones(2)), 1))


def test_a_density_with_a_wall_is_no_obstacle() -> None:
    def half(z: Tensor) -> Tensor:
        return torch.where(z[:, 0] > 0, -0.5 * z[:, 0].square(), -torch.inf)

    found = fit_forward_kl(half, Independent(Normal(torch.zeros(1).double(), 2.0), 1), num_samples=20_000)
    mean, variance = (2 / math.pi) ** 0.5, 1 - 2 / math.pi
    error = (variance / found.effective_sample_size) ** 0.5
    assert abs(found.q.mean.item() - mean) < 4 * error
    # E log p~ - E log q, in closed form: log Z + KL(p || q).
    exact = -0.5 + 0.5 * math.log(2 * math.pi * variance) + 0.5
    assert abs(found.eubo.value.item() - exact) < 4 * found.eubo.standard_error + 1e-3
    assert exact > 0.5 * math.log(math.pi / 2), "above log Z"


def test_bad_input() -> None:
    with pytest.raises(JensenError, match=r"event_shape \(Z,\), got \(\): Independent\(proposal, 1\)"):
        fit_forward_kl(lambda z: -z.square(), Normal(torch.zeros(2), 1.0))
    with pytest.raises(JensenError, match="all 10000 draws of the proposal fall where the density is 0"):
        fit_forward_kl(lambda z: torch.full((len(z),), -torch.inf), WIDE)
    narrow = MultivariateNormal(torch.full((2,), 40.0).double(), torch.eye(2).double())
    with pytest.raises(JensenError, match=r"covariance is singular: 50 draws are worth 1\.\d, .*widen the proposal"):
        fit_forward_kl(lambda z: -1e6 * z.square().sum(-1), narrow, num_samples=50)
