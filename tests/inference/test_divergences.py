"""Divergences and information, on tables by hand and on Gaussians by closed form, quadrature and Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Dirichlet,
    Distribution,
    Gamma,
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    StudentT,
)

from jensen.errors import JensenError
from jensen.inference import divergences as d
from jensen.inference import expectation
from jensen.models.adversarial import value


def exactly(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def normal(loc: float, scale: float) -> Normal:
    return Normal(exactly(loc), exactly(scale))


def correlated(dims: int = 3) -> MultivariateNormal:
    factor = torch.randn(dims, dims, dtype=torch.float64)
    return MultivariateNormal(torch.randn(dims, dtype=torch.float64), factor @ factor.T + 0.5 * torch.eye(dims))


# Tables

P, Q = [0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.0, 0.5]


def test_tables_by_hand() -> None:
    p, q = [0.5, 0.5], [0.25, 0.75]
    assert float(d.kl(p, q)) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert float(d.entropy(p)) == pytest.approx(math.log(2))
    assert float(d.cross_entropy(p, q)) == pytest.approx(-0.5 * math.log(0.25) - 0.5 * math.log(0.75))
    assert float(d.total_variation(p, q)) == 0.25
    assert float(d.hellinger(p, q)) ** 2 == pytest.approx(1 - math.sqrt(0.125) - math.sqrt(0.375))
    assert float(d.chi_square(p, q)) == pytest.approx(0.25**2 / 0.25 + 0.25**2 / 0.75)
    middle = [0.375, 0.625]
    assert float(d.jensen_shannon(p, q)) == pytest.approx(float(d.kl(p, middle) + d.kl(q, middle)) / 2)


def test_nothing_is_nan_where_something_is_zero() -> None:
    assert d.kl(P, Q) == math.inf
    assert d.cross_entropy(P, Q) == math.inf
    assert d.chi_square(P, Q) == math.inf
    # 0 log 0 = 0, also where both are 0.
    assert float(d.kl([0.5, 0.5, 0.0, 0.0], [0.5, 0.25, 0.25, 0.0])) == pytest.approx(0.5 * math.log(2))
    assert float(d.entropy([1.0, 0.0])) == 0
    assert float(d.chi_square([0.5, 0.5, 0.0], [0.25, 0.75, 0.0])) == pytest.approx(1 / 3)
    apart = [1.0, 0.0], [0.0, 1.0]
    assert [float(of(*apart)) for of in (d.jensen_shannon, d.total_variation, d.hellinger)] == [math.log(2), 1, 1]
    for of in (d.kl, d.jensen_shannon, d.total_variation, d.hellinger, d.chi_square):
        assert float(of(P, P)) == 0


def test_a_divergence_is_never_negative_and_tables_come_in_batches() -> None:
    p, q = Dirichlet(torch.full((5,), 0.3, dtype=torch.float64)).sample((2, 1000))
    for of in (d.kl, d.jensen_shannon, d.total_variation, d.hellinger, d.chi_square):
        assert of(p, q).shape == (1000,)
        assert (of(p, q) >= 0).all()
    # Pinsker; H^2 <= TV <= sqrt(2) H; KL <= log(1 + chi^2).
    total = d.total_variation(p, q)
    assert (total <= (d.kl(p, q) / 2).sqrt() + 1e-12).all()
    assert (d.hellinger(p, q) ** 2 <= total + 1e-12).all()
    assert (total <= math.sqrt(2) * d.hellinger(p, q) + 1e-12).all()
    assert (d.kl(p, q) <= d.chi_square(p, q).log1p() + 1e-9).all()


def test_the_value_of_the_best_discriminator() -> None:
    # Counts, so that means over draws of logits are the expectations.
    p, q = torch.tensor([1, 5, 0, 4]), torch.tensor([3, 2, 5, 0])
    logits = p.double().log() - q.double().log()  # D* = p / (p + q)
    best = value(logits.repeat_interleave(p), logits.repeat_interleave(q))
    assert float(best) == pytest.approx(float(2 * d.jensen_shannon(p / 10, q / 10)) - math.log(4), abs=1e-6)
    worse = value(0.9 * logits.repeat_interleave(p).clamp(-9, 9), 0.9 * logits.repeat_interleave(q).clamp(-9, 9))
    assert worse < best


def test_what_one_variable_says_of_others() -> None:
    independent = exactly([0.2, 0.8])[:, None] * exactly([0.1, 0.3, 0.6])
    assert abs(float(d.mutual_information(independent))) < 1e-15
    joint = exactly([[0.3, 0.0, 0.1], [0.05, 0.35, 0.2]])
    by_entropies = d.entropy(joint.sum(1)) + d.entropy(joint.sum(0)) - d.entropy(joint.flatten())
    assert float(d.mutual_information(joint)) == pytest.approx(float(by_entropies))
    # Of XOR no pair says anything, and all three say a bit.
    xor = torch.zeros(2, 2, 2, dtype=torch.float64)
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        xor[a, b, a ^ b] = 0.25
    assert float(d.total_correlation(xor)) == pytest.approx(math.log(2))
    assert float(d.mutual_information(xor, first=2)) == pytest.approx(math.log(2))
    assert float(d.mutual_information(xor.sum(1))) == 0


# Gaussians


def test_kl_of_gaussians() -> None:
    one, two = normal(0.0, 1.0), normal(1.0, 2.0)
    assert float(d.kl(one, two)) == pytest.approx(math.log(2) - 1 / 4, abs=1e-14)
    assert float(d.kl(two, one)) == pytest.approx(1.3068528194, abs=1e-10)
    full = MultivariateNormal(exactly([0.0, 0.0]), exactly([[1, 0.5], [0.5, 1]]))
    diagonal = Independent(Normal(exactly([1.0, -1.0]), exactly([2.0, 1.0]).sqrt()), 1)
    as_full = MultivariateNormal(diagonal.mean, diagonal.variance.diag())
    for other in (diagonal, as_full):  # torch lacks the first
        assert float(d.kl(full, other)) == pytest.approx(0.9904146265, abs=1e-10)
        assert float(d.kl(other, full)) == pytest.approx(2.5095853735, abs=1e-10)


def by_quadrature(integrand: Callable[[Tensor], Tensor]) -> float:
    grid = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    return float(torch.trapezoid(integrand(grid), grid))


def test_gaussians_on_the_line_by_quadrature() -> None:
    p, q = normal(0.3, 1.0), normal(-0.5, 1.4)

    def of(law: Normal) -> Callable[[Tensor], Tensor]:
        return lambda z: law.log_prob(z).exp()

    f, g = of(p), of(q)
    assert float(d.hellinger(p, q)) ** 2 == pytest.approx(1 - by_quadrature(lambda z: (f(z) * g(z)).sqrt()), abs=1e-10)
    assert float(d.chi_square(p, q)) == pytest.approx(by_quadrature(lambda z: f(z) ** 2 / g(z)) - 1, abs=1e-10)
    assert float(d.entropy(p)) == pytest.approx(by_quadrature(lambda z: -f(z) * p.log_prob(z)), abs=1e-10)
    assert float(d.cross_entropy(p, q)) == pytest.approx(by_quadrature(lambda z: -f(z) * q.log_prob(z)), abs=1e-10)
    shifted = normal(1.7, 1.0)
    halves = by_quadrature(lambda z: (f(z) - of(shifted)(z)).abs()) / 2
    assert float(d.total_variation(p, shifted)) == pytest.approx(halves, abs=1e-8)


@pytest.mark.parametrize(("scale", "share"), [(2.0, 0.6614378278), (3.0, 0.4581228473), (0.8, 0.8267972847)])
def test_chi_square_is_the_variance_of_importance_weights(scale: float, share: float) -> None:
    assert float(1 / (1 + d.chi_square(normal(0.0, 1.0), normal(0.0, scale)))) == pytest.approx(share, abs=1e-10)


def test_chi_square_is_infinite_from_half_the_variance_on() -> None:
    for scale in (0.6, math.sqrt(0.5)):
        assert d.chi_square(normal(0.0, 1.0), normal(0.3, scale)) == math.inf
    assert d.chi_square(normal(0.0, 1.0), normal(0.3, 0.71)) < math.inf
    wide_in_one = MultivariateNormal(torch.zeros(2), torch.diag(torch.tensor([9.0, 0.4])))
    assert d.chi_square(MultivariateNormal(torch.zeros(2), torch.eye(2)), wide_in_one) == math.inf
    batch = d.chi_square(normal(0.0, 1.0), Normal(torch.zeros(2), torch.tensor([0.5, 2.0])))
    assert batch[0] == math.inf
    assert float(batch[1]) == pytest.approx(1 / 0.6614378278 - 1, abs=1e-6)


def test_correlated_gaussians_by_monte_carlo() -> None:
    p = correlated()
    q = MultivariateNormal(p.mean + 0.3, 1.3 * p.covariance_matrix + 0.1 * torch.eye(3))

    def ratio(z: Tensor) -> Tensor:
        return p.log_prob(z) - q.log_prob(z)

    for found, f, law in (
        (d.kl(p, q), ratio, p),
        (d.cross_entropy(p, q), lambda z: -q.log_prob(z), p),
        (1 - d.hellinger(p, q) ** 2, lambda z: (ratio(z) / 2).exp(), q),
        (1 + d.chi_square(p, q), ratio_of(ratio), p),
    ):
        estimate = expectation(f, law, 40_000)
        assert abs(found - estimate.value) < 4 * estimate.standard_error
    shifted = MultivariateNormal(p.mean + 0.7, p.covariance_matrix)
    estimate = expectation(lambda z: (1 - (shifted.log_prob(z) - p.log_prob(z)).exp()).clamp_min(0), p, 40_000)
    assert abs(d.total_variation(p, shifted) - estimate.value) < 4 * estimate.standard_error


def ratio_of(log_ratio: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: log_ratio(z).exp()


def test_information_in_gaussians() -> None:
    r = 0.8
    pair = MultivariateNormal(torch.zeros(2, dtype=torch.float64), exactly([[4, 2 * r], [2 * r, 1]]))
    assert float(d.mutual_information(pair)) == pytest.approx(-0.5 * math.log(1 - r**2))
    assert float(d.total_correlation(pair)) == pytest.approx(-0.5 * math.log(1 - r**2))
    law = correlated(4)
    parts = [
        MultivariateNormal(law.mean[part], law.covariance_matrix[part][:, part]) for part in (slice(0, 2), slice(2, 4))
    ]
    by_entropies = sum(d.entropy(part) for part in parts) - d.entropy(law)
    assert float(d.mutual_information(law, first=2)) == pytest.approx(float(by_entropies))
    scale = law.stddev
    R = law.covariance_matrix / scale / scale[:, None]
    assert float(d.total_correlation(law)) == pytest.approx(float(-R.logdet() / 2))


# What there is not


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: d.jensen_shannon(normal(0, 1), normal(1, 1)), "Jensen-Shannon divergence of Gaussians has no closed"),
        (lambda: d.total_variation(normal(0, 1), normal(0, 2)), "no closed form"),
        (lambda: d.hellinger(Gamma(1.0, 1.0), Gamma(2.0, 1.0)), "hellinger of Gamma"),
        (lambda: d.kl(Beta(1.0, 1.0), StudentT(3.0)), "kl of Beta"),
        (lambda: d.kl(normal(0, 1), [0.5, 0.5]), "one of each"),
        (lambda: d.kl([0.5, 0.4], [0.5, 0.5]), "p sums to 0.9, not 1: divide it by its sum"),
        (lambda: d.kl([0.5, 0.5], [1.5, -0.5]), "q has the entry -0.5"),
        (lambda: d.kl([0.5, 0.5], [0.2, 0.3, 0.5]), "p has 2 outcomes and q 3"),
        (lambda: d.entropy(1.0), "got a number"),
        (lambda: d.mutual_information([[0.5, 0.6]]), "joint sums to 1.1"),
        (lambda: d.mutual_information([[0.5, 0.5]], first=2), "from 1 to 1; got 2"),
        (lambda: d.mutual_information([0.5, 0.5]), "at least 2"),
    ],
)
def test_one_line_with_the_remedy(call: Callable, says: str) -> None:
    with pytest.raises(JensenError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_low_rank_and_batches() -> None:
    low = LowRankMultivariateNormal(torch.zeros(3), torch.ones(3, 1), torch.ones(3))
    full: Distribution = MultivariateNormal(torch.zeros(3), low.covariance_matrix)
    assert float(d.total_correlation(low)) == pytest.approx(float(d.total_correlation(full)), abs=1e-6)
