"""The bounds, held against models whose evidence is known."""

from __future__ import annotations

import math

import pytest
import torch
from tests.linear_gaussian import gap, linear_gaussian
from torch.distributions import Independent, MultivariateNormal, Normal
from torch.distributions.kl import kl_divergence

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.evaluation.likelihood import bounds, log_marginal_likelihood
from jensen.models.base import Clock
from jensen.models.latent.vae import VAE
from jensen.objectives import ELBO, iwae_bound, log_weights
from jensen.objectives.elbo import elbo


def data(marginal: MultivariateNormal, n: int = 50) -> torch.Tensor:
    return marginal.sample((n,))


def test_exact_posterior_gives_the_evidence_for_every_draw() -> None:
    model, marginal = linear_gaussian()
    x = data(marginal)
    weights = log_weights(model, x, 20)
    assert weights.shape == (20, 50)
    torch.testing.assert_close(weights, marginal.log_prob(x).expand(20, -1), atol=1e-9, rtol=0)
    for _ in range(5):
        terms = elbo(model, x, kl="monte carlo")
        assert terms.kl_method == "monte carlo"
        torch.testing.assert_close(terms.elbo, marginal.log_prob(x), atol=1e-9, rtol=0)


def test_exact_posterior_in_single_precision() -> None:
    model, marginal = linear_gaussian(dtype=torch.float32)
    x = data(marginal)
    weights = log_weights(model, x.float(), 20)
    assert weights.dtype == torch.float32
    assert (weights - marginal.log_prob(x)).abs().max() < 1e-4
    terms = elbo(model, x.float(), kl="monte carlo")
    assert (terms.elbo - marginal.log_prob(x)).abs().max() < 1e-4


@pytest.mark.parametrize(("shift", "widen"), [(0.3, 1.0), (0.0, 1.5), (-0.2, 0.6)])
@pytest.mark.parametrize("kl", ["auto", "monte carlo"])
def test_a_wrong_posterior_falls_short_by_its_divergence(shift: float, widen: float, kl) -> None:
    model, marginal = linear_gaussian(shift=shift, widen=widen)
    exact_posterior = linear_gaussian()[0].posterior.covariance
    x = data(marginal, 4000)
    short = marginal.log_prob(x) - elbo(model, x, num_samples=16, kl=kl).elbo
    expected = gap(2, shift, widen, exact_posterior)
    error = short.std() / math.sqrt(len(x))
    assert abs(short.mean() - expected) < 3 * error
    assert error < 0.05 * max(expected, 0.2)  # so that the line above can fail


def test_the_diagonal_posterior_stops_at_its_known_divergence() -> None:
    model, marginal = linear_gaussian(diagonal=True)
    full = linear_gaussian()[0].posterior.covariance
    x = data(marginal, 4000)
    q = model.posterior(x[:1])
    p = MultivariateNormal(q.mean, full)
    expected = kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), p).item()
    short = marginal.log_prob(x) - elbo(model, x, num_samples=16).elbo
    assert abs(short.mean() - expected) < 3 * short.std() / math.sqrt(len(x))
    assert expected > 0.01


def test_the_closed_form_is_taken_where_there_is_one() -> None:
    model, marginal = linear_gaussian()
    assert elbo(model, data(marginal)).kl_method == "closed form"
    mixed = VAE(linear_gaussian(diagonal=True)[0].prior, model.posterior, model.likelihood)
    assert elbo(mixed, data(marginal)).kl_method == "monte carlo"


def test_importance_bounds_rise_to_the_evidence() -> None:
    model, marginal = linear_gaussian(shift=0.4, widen=1.3)
    x = data(marginal, 2000)
    exact = marginal.log_prob(x)
    short = {k: exact - iwae_bound(model, x, k) for k in (1, 4, 16, 64)}
    means = {k: (s.mean().item(), s.std().item() / math.sqrt(len(x))) for k, s in short.items()}
    one = exact - elbo(model, x, num_samples=64).elbo
    assert abs(means[1][0] - one.mean()) < 3 * math.hypot(means[1][1], one.std() / math.sqrt(len(x)))
    order = [means[k][0] for k in (1, 4, 16, 64)]
    assert order == sorted(order, reverse=True)
    assert all(mean > -3 * error for mean, error in means.values())
    assert order[-1] < 0.1 * order[0]


def test_the_estimate_is_within_its_own_error_of_the_evidence() -> None:
    model, marginal = linear_gaussian(shift=0.2, widen=1.2)
    x = data(marginal, 400)
    estimate = log_marginal_likelihood(model, x, num_samples=2000)
    z = (estimate.value - marginal.log_prob(x)) / estimate.standard_error
    # 400 standardised errors: their mean within 4 / sqrt(400), their spread that of a unit Gaussian within a quarter.
    assert abs(z.mean()) < 0.2 + 3 * estimate.standard_error.mean()
    assert 0.75 < z.std() < 1.25


def test_streamed_ladder_equals_its_definition() -> None:
    model, marginal = linear_gaussian(shift=0.3)
    x = data(marginal, 30)
    torch.manual_seed(5)
    found = bounds(model, x, 60, (1, 10, 60))
    torch.manual_seed(5)
    weights = log_weights(model, x, 60)
    torch.testing.assert_close(found.ladder[60].value, weights.logsumexp(0) - math.log(60))
    torch.testing.assert_close(
        found.ladder[10].value, (weights.unflatten(0, (6, 10)).logsumexp(1) - math.log(10)).mean(0)
    )
    torch.testing.assert_close(found.ladder[1].value, weights.mean(0))
    torch.testing.assert_close(found.elbo.value, found.reconstruction.value - found.kl.value)


def test_monte_carlo_errors_are_those_of_repetition() -> None:
    # Close to the posterior, where the weights have light tails and the delta method holds at 50 draws.
    model, marginal = linear_gaussian(shift=0.1, widen=1.1)
    x = data(marginal, 20)
    repeats = [bounds(model, x, 50, (1, 10, 50)) for _ in range(300)]
    for name in (1, 10, 50):
        values = torch.stack([found.ladder[name].value for found in repeats])
        said = torch.stack([found.ladder[name].variance for found in repeats]).mean(0)
        ratio = (values.var(0) / said).mean()
        assert 0.8 < ratio < 1.25, (name, ratio)  # 20 x 300 repeats: the ratio's own error is below .03


def test_beta_weighs_the_objective_and_leaves_the_bound() -> None:
    model, marginal = linear_gaussian()
    x = data(marginal)
    terms = elbo(model, x, beta=4.0)
    torch.testing.assert_close(terms.objective, terms.reconstruction - 4 * terms.kl)
    torch.testing.assert_close(terms.elbo, terms.reconstruction - terms.kl)


def test_condition_is_bound_by_given() -> None:
    def prior(y: torch.Tensor) -> Independent:
        return Independent(Normal(y[..., None].float().expand(*y.shape, 3), 1.0), 1)

    def posterior(x: torch.Tensor, y: torch.Tensor) -> Independent:
        return prior(y.expand(len(x)))

    def likelihood(z: torch.Tensor, y: torch.Tensor) -> Independent:
        return Independent(Normal(z.sum(-1, keepdim=True).expand(*z.shape[:-1], 4) + y[..., None], 1.0), 1)

    model = VAE(prior, posterior, likelihood)
    y = torch.tensor([0, 5, 9])
    bound = model.given(y)
    terms = elbo(bound, torch.randn(3, 4), num_samples=2)
    assert terms.elbo.shape == (3,)
    torch.testing.assert_close(terms.kl, torch.zeros(3))
    assert model.given(torch.tensor(2)).sample(7).shape == (7, 4)
    mean = bound.sample(4000).mean((0, 2))
    torch.testing.assert_close(mean, 4.0 * y, atol=0.3, rtol=0)


def test_bad_numbers_of_samples() -> None:
    model, marginal = linear_gaussian()
    x = data(marginal)
    for call in (lambda: log_weights(model, x, 0), lambda: log_marginal_likelihood(model, x, 0)):
        with pytest.raises(JensenError, match="at least 1"):
            call()


def test_warm_up_raises_the_weight_of_the_divergence_and_leaves_the_bound_that_is_logged() -> None:
    model, marginal = linear_gaussian(shift=0.3)
    model.free = torch.nn.Parameter(torch.zeros(()))
    x = data(marginal)
    for progress, weight in ((0.0, 0.0), (0.1, 1.0), (0.2, 2.0), (0.9, 2.0)):
        clock = Clock(torch.tensor(0), torch.tensor(progress))
        torch.manual_seed(1)
        (turn,) = ELBO(beta=2.0, kl_warmup=0.2).turns(model, Batch(x), clock)
        expected = turn.terms["reconstruction"] - weight * turn.terms["kl"]
        torch.testing.assert_close(turn.loss, -expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(turn.terms["elbo"], turn.terms["reconstruction"] - turn.terms["kl"])
    with pytest.raises(JensenError, match="kl_warmup"):
        ELBO(kl_warmup=1.0)
