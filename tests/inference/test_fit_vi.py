from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from jensen.errors import JensenError
from jensen.inference import fit_vi

CORRELATED = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
ZERO = torch.zeros(2, dtype=torch.float64)


def test_a_gaussian_target_is_found_exactly_whatever_its_units_and_correlations() -> None:
    scales = torch.tensor([1e-3, 1.0, 50.0], dtype=torch.float64)
    mixing = torch.tensor([[1, 0, 0], [0.95, 0.3, 0], [-0.5, 0.5, 0.1]], dtype=torch.float64)
    p = MultivariateNormal(torch.tensor([0.2, -3.0, 400.0]).double(), scale_tril=scales[:, None] * mixing)
    found = fit_vi(lambda z: p.log_prob(z) + 5, 3, "full", start=torch.zeros(3).double())
    assert found.converged
    # log p - log q hardly varies: its variance is about twice KL(q || p), and the ELBO has the same error.
    assert found.elbo.standard_error < 1e-6
    assert abs(found.elbo.value - 5) < 1e-6
    assert kl_divergence(found.q, p).item() < 1e-10
    torch.testing.assert_close(found.q.mean / scales, p.mean / scales, rtol=0, atol=1e-4)


def test_a_diagonal_q_is_too_narrow_for_a_correlated_gaussian_by_a_known_amount() -> None:
    p = MultivariateNormal(torch.tensor([1.0, -2.0]).double(), CORRELATED)
    found = fit_vi(p.log_prob, 2, start=ZERO)
    gap = -0.5 * math.log(1 - 0.9**2)
    # The best variance is 1 - r^2; a q that is off by a little is below the best by its square.
    assert abs(found.elbo.value + gap) < 4 * found.elbo.standard_error
    exact = kl_divergence(MultivariateNormal(found.q.mean, found.q.variance.diag()), p).item()
    assert exact == pytest.approx(0.8303656034, abs=2e-3)
    assert exact >= gap - 1e-9
    # Over 8 seeds the variances have a standard deviation below 0.001.
    torch.testing.assert_close(found.q.variance, torch.full_like(ZERO, 0.19), rtol=0, atol=0.005)


def test_the_elbo_stays_below_the_normalising_constant_and_its_history_rises() -> None:
    def log_density(z: Tensor) -> Tensor:  # ∫ = e^3
        return torch.distributions.StudentT(3.0).log_prob(z).sum(-1) + 3

    found = fit_vi(log_density, 2, "full", start=ZERO + 5)
    assert found.elbo.value < 3
    assert found.elbo.value > 2.8, "a Gaussian is near a Student-t of three degrees of freedom"
    assert found.history[-1] > found.history[0]
    assert found.history.shape[0] * 100 < 10_000


def test_where_it_stops_early_it_says_so() -> None:
    found = fit_vi(lambda z: -0.5 * (z - 3).square().sum(-1), 1, max_steps=100)
    assert not found.converged
    assert len(found.history) == 1
    assert found.q.mean.dtype == torch.float32


@pytest.mark.parametrize(
    ("log_density", "said"),
    [
        (lambda z: (z - 100).log().sum(-1), r"nan at z = \(.*: q starts at N\(start, I\); give a start"),
        (
            lambda z: torch.where(z > 0, -z, -torch.inf).sum(-1),
            r"-inf at z = .*mass everywhere; let z be the logarithm",
        ),
        (lambda z: -z.square(), r"one value for each, \(100,\); it gave \(100, 2\): sum over the last"),
        (lambda z: -z.detach().square().sum(-1), "no gradient in z"),
        (lambda z: 0.0, "it gave float"),
        (lambda z: z.exp().sum(-1), "inf at z = .*: q ran away; p needs a finite integral"),
    ],
)
def test_a_log_density_that_cannot_be_is_one_line(log_density: object, said: str) -> None:
    with pytest.raises(JensenError, match=said) as raised:
        fit_vi(log_density, 2)
    assert "\n" not in str(raised.value)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(JensenError, match="max_steps must be at least 100, got 50"):
        fit_vi(lambda z: -z.square().sum(-1), 2, max_steps=50)
    with pytest.raises(JensenError, match=r"start is the mean of q, of shape \(2,\), got \(3,\)"):
        fit_vi(lambda z: -z.square().sum(-1), 2, start=torch.zeros(3))
