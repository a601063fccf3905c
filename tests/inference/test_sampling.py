"""Plain, inverse transform, rejection and importance sampling, against what is known exactly."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Cauchy,
    Distribution,
    Exponential,
    Gamma,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Uniform,
    Weibull,
)

import jensen
from jensen.errors import JensenError
from jensen.inference import (
    Estimate,
    best_proposal,
    best_proposal_on_grid,
    expectation,
    importance_estimate,
    importance_variance,
    inverse_transform_sample,
    numeric_quantile,
    pareto_k,
    quantile_function,
    rejection_sample,
)

STANDARD = Normal(torch.zeros((), dtype=torch.float64), 1.0)


def normal(loc: float, scale: float) -> Normal:
    return Normal(torch.tensor(loc, dtype=torch.float64), scale)


def identity(z: Tensor) -> Tensor:
    return z


# Plain


def test_the_mean_of_draws_has_its_error() -> None:
    estimate = expectation(lambda z: torch.stack([z, z**2, z**4], 1), STANDARD, 40_000)
    expected = torch.tensor([0.0, 1, 3], dtype=torch.float64)
    spread = torch.tensor([1, 2, 96], dtype=torch.float64).sqrt()
    assert ((estimate.value - expected).abs() < 4 * estimate.standard_error).all()
    torch.testing.assert_close(estimate.standard_error, spread / 200, rtol=0.1, atol=0)


def test_there_is_one_estimate() -> None:
    assert jensen.Estimate is Estimate


def test_a_sampler_may_be_a_function_and_the_density_is_not_multiplied_in_again() -> None:
    estimate = expectation(lambda z: z[:, 0] * z[:, 1], lambda n: torch.rand(n, 2), 10_000)
    assert abs(estimate.value - 1 / 4) < 4 * estimate.standard_error
    # What some notes print, the sum of f(z) p(z), is another number: here E p(z) = 1 / (2 sqrt(pi)) of f = 1.
    twice = expectation(lambda z: STANDARD.log_prob(z).exp(), STANDARD)
    assert abs(twice.value - 0.5 / math.sqrt(math.pi)) < 4 * twice.standard_error


# S2


@pytest.mark.parametrize(
    ("law", "u", "expected"),
    [
        (Exponential(torch.tensor(2.0, dtype=torch.float64)), 0.5, 0.3465735903),
        (Cauchy(torch.tensor(0.0, dtype=torch.float64), 1.0), 0.75, 1.0),
        (Weibull(torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)), 0.5, 0.8325546112),
    ],
)
def test_quantiles_at_a_fixed_u(law: Distribution, u: float, expected: float) -> None:
    at = torch.tensor([u], dtype=torch.float64)
    assert float(quantile_function(law)(at)) == pytest.approx(expected, abs=1e-10)
    assert float(numeric_quantile(law.cdf, *((0.0,) if float(law.support.check(at - 9)) == 0 else ()))(at)) == (
        pytest.approx(expected, abs=1e-9)
    )


def test_weibull_of_scale_two_is_not_weibull_of_shape_two() -> None:
    u = torch.tensor(0.5, dtype=torch.float64)
    assert float(quantile_function(lambda v: (-torch.log1p(-v)).sqrt())(u)) == pytest.approx(0.8325546112, abs=1e-10)


def kolmogorov(z: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """sqrt(N) times the largest difference of distribution functions: above 1.95 in one of a thousand."""
    sorted_cdf = cdf(z.sort().values)
    ranks = torch.arange(1, len(z) + 1) / len(z)
    return float(
        torch.maximum((sorted_cdf - ranks).abs(), (sorted_cdf - ranks + 1 / len(z)).abs()).max() * len(z) ** 0.5
    )


def test_draws_follow_the_law_with_and_without_a_quantile_function() -> None:
    gamma = Gamma(torch.tensor(2.5, dtype=torch.float64), torch.tensor(1.5, dtype=torch.float64))
    with pytest.raises(NotImplementedError):
        gamma.icdf(torch.tensor(0.5))
    assert kolmogorov(inverse_transform_sample(gamma, 5000), gamma.cdf) < 1.95
    mixture = MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor([0.3, 0.7])),
        Normal(torch.tensor([-3.0, 40.0], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)),
    )
    assert kolmogorov(inverse_transform_sample(mixture, 5000), mixture.cdf) < 1.95
    triangle = inverse_transform_sample(torch.sqrt, 5000)
    assert kolmogorov(triangle, torch.square) < 1.95
    assert inverse_transform_sample(Exponential(torch.ones(3)), 4).shape == (4, 3)


def test_a_jump_of_the_distribution_function_gets_its_share() -> None:
    def dice(z: Tensor) -> Tensor:
        return (z.floor() / 6).clamp(0, 1)

    drawn = inverse_transform_sample(numeric_quantile(dice), 6000)
    counts = torch.bincount(drawn.long(), minlength=7)[1:]
    assert (drawn == drawn.round()).all()
    assert float((counts - 1000.0).square().sum() / 1000) < 5 + 4 * math.sqrt(10)


# S1

DISC = Independent(Uniform(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 1.0])), 1)


@pytest.mark.parametrize(
    ("target", "proposal", "bound", "rate"),
    [
        (STANDARD, Laplace(STANDARD.loc, 1.0), math.sqrt(2 * math.e / math.pi), 0.7601734505),
        (STANDARD, Cauchy(STANDARD.loc, 1.0), math.sqrt(2 * math.pi / math.e), 0.6577446235),
        (Beta(2.7, 6.3), Uniform(0.0, 1.0), 2.6697440111, 0.3745677472),
        (Beta(2.0, 2.0), Uniform(0.0, 1.0), 1.5, 2 / 3),
        # Of density 1 on the disc, of which half lies in the box of area 2.
        (lambda z: torch.where(z.square().sum(1) <= 1, 0.0, -math.inf), DISC, 2, math.pi / 4),
    ],
)
def test_acceptance_is_one_over_the_bound(
    target: Distribution | Callable, proposal: Distribution, bound: float, rate: float
) -> None:
    found = rejection_sample(target, proposal, bound, 20_000)
    assert found.samples.shape == (20_000, *proposal.event_shape)
    value, error = found.acceptance_rate
    assert abs(value - rate) < 4 * error
    assert error == pytest.approx(math.sqrt(rate * (1 - rate) / found.num_proposed), rel=0.02)
    if isinstance(target, Beta):
        assert abs(found.samples.mean() - target.mean) < 4 * target.stddev / math.sqrt(20_000)
    elif target is STANDARD:
        assert kolmogorov(found.samples, STANDARD.cdf) < 1.95


def test_acceptance_falls_exponentially_with_the_dimension() -> None:
    def gaussian(dims: int, scale: float) -> Independent:
        return Independent(Normal(torch.zeros(dims, dtype=torch.float64), scale), 1)

    assert round(1.01**1000) == 20_959
    for dims in (100, 300):
        found = rejection_sample(gaussian(dims, 1.0), gaussian(dims, 1.01), 1.01**dims, 400)
        value, error = found.acceptance_rate
        assert abs(value - 1.01**-dims) < 4 * error
    with pytest.raises(JensenError, match="Markov chains"):
        rejection_sample(gaussian(1000, 1.0), gaussian(1000, 1.01), 1.01**1000, 100, max_proposals=2000)


def test_a_broken_bound_names_the_point() -> None:
    with pytest.raises(JensenError, match="bound is broken: at z = ") as caught:
        rejection_sample(Beta(2.7, 6.3), Uniform(0.0, 1.0), 2.6, 1000)
    assert "\n" not in str(caught.value)
    said = re.search(r"at z = ([\d.]+) p is .* everywhere, ([\d.]+) there", str(caught.value))
    assert said is not None
    z, needed = map(float, said.groups())
    assert float(Beta(2.7, 6.3).log_prob(torch.tensor(z)).exp()) == pytest.approx(needed, rel=1e-4)
    assert 2.6 < needed < 2.67
    pair = Independent(Normal(torch.zeros(2), 1.0), 1)
    with pytest.raises(JensenError, match=r"at z = \(-?[\d.]+, -?[\d.]+\)"):
        rejection_sample(pair, Independent(Normal(torch.zeros(2), 0.9), 1), 5, 100_000)


# S3


@pytest.mark.parametrize(("scale", "share"), [(2.0, 0.6614378278), (3.0, 0.4581228473), (0.8, 0.8267972847)])
@pytest.mark.parametrize("self_normalised", [False, True])
def test_importance_sampling_of_a_gaussian(scale: float, share: float, self_normalised: bool) -> None:
    num_samples = 40_000
    found = importance_estimate(
        lambda z: torch.stack([z**2, z], 1), STANDARD, normal(0.0, scale), num_samples, self_normalised
    )
    expected = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert ((found.value - expected).abs() < 4 * found.standard_error).all()
    # Of a proposal of scale .8, w^2 has no variance itself, and its mean comes in slowly.
    assert found.effective_sample_size / num_samples == pytest.approx(share, rel=0.02 if scale > 1 else 0.05)
    assert not found.infinite_variance
    assert found.warning is None
    if scale > 1:
        assert found.pareto_k < 0.3


def test_the_variance_of_a_tail_probability() -> None:
    truth = 3.167124e-5
    found = importance_estimate(lambda z: z > 4, STANDARD, normal(4.0, 1.0), 100_000)
    assert abs(found.value - truth) < 4 * found.standard_error
    assert float(found.variance.sqrt()) / truth == pytest.approx(2.12394, rel=0.02)
    assert float(found.standard_error) == pytest.approx(2.12394 * truth / math.sqrt(100_000), rel=0.02)
    assert math.sqrt((1 - truth) / truth) == pytest.approx(177.689, rel=1e-4), "plain"


@pytest.mark.parametrize("scale", [0.6, 0.7])
@pytest.mark.parametrize("self_normalised", [False, True])
def test_infinite_variance_is_called_so_where_a_closed_form_knows(scale: float, self_normalised: bool) -> None:
    with pytest.warns(RuntimeWarning, match="infinite variance"):
        found = importance_estimate(lambda z: z**2, STANDARD, normal(0.0, scale), 2000, self_normalised)
    assert found.infinite_variance


@pytest.mark.parametrize("self_normalised", [False, True])
def test_infinite_variance_is_seen_in_the_draws_too(self_normalised: bool) -> None:
    for law in (normal(0.0, 0.4), MultivariateNormal(torch.zeros(2), 0.16 * torch.eye(2))):
        target = type(law)(law.mean, 1.0) if isinstance(law, Normal) else MultivariateNormal(law.mean, torch.eye(2))
        with pytest.warns(RuntimeWarning, match="looks infinite: Pareto k"):
            found = importance_estimate(
                lambda z: z.square().flatten(1).sum(1) if z.ndim > 1 else z**2,
                lambda z, target=target: target.log_prob(z) + 5 * self_normalised,
                law,
                self_normalised=self_normalised,
            )
        assert found.infinite_variance


def test_a_tail_between_a_half_and_seven_tenths_is_doubted() -> None:
    # p(z) = .4 z^-.6 on (0, 1): weights with a Pareto tail, k = .6.
    uniform = Uniform(torch.zeros((), dtype=torch.float64), 1.0)
    with pytest.warns(RuntimeWarning, match="the variance may be infinite"):
        found = importance_estimate(torch.ones_like, lambda z: math.log(0.4) - 0.6 * z.log(), uniform, 200_000)
    assert not found.infinite_variance
    assert found.pareto_k == pytest.approx(0.6, abs=2 * 1.6 / math.sqrt(3 * math.sqrt(200_000)))


def test_no_tail_is_doubted_of_which_a_closed_form_knows_that_it_is_sound() -> None:
    found = importance_estimate(identity, STANDARD, normal(1.0, 1.0))
    assert found.warning is None
    assert not found.infinite_variance


def test_a_student_needs_a_wide_proposal() -> None:
    heavy = torch.distributions.StudentT(torch.tensor(3.0, dtype=torch.float64))
    with pytest.warns(RuntimeWarning, match="Pareto k"):
        importance_estimate(identity, heavy, STANDARD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importance_estimate(identity, STANDARD, heavy)


def test_few_effective_draws_are_told_of() -> None:
    with pytest.warns(RuntimeWarning, match=r"10000 draws are worth [\d.]+ \(effective sample size\)"):
        found = importance_estimate(lambda z: z > 3, STANDARD, STANDARD)
    assert abs(found.value - 0.00135) < 4 * found.standard_error
    with pytest.warns(RuntimeWarning, match="nor its error is to be believed"):
        importance_estimate(identity, STANDARD, normal(5.0, 1.0), 1000, self_normalised=True)


def test_weights_that_average_more_than_one_are_of_no_density() -> None:
    with pytest.warns(RuntimeWarning, match=r"the weights average 2\.[45].* pass self_normalised=True"):
        importance_estimate(lambda z: z**2, lambda z: -0.5 * z**2, normal(0.0, 2.0))
    right = importance_estimate(lambda z: z**2, lambda z: -0.5 * z**2, normal(0.0, 2.0), self_normalised=True)
    assert abs(right.value - 1) < 4 * right.standard_error


# Pareto k


@pytest.mark.parametrize("k", [0.1, 0.5, 1.0])
def test_the_shape_of_a_pareto_tail_is_found(k: float) -> None:
    uniform = torch.rand(100_000, dtype=torch.float64)
    count = 3 * math.sqrt(100_000)
    assert pareto_k((uniform**-k - 1) / k) == pytest.approx(k, abs=4 * (1 + k) / math.sqrt(count))
    assert pareto_k(uniform) == pytest.approx(-1, abs=0.1)


def test_the_shape_agrees_with_arviz() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from arviz.stats import psislw
    for power, num_samples in ((0.7, 1000), (0.3, 20_000), (-0.5, 500)):
        weights = torch.rand(num_samples, dtype=torch.float64) ** -power
        assert pareto_k(weights) == pytest.approx(float(psislw(weights.log().numpy())[1]), abs=1e-9)


def test_no_tail_and_no_draws_to_tell() -> None:
    assert pareto_k(torch.ones(1000)) == -math.inf
    rare = torch.zeros(1000)
    rare[:3] = torch.tensor([1.0, 2.0, 3.0])
    assert math.isnan(pareto_k(rare))


# S4


@pytest.mark.parametrize(
    ("num_samples", "bias"), [(1, -0.25), (10, -0.0202292824), (100, -0.0018891442), (1000, -0.0001876407)]
)
def test_the_bias_of_self_normalisation_by_enumeration(num_samples: int, bias: float) -> None:
    k = torch.arange(num_samples + 1, dtype=torch.float64)
    n = torch.tensor(float(num_samples), dtype=torch.float64)
    log_choose = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1) - n * math.log(2)
    estimate = 3 * k / (2 * k + num_samples)
    assert float((log_choose.exp() * estimate).sum()) - 0.75 == pytest.approx(bias, abs=1e-9)


def test_the_self_normalised_estimate_is_that_of_the_enumeration() -> None:
    fair = torch.distributions.Bernoulli(torch.tensor(0.5, dtype=torch.float64))
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)  # of P(1) = 3/4, times 2
    num_samples = 1000
    torch.manual_seed(3)
    heads = float(fair.sample((num_samples,)).sum())
    torch.manual_seed(3)
    found = importance_estimate(identity, lambda z: weights[z.long()].log(), fair, num_samples, self_normalised=True)
    assert float(found.value) == pytest.approx(3 * heads / (2 * heads + num_samples), abs=1e-12)
    # N MSE -> 9/64.
    assert float(found.variance) == pytest.approx(9 / 64, rel=0.1)


# The best proposal


def test_the_best_proposal_on_a_table() -> None:
    p = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    z = torch.tensor([-1.0, 0.5, 2.0, 3.0], dtype=torch.float64)
    squares, mean = z**2, (p * z**2).sum()
    q = best_proposal(squares, p)
    assert importance_variance(squares, p, q) < 1e-30
    assert importance_variance(squares, p, p) == pytest.approx(float((p * (squares - mean) ** 2).sum()))
    # Where f has two signs, q in proportion to |f| p is the best, and its variance is not 0.
    signed = best_proposal(z, p)
    least = (p * z.abs()).sum() ** 2 - (p * z).sum() ** 2
    assert importance_variance(z, p, signed) == pytest.approx(float(least))
    others = torch.distributions.Dirichlet(50 * signed).sample((200,))
    assert all(importance_variance(z, p, other) > least for other in others)
    assert importance_variance(z, p, [0.5, 0.5, 0, 0]) == math.inf


class SquareTimesNormal(Distribution):
    """q(z) = z^2 N(z; 0, 1): a chi of three degrees of freedom, with a sign."""

    def __init__(self) -> None:
        super().__init__(validate_args=False)

    def sample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:  # noqa: B008
        size = torch.randn(*sample_shape, 3, dtype=torch.float64).norm(dim=-1)
        return size * torch.randint(0, 2, size.shape).mul(2).sub(1)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.square().log() + STANDARD.log_prob(value)


def test_of_z_squared_the_best_proposal_has_no_variance() -> None:
    found = importance_estimate(lambda z: z**2, STANDARD, SquareTimesNormal(), 1000)
    assert float(found.value) == pytest.approx(1, abs=1e-12)
    assert float(found.variance) < 1e-24
    assert found.warning is None


def test_the_best_proposal_on_a_grid_nears_it_as_the_cells_shrink() -> None:
    errors = []
    for cells in (40, 120, 360):
        # In proportion to exp(z) N(z; 0, 1), which is N(z; 1, 1).
        q = best_proposal_on_grid(torch.exp, STANDARD, torch.linspace(-7, 9, cells + 1))
        assert abs(q.mean - 1) < 1e-6
        found = importance_estimate(torch.exp, STANDARD, q, 4000)
        assert abs(found.value - math.exp(0.5)) < 4 * found.standard_error
        assert found.warning is None
        errors.append(float(found.variance.sqrt()))
    assert errors[0] > 2.5 * errors[1] > 6 * errors[2]
    assert errors[2] < 0.05


# What is wrong with what was given


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: expectation(identity, STANDARD, 1), "at least 2 draws"),
        (lambda: expectation(lambda z: z.log(), STANDARD), "f is nan at z = -"),
        (lambda: expectation(lambda z: z.sum(), STANDARD), "a value or a row of values for each"),
        (lambda: importance_estimate(identity, lambda z: z * math.nan, STANDARD), "log-density is nan at z = "),
        (lambda: importance_estimate(identity, STANDARD, Normal(torch.zeros(3), 1.0)), "sum over the entries of z"),
        (lambda: importance_estimate(identity, Uniform(8.0, 9.0), STANDARD), "where the density is 0"),
        (lambda: importance_estimate(identity, lambda z: 1e3 - z**2, STANDARD), "overflow"),
        (lambda: rejection_sample(STANDARD, Laplace(0.0, 1.0), 0, 10), "bound above 0"),
        (lambda: rejection_sample(STANDARD, Laplace(0.0, 1.0), 2, 0), "at least 1"),
        (lambda: quantile_function(MultivariateNormal(torch.zeros(2), torch.eye(2))), "law on the line"),
        (lambda: quantile_function(Beta(2.0, 3.0)), "neither icdf nor cdf of Beta"),
        (lambda: inverse_transform_sample(numeric_quantile(lambda z: 0.25 * z.sigmoid()), 50), "never passes u"),
        (lambda: best_proposal([0.0, 0.0], [0.5, 0.5]), "0 everywhere"),
        (lambda: best_proposal_on_grid(identity, STANDARD, torch.tensor([1.0, 0.0])), "edges must rise"),
    ],
)
def test_one_line_with_the_remedy(call: Callable, says: str) -> None:
    with pytest.raises(JensenError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
