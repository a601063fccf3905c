from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.mixture.bayesian import build
from jensen.models.mixture.gibbs import GibbsGaussianMixture, Prior, init, step

PRIOR = Prior(alpha0=0.7, beta0=0.5, w0=0.4, nu0=2.5)


def log_evidence(x: np.ndarray, prior: Prior) -> float:
    """log ∫ N(x; μ, Λ^-1) of all rows under the Normal-Wishart prior, in closed form."""
    n, dims = x.shape

    def log_normaliser(beta: float, nu: float, inverse_scale: np.ndarray) -> float:
        log_det = np.linalg.slogdet(inverse_scale)[1]
        of_wishart = nu * dims / 2 * math.log(2) - nu / 2 * log_det + special.multigammaln(nu / 2, dims)
        return of_wishart - dims / 2 * math.log(beta)

    beta, nu = prior.beta0 + n, prior.nu0 + n
    mean = x.sum(0) / beta
    before = np.eye(dims) / prior.w0
    after = before + x.T @ x - beta * np.outer(mean, mean)
    ratio = log_normaliser(beta, nu, after) - log_normaliser(prior.beta0, prior.nu0, before)
    return ratio - n * dims / 2 * math.log(2 * math.pi)


def enumerated(x: np.ndarray, prior: Prior, components: int) -> tuple[np.ndarray, np.ndarray]:
    """All allocations (A, N), and p(z | x) of each (A,): Dirichlet-multinomial times the evidence of each component."""
    every = np.array(list(itertools.product(range(components), repeat=len(x))))
    log_joint = np.array(
        [
            sum(
                special.gammaln(prior.alpha0 + (z == k).sum())
                + (log_evidence(x[z == k], prior) if (z == k).any() else 0.0)
                for k in range(components)
            )
            for z in every
        ]
    )
    return every, special.softmax(log_joint)


@pytest.mark.parametrize(("rows", "dims", "components"), [(6, 1, 2), (5, 2, 3)])
def test_pairs_share_a_component_as_often_as_the_enumeration_says(rows: int, dims: int, components: int) -> None:
    x = torch.randn(rows, dims, dtype=torch.float64) + torch.tensor([[1.5], [-1.5]]).repeat(rows, 1)[:rows]
    every, exact = enumerated(x.numpy(), PRIOR, components)
    pairs = list(itertools.combinations(range(rows), 2))
    expected = torch.tensor(np.stack([every[:, i] == every[:, j] for i, j in pairs], 1).T @ exact)
    chains = 400
    state = init(PRIOR, x, torch.randint(components, (chains, rows)), components)
    shared, weights = torch.zeros(chains, len(pairs)).double(), torch.zeros(chains, components).double()
    for sweep in range(350):
        state = step(PRIOR, x, state)
        if sweep >= 50:
            z = state.components
            shared += torch.stack([z[:, i] == z[:, j] for i, j in pairs], 1).double() / 300
            weights += state.weights / 300
    # The chains are independent. 4.5 standard errors for the largest of 15.
    error = shared.std(0) / chains**0.5
    assert ((shared.mean(0) - expected).abs() < 4.5 * error).all()
    assert error.max() < 0.01, "so that the line above can fail"
    # Every order of the components is as likely: no chain's mean of a weight tells them apart.
    assert ((weights.mean(0) - 1 / components).abs() < 4.5 * weights.std(0) / chains**0.5).all()


def test_parameters_have_the_moments_of_their_normal_wishart() -> None:
    x = torch.randn(8, 2, dtype=torch.float64) @ torch.tensor([[1.0, 0.8], [0.0, 0.5]]).double() + 1
    chains, n = 20_000, len(x)
    state = init(PRIOR, x, torch.zeros(chains, n, dtype=torch.int64), 1)
    beta, nu = PRIOR.beta0 + n, PRIOR.nu0 + n
    mean = x.sum(0) / beta
    inverse_scale = torch.eye(2).double() / PRIOR.w0 + x.T @ x - beta * torch.outer(mean, mean)
    precision = torch.cholesky_inverse(state.scale_trils[:, 0])
    for draws, expected in (
        (precision, nu * inverse_scale.inverse()),
        (precision.inverse(), inverse_scale / (nu - 3)),  # E Λ^-1 = W^-1 / (ν - D - 1)
        (state.means[:, 0], mean),
        ((state.means[:, 0] - mean)[:, :, None] * (state.means[:, 0] - mean)[:, None], inverse_scale / (nu - 3) / beta),
    ):
        error = draws.std(0) / chains**0.5
        assert ((draws.mean(0) - expected).abs() < 4.5 * error).all()


def test_with_one_component_the_predictive_is_the_students_t_of_mean_field() -> None:
    x = torch.randn(30, 2, dtype=torch.float64) + 1
    exact = build(Spec((2,), "real"), num_components=1)
    exact.m_step(x, torch.zeros(30, 1).double())
    model = build(Spec((2,), "real"), num_components=1, inference="gibbs", num_draws=2000)
    assert isinstance(model, GibbsGaussianMixture)
    model.fit_to(x, x[:0])
    points = torch.tensor([[1.0, 1.0], [3.0, 0.0], [-1.0, 4.0]], dtype=torch.float64)
    each = torch.distributions.MultivariateNormal(model.means, scale_tril=model.scale_trils).log_prob(
        points[:, None, None]
    )
    each = each.squeeze(2).T.exp()
    error = each.std(0) / 2000**0.5  # the draws are independent where there is one component
    torch.testing.assert_close(each.mean(0).log(), model.log_prob(points), rtol=0, atol=1e-10)
    assert ((each.mean(0) - exact.log_prob(points).exp()).abs() < 4 * error).all()


def test_samples_are_from_the_density() -> None:
    x = torch.cat([torch.randn(40, 1) - 2, 0.5 * torch.randn(20, 1) + 2])
    model = build(Spec((1,), "real"), num_components=2, inference="gibbs", num_draws=40)
    model.fit_to(x, x[:0])
    grid = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    density = model.log_prob(grid[:, None]).exp() * (grid[1] - grid[0])
    assert density.sum().item() == pytest.approx(1, abs=1e-3)
    draws = model.sample(20_000)
    for end in (-2.0, 0.0, 2.0):
        expected = density[grid <= end].sum().item()
        error = math.sqrt(expected * (1 - expected) / len(draws))
        assert abs((draws <= end).double().mean().item() - expected) < 4 * error + 1e-3


def test_on_old_faithful_it_predicts_as_mean_field_does(jensen_data: Path) -> None:
    split = jensen.data.load(str(jensen_data / "tabular" / "faithful.csv"), standardize=True, validation=0, test=0.3)
    found = {}
    for inference in ("gibbs", "mean-field"):
        settings = {"num_components": 2, "alpha0": 1.0, "inference": inference}
        model = jensen.create("bayesian-gaussian-mixture", split.spec, **settings, num_draws=200)
        jensen.fit(model, split, steps=200, progress=False)
        found[inference] = jensen.evaluate(model, split.test)
    first, second = found["gibbs"], found["mean-field"]
    assert first.measure == second.measure
    assert first["log_prob"].kind == "exact"
    assert "evidence" in second
    assert "evidence" not in first
    assert abs(first["log_prob"].value - second["log_prob"].value) < 0.03


def test_bad_input() -> None:
    with pytest.raises(JensenError, match="num_draws must be a multiple of 4, the number of chains; got 10"):
        build(Spec((2,), "real"), inference="gibbs", num_draws=10)
    model = build(Spec((2,), "real"), num_components=3, inference="gibbs", num_draws=4)
    with pytest.raises(JensenError, match="got NaN: fill them in"):
        model.fit_to(torch.full((5, 2), torch.nan), torch.zeros(0, 2))
    with pytest.raises(JensenError, match="3 components needs as many distinct rows, got 2"):
        model.fit_to(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.zeros(0, 2))
