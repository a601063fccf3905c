"""Annealed importance sampling, held against models whose evidence is known."""

from __future__ import annotations

import math

import pytest
import torch
from tests.linear_gaussian import Posterior, linear_gaussian
from torch import nn
from torch.distributions import (
    AffineTransform,
    Independent,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
    Uniform,
)

import jensen
from jensen.data.spec import Spec
from jensen.distributions.mixture import DiagonalGaussianMixture
from jensen.errors import JensenError
from jensen.evaluation.bracket import CPU_ENTRIES, annealed, bracket, examples_at_once
from jensen.evaluation.likelihood import log_marginal_likelihood
from jensen.inference.annealed_importance import Annealing, Path, anneal, pilot
from jensen.models.latent.vae import VAE


class Constant(nn.Module):
    """A part that returns the same distribution whatever it is called with."""

    def __init__(self, distribution) -> None:
        super().__init__()
        self.distribution = distribution

    def forward(self, *_):
        return self.distribution


def test_the_annealed_estimate_is_the_evidence_that_a_wrong_proposal_misses() -> None:
    model, marginal = linear_gaussian(shift=0.8, widen=0.6)
    x = marginal.sample((100,))
    exact = marginal.log_prob(x)
    estimate = log_marginal_likelihood(model, x, 16, "annealed", Annealing(100, 4, 3, "posterior"))
    error = float(estimate.standard_error.square().sum().sqrt()) / len(x)
    assert error < 0.03
    assert abs(float((estimate.value - exact).mean())) < 3 * error
    poor = (exact - log_marginal_likelihood(model, x, num_samples=16).value).mean()
    assert poor > 1


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_weights_are_unbiased_in_both_directions(start) -> None:
    """E w = p(x) forwards and E 1/w = 1 / p(x) backwards, however short the path."""
    model, marginal = linear_gaussian(shift=0.3, widen=1.2)
    z = model.prior().sample((500,))
    x = model.likelihood(z).sample()
    exact = marginal.log_prob(x)
    path = Path(model, x, Annealing(20, 4, 3, start))
    schedule = pilot(path)
    forward, rates = anneal(path, schedule)
    backward, _ = anneal(path, schedule, backward_from=z.expand(4, 500, 2))
    for ratio in ((forward - exact).exp().mean(0), (exact - backward).exp().mean(0)):
        assert abs(float(ratio.mean()) - 1) < 3 * float(ratio.std()) / math.sqrt(500)
        assert float(ratio.std()) / math.sqrt(500) < 0.1
    assert rates.shape == (20,)


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_the_bracket_encloses_the_evidence(start) -> None:
    model, marginal = linear_gaussian(shift=0.4, widen=1.3)
    found = bracket(model, 300, Annealing(40, 4, 3, start))
    exact = marginal.log_prob(found.x)
    below, above = found.lower - exact, found.upper - exact
    assert below.mean() < 3 * below.std() / math.sqrt(300)
    assert above.mean() > -3 * above.std() / math.sqrt(300)
    gap, error = found.gap
    assert 0 < gap < 1
    assert error < 0.1
    assert 0.5 < found.acceptance < 0.8  # what the pilot run aims at is .65


def test_both_ends_meet_as_the_path_gets_longer() -> None:
    model, _ = linear_gaussian(shift=0.4, widen=1.3)
    gaps = [bracket(model, 200, Annealing(steps, 4, 3, "prior")).gap[0] for steps in (5, 40)]
    assert gaps[1] < 0.4 * gaps[0]


def test_the_exact_posterior_closes_the_bracket() -> None:
    model, _ = linear_gaussian()
    found = bracket(model, 50, Annealing(20, 2, 3, "posterior"))
    torch.testing.assert_close(found.lower, found.upper, atol=1e-8, rtol=0)


def test_a_mixture_prior_whose_posterior_has_two_modes() -> None:
    model, _ = linear_gaussian(scale=2.0)
    w, b = model.likelihood.weight, model.likelihood.bias
    loc = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)
    scale = torch.tensor([[0.5, 0.8], [0.7, 0.4]], dtype=torch.float64)
    model.prior = Constant(DiagonalGaussianMixture(torch.zeros(2, dtype=torch.float64), loc, scale))
    found = bracket(model, 200, Annealing(40, 4, 3, "prior"))
    noise = 4 * torch.eye(6, dtype=torch.float64)
    parts = [MultivariateNormal(w @ m + b, w @ s.square().diag() @ w.T + noise) for m, s in zip(loc, scale)]  # noqa: B905
    exact = torch.stack([part.log_prob(found.x) for part in parts]).logsumexp(0) - math.log(2)
    assert (found.lower - exact).mean() < 3 * (found.lower - exact).std() / math.sqrt(200)
    assert (found.upper - exact).mean() > -3 * (found.upper - exact).std() / math.sqrt(200)
    assert found.gap[0] < 1


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_a_flow_has_no_variance_and_needs_none(start) -> None:
    """An affine flow that does nothing leaves every draw and every density as they were."""
    model, marginal = linear_gaussian(shift=0.2, diagonal=True)
    x = marginal.sample((6,))
    identity = AffineTransform(0.0, 1.0, event_dim=1)
    flowing = VAE(
        Constant(TransformedDistribution(model.prior(), [identity])),
        Constant(TransformedDistribution(model.posterior(x), [identity])),
        model.likelihood,
    )
    values = []
    for one in (model, flowing):
        torch.manual_seed(3)
        values.append(annealed(one, x, Annealing(20, 2, 2, start)).value)
    torch.testing.assert_close(*values)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vae", {"latent_dim": 2, "prior": "vamp", "posterior": "flow", "num_components": 4}),
        ("vae", {"latent_dim": 2, "prior": "flow", "posterior": "full"}),
        ("vae", {"latent_dim": 2, "prior": "bernoulli", "posterior": "relaxed-bernoulli"}),
        ("hierarchical", {"latent_dims": (2, 1), "upper_hidden": (8,)}),
    ],
)
def test_whatever_prior_and_posterior_are(name: str, settings: dict) -> None:
    """Against the mean of p(x | z) over the prior, which at two dimensions is as good as exact."""
    spec = Spec((12,), "binary", levels=2)
    model = jensen.create(name, spec, hidden=(8,), **settings).eval()
    with torch.no_grad():
        for parameter in model.likelihood.parameters():
            parameter.mul_(3)  # so that x says something of z
        x = model.sample(10)
        exact = log_marginal_likelihood(model, x, 20_000, "prior")
        estimate = log_marginal_likelihood(model, x, 8, "annealed", Annealing(30, 8, 3))
    variance = exact.standard_error.square() + estimate.standard_error.square()
    assert abs(float((estimate.value - exact.value).sum())) < 3 * float(variance.sum().sqrt())
    assert estimate.standard_error.mean() < 0.2


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_a_prior_with_walls(start) -> None:
    """z ~ U(-1, 1), x ~ N(z, 1/2): log p(x) is a difference of two normal distribution functions."""
    one = torch.ones(1, dtype=torch.float64)
    likelihood = linear_gaussian(1, 1, 0.5)[0].likelihood
    likelihood.weight, likelihood.bias = one[:, None], 0 * one
    model = VAE(
        Constant(Independent(Uniform(-one, one, validate_args=False), 1, validate_args=False)),
        Posterior(likelihood, widen=1.3),
        likelihood,
    )
    x = torch.linspace(-1.2, 1.2, 200, dtype=torch.float64)[:, None]
    normal = Normal(x[:, 0], 0.5 * one)
    exact = (normal.cdf(one) - normal.cdf(-one)).log() - math.log(2)
    estimate = annealed(model, x, Annealing(30, 8, 3, start))
    error = float(estimate.standard_error.square().sum().sqrt()) / len(x)
    assert error < 0.03
    assert abs(float((estimate.value - exact).mean())) < 3 * error


def test_a_path_begins_at_its_start_and_ends_at_the_joint() -> None:
    model, marginal = linear_gaussian(shift=0.2)
    x = marginal.sample((5,))
    for start, first in (("prior", model.prior()), ("posterior", model.posterior(x))):
        path = Path(model, x, Annealing(10, start=start))
        z = torch.randn(3, 5, 2, dtype=torch.float64)
        point = path.evaluate(z)
        joint = model.likelihood(z).log_prob(x) + model.prior().log_prob(z)
        torch.testing.assert_close(point.at(0.25).log_density, 0.75 * first.log_prob(z) + 0.25 * joint)
        torch.testing.assert_close(point.log_ratio, joint - first.log_prob(z))
        z.requires_grad_()
        (gradient,) = torch.autograd.grad(
            (0.75 * first.log_prob(z) + 0.25 * model.likelihood(z).log_prob(x)).sum()
            + 0.25 * model.prior().log_prob(z).sum(),
            z,
        )
        torch.testing.assert_close(point.at(0.25).gradient, gradient)


def test_a_point_that_moved_is_what_would_be_computed_there() -> None:
    model, marginal = linear_gaussian(shift=0.2)
    path = Path(model, marginal.sample((50,)), Annealing(10))
    start = path.evaluate(path.sample_first(4))
    moved, rate = path.move(start, 0.5, torch.full((50, 2), 0.5, dtype=torch.float64))
    changed = (moved.position != start.position).all(-1)
    assert 0 < changed.sum() < changed.numel()
    assert rate.shape == (4, 50)
    for found, expected in zip(moved, path.evaluate(moved.position), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_the_pilots_schedule(start) -> None:
    model, marginal = linear_gaussian(shift=0.4, widen=1.3)
    annealing = Annealing(100, 4, 3, start)
    betas, step_sizes = pilot(Path(model, marginal.sample((30,)), annealing))
    assert betas[0] == 0
    assert betas[-1] == 1
    assert (betas.diff() > 0).all()
    assert step_sizes.shape == (100, 30, 2)
    if start == "prior":  # the narrower p(x | z) weighs, the less a small step in beta changes
        assert betas.diff()[0] < 0.2 * betas.diff()[-1]
        assert step_sizes[-1].mean() < step_sizes[0].mean()


def test_examples_are_annealed_in_equal_parts() -> None:
    annealing = Annealing(num_chains=4)
    assert examples_at_once(torch.zeros(3, 6), annealing) == 3
    assert examples_at_once(torch.zeros(5, CPU_ENTRIES), annealing) == 1
    assert examples_at_once(torch.zeros(100, 784), annealing) == 50


def test_settings_out_of_range() -> None:
    model, marginal = linear_gaussian()
    with pytest.raises(JensenError, match="num_chains"):
        Annealing(num_chains=0)
    with pytest.raises(JensenError, match="num_examples"):
        bracket(model, 1)
    x = marginal.sample((2,))
    with pytest.raises(JensenError, match="use method=annealed"):
        log_marginal_likelihood(model, x, method="prior", annealing=Annealing())
