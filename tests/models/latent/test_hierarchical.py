"""Two layers of latents, against the linear-Gaussian chain whose evidence and posterior are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.evaluation import log_marginal_likelihood
from jensen.evaluation.bracket import annealed
from jensen.inference.annealed_importance import Annealing
from jensen.models.latent.hierarchical import ChainPosterior, ChainPrior, OnFirst, build
from jensen.models.latent.vae import VAE
from jensen.objectives import iwae_bound, log_weights
from jensen.objectives.elbo import elbo
from jensen.objectives.importance import doubly_reparameterised_bound

X, Z1, Z2 = 5, 3, 2


class Affine(nn.Module):
    """v -> N(W v + b, L L')."""

    def __init__(self, weight: Tensor, bias: Tensor, factor: Tensor) -> None:
        super().__init__()
        self.weight, self.bias, self.factor = (nn.Parameter(value) for value in (weight, bias, factor))

    def forward(self, v: Tensor) -> MultivariateNormal:
        return MultivariateNormal(v @ self.weight.T + self.bias, scale_tril=self.factor.tril())


def posterior_of(weight: Tensor, bias: Tensor, noise: Tensor, mean: Tensor, covariance: Tensor) -> Affine:
    """v ~ N(mean, covariance) given w ~ N(weight v + bias, noise), as a function of w (Bishop 2006, equation 2.116)."""
    precision = torch.linalg.inv(covariance) + weight.T @ torch.linalg.inv(noise) @ weight
    gain = torch.linalg.solve(precision, weight.T @ torch.linalg.inv(noise))
    offset = torch.linalg.solve(precision, torch.linalg.inv(covariance) @ mean)
    return Affine(gain, offset - gain @ bias, torch.linalg.cholesky(torch.linalg.inv(precision)))


def linear_gaussian(shift: float = 0.0) -> tuple[VAE, MultivariateNormal]:
    """p(z2) p(z1 | z2) p(x | z1) with its exact posterior, or one that is off by `shift`, and its exact p(x)."""
    generator = torch.Generator().manual_seed(3)
    a, w, c, b = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((Z1, Z2), (X, Z1), (Z1,), (X,))
    )
    eyes = {n: torch.eye(n, dtype=torch.float64) for n in (X, Z1, Z2)}
    above, below = 0.25 * eyes[Z1], 0.49 * eyes[X]
    marginal = a @ a.T + above  # of z1
    q_1 = posterior_of(w, b, below, c, marginal)
    q_2 = posterior_of(a, c, above, torch.zeros(Z2, dtype=torch.float64), eyes[Z2])
    q_1.bias.data += shift
    q_2.bias.data -= shift
    model = VAE(
        ChainPrior(
            lambda: MultivariateNormal(torch.zeros(Z2, dtype=torch.float64), eyes[Z2]), Affine(a, c, above.sqrt()), Z1
        ),
        ChainPosterior(q_1, q_2, Z2),
        OnFirst(Affine(w, b, below.sqrt()), Z1),
    )
    return model, MultivariateNormal(w @ c + b, w @ marginal @ w.T + below)


def test_the_exact_chain_gives_the_evidence_for_every_draw() -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((40,))
    expected = marginal.log_prob(x)
    torch.testing.assert_close(log_weights(model, x, 20), expected.expand(20, -1), atol=1e-9, rtol=0)
    for _ in range(3):
        terms = elbo(model, x)
        assert terms.kl_method == "monte carlo"
        torch.testing.assert_close(terms.elbo, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(log_marginal_likelihood(model, x, 10).value, expected, atol=1e-9, rtol=0)


def test_estimates_of_a_wrong_chain_are_within_their_errors_of_the_evidence() -> None:
    model, marginal = linear_gaussian(shift=0.15)
    x = marginal.sample((100,))
    exact = marginal.log_prob(x)
    assert (exact - elbo(model, x, num_samples=50).elbo).mean() > 0.02  # so that there is something to close
    importance = log_marginal_likelihood(model, x, 3000)
    short = annealed(model, x[:20], Annealing(num_distributions=30, num_chains=4))
    for found, truth in ((importance, exact), (short, exact[:20])):
        error = found.standard_error.square().sum().sqrt() / len(truth)
        assert abs((found.value - truth).mean()) < 4 * error
        assert error < 0.02


def test_both_gradients_of_the_bound_agree_for_every_layer() -> None:
    model, marginal = linear_gaussian(shift=0.3)
    x = marginal.sample((1,)).expand(500, -1)
    parameters = list(model.parameters())

    def gradients(bound) -> Tensor:  # of 60 independent means over the batch, (60, P)
        rows = [torch.autograd.grad(bound(model, x, 4).mean(), parameters) for _ in range(60)]
        return torch.stack([torch.cat([value.flatten() for value in row]) for row in rows])

    plain, doubly = gradients(iwae_bound), gradients(doubly_reparameterised_bound)
    error = ((plain.var(0) + doubly.var(0)) / 60).sqrt()
    free = error > 0  # the upper triangle of a factor is never read
    assert ((plain.mean(0) - doubly.mean(0)).abs() <= 5 * error).all()  # 5: the largest of some 60 of them
    for part in (model.posterior.bottom, model.posterior.above):
        own = torch.cat([torch.full((p.numel(),), any(p is q for q in part.parameters())) for p in parameters]) & free
        assert own.sum() > 10
        assert (doubly.var(0)[own].mean() < plain.var(0)[own].mean()).all(), "each layer of q has less noise"
        assert (plain.mean(0)[own].abs() > 5 * error[own]).any(), "and there is a gradient to compare"


def test_the_default_network_is_the_paper_s() -> None:
    model = build(Spec((1, 28, 28), "binary", levels=2))
    shapes = {
        "posterior.bottom": [(200, 784), (200, 200), (200, 200)],
        "posterior.above": [(100, 100), (100, 100), (100, 100)],
        "prior.below": [(100, 50), (100, 100), (200, 100)],
        "likelihood": [(200, 100), (200, 200), (784, 200)],
    }
    for part, expected in shapes.items():
        found = [tuple(p.shape) for p in model.get_submodule(part).parameters() if p.ndim == 2]
        assert found == expected
    assert model.prior().event_shape == model.posterior(torch.zeros(2, 1, 28, 28)).event_shape == (150,)


def test_real_values_and_their_start() -> None:
    spec = Spec((4,), "real")
    model = build(spec, latent_dims=(3, 1), hidden=(8,), upper_hidden=())
    x = 5 + 0.1 * torch.randn(200, 4)
    model.initialize(x)
    z = model.prior().sample((50,))
    assert isinstance(model.likelihood(z), Independent)
    assert isinstance(model.likelihood(z).base_dist, Normal)
    assert math.isclose(model.likelihood.likelihood.log_scale.exp().item(), 0.1, rel_tol=0.2)
    assert jensen.create("hierarchical", spec, latent_dims=(3, 1)).sample(2).shape == (2, 4)


def test_bad_sizes() -> None:
    with pytest.raises(JensenError, match="latent_dims must be at least 1"):
        build(Spec((4,), "real"), latent_dims=(3, 0))
