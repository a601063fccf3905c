"""Hamiltonian Monte Carlo, held against what its integrator conserves and the law it must leave alone."""

from __future__ import annotations

import math
from functools import partial

import torch

from jensen.inference.mcmc import hmc


def standard_normal(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * z.square().sum(-1)


def test_the_leapfrog_conserves_its_shadow_energy() -> None:
    """On q^2 / 2 the leapfrog conserves p^2 / 2 + (1 - eps^2 / 4) q^2 / 2 exactly."""
    eps = 0.3
    q, p = torch.tensor([1.0], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    start = p.square() / 2 + (1 - eps**2 / 4) * q.square() / 2
    _, gradient = hmc.value_and_gradient(standard_normal, q)
    for _ in range(1000):
        p = p + 0.5 * eps * gradient
        q = q + eps * p
        _, gradient = hmc.value_and_gradient(standard_normal, q)
        p = p + 0.5 * eps * gradient
    assert abs(float(p.square() / 2 + (1 - eps**2 / 4) * q.square() / 2 - start)) < 1e-12
    torch.testing.assert_close(torch.cat([q, p]), torch.tensor([0.6748089524, 0.8845217001], dtype=torch.float64))


def test_a_correlated_gaussian_is_left_alone() -> None:
    covariance = torch.tensor([[1.0, 0.8], [0.8, 2.0]], dtype=torch.float64)
    target = torch.distributions.MultivariateNormal(torch.tensor([1.0, -1.0], dtype=torch.float64), covariance)
    chains = 20_000
    state = hmc.init(target.log_prob, target.sample((chains,)))
    rates = []
    for _ in range(5):
        state, info = hmc.step(partial(hmc.init, target.log_prob), state, torch.tensor([0.5, 0.7]), 5)
        rates.append(info.acceptance_rate.mean())
    assert 0.5 < torch.stack(rates).mean() < 0.999  # some proposals must fail, or the test says nothing of acceptance
    error = covariance.diagonal().sqrt() / math.sqrt(chains)
    assert ((state.position.mean(0) - target.mean).abs() < 4 * error).all()
    spread = state.position.T.cov()
    bound = (covariance.square() + covariance.diagonal().outer(covariance.diagonal())).sqrt() / math.sqrt(chains)
    assert ((spread - covariance).abs() < 4 * bound).all()
    value, gradient = hmc.value_and_gradient(target.log_prob, state.position)
    torch.testing.assert_close(state.log_density, value)
    torch.testing.assert_close(state.gradient, gradient)


def test_a_step_that_diverges_is_refused() -> None:
    state = hmc.init(standard_normal, torch.ones(50, 2))
    moved, info = hmc.step(partial(hmc.init, standard_normal), state, torch.tensor(100.0), 60)
    assert not info.accepted.any()
    assert torch.equal(moved.position, state.position)
    assert info.acceptance_rate.max() == 0


def test_a_flat_density_has_no_slope() -> None:
    flat = torch.distributions.Uniform(-1.0, 1.0, validate_args=False)
    value, gradient = hmc.value_and_gradient(lambda z: flat.log_prob(z).sum(-1), torch.tensor([[0.5], [2.0]]))
    torch.testing.assert_close(value, torch.tensor([-math.log(2), -math.inf]))
    assert torch.equal(gradient, torch.zeros(2, 1))
