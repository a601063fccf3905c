"""Each example's own q, held against models whose best diagonal Gaussian is known."""

from __future__ import annotations

import math

import pytest
import torch
from tests.linear_gaussian import gap, linear_gaussian

from jensen.errors import JensenError
from jensen.evaluation.likelihood import Mean
from jensen.evaluation.refine import gaps, refine
from jensen.inference.annealed_importance import Annealing

SHORT = Annealing(20, 2, 3)


def standard_error(mean: Mean) -> float:
    """Of the mean over examples, the examples held fixed."""
    return float(mean.variance.sum().sqrt()) / len(mean.value)


def best_diagonal(model) -> tuple[torch.Tensor, float]:
    """The scale of the diagonal Gaussian nearest to the exact posterior in KL(q || p), and that KL, nats."""
    precision = torch.linalg.inv(model.posterior.covariance)
    scale = precision.diagonal().rsqrt()
    return scale, 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))


def test_both_gaps_are_0_where_the_encoder_is_exact() -> None:
    model, marginal = linear_gaussian(latent_dim=1)
    found = gaps(model, marginal.sample((20,)), 50, SHORT)
    for part in (found.amortisation, found.approximation):
        assert float(part.value.abs().max()) < 1e-4  # every weight is p(x), but for what rounding moves


def test_a_wrong_encoder_is_all_amortisation_where_the_family_is_right() -> None:
    model, marginal = linear_gaussian(latent_dim=1, shift=0.5, widen=1.5)
    found = gaps(model, marginal.sample((40,)), 400, SHORT)
    exact, _ = linear_gaussian(latent_dim=1)
    expected = gap(1, 0.5, 1.5, exact.posterior.covariance)
    assert expected > 0.5
    amortisation, approximation = found.amortisation, found.approximation
    assert abs(float(amortisation.value.mean()) - expected) < 3 * standard_error(amortisation)
    assert abs(float(approximation.value.mean())) < 3 * standard_error(approximation) + 1e-3  # Adam stops near the best


def test_a_diagonal_q_stops_at_its_known_kl() -> None:
    exact, marginal = linear_gaussian()
    scale, kl = best_diagonal(exact)
    assert kl > 0.1
    model, _ = linear_gaussian(shift=0.6, diagonal=True)
    x = marginal.sample((60,))
    q = refine(model, x)
    torch.testing.assert_close(q.stddev, scale.expand(60, 2), rtol=0.1, atol=0)
    assert (((q.mean - exact.posterior(x).mean) / scale).abs() < 0.2).all()
    found = gaps(model, x, 400, Annealing(50, 4, 3))
    amortisation, approximation = found.amortisation, found.approximation
    offset = torch.full((2,), 0.6, dtype=torch.float64)
    expected = 0.5 * float(offset @ torch.linalg.inv(exact.posterior.covariance) @ offset)
    assert abs(float(amortisation.value.mean()) - expected) < 3 * standard_error(amortisation)
    assert abs(float(approximation.value.mean()) - kl) < 3 * standard_error(approximation) + 0.01


def test_an_encoder_of_a_richer_family_has_no_amortisation_gap() -> None:
    exact, marginal = linear_gaussian()
    found = gaps(exact, marginal.sample((20,)), 400, SHORT)
    _, kl = best_diagonal(exact)
    amortisation = found.amortisation
    assert abs(float(amortisation.value.mean()) + kl) < 3 * standard_error(amortisation) + 0.01
    assert math.isclose(float(found.encoder.variance.max()), 0, abs_tol=1e-12)


def test_weights_are_left_alone() -> None:
    model, marginal = linear_gaussian(latent_dim=1)
    model.likelihood.weight = torch.nn.Parameter(model.likelihood.weight)
    refine(model, marginal.sample((3,)), num_steps=2)
    assert model.likelihood.weight.grad is None


def test_bad_input() -> None:
    model, marginal = linear_gaussian()
    with pytest.raises(JensenError, match="num_steps"):
        refine(model, marginal.sample((2,)), num_steps=-1)
