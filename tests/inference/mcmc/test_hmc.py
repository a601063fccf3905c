"""Hamiltonian Monte Carlo, held against what its integrator conserves and the law it must leave alone."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from jensen.inference.mcmc import hmc


def standard_normal(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * z.square().sum(-1)


def test_the_leapfrog_conserves_its_shadow_energy() -> None:
    """On q^2 / 2 the leapfrog conserves p^2 / 2 + (1 - eps^2 / 4) q^2 / 2 exactly, and misses H by a known margin."""
    eps = 0.3
    evaluate = partial(hmc.init, standard_normal)
    state, p = evaluate(torch.tensor([1.0], dtype=torch.float64)), torch.tensor([0.5], dtype=torch.float64)

    def shadow() -> float:
        return float(p.square() / 2 + (1 - eps**2 / 4) * state.position.square() / 2)

    def energy() -> float:
        return float(p.square() / 2 + state.position.square() / 2)

    first, first_energy = shadow(), energy()
    error = shadow_error = 0.0
    for _ in range(1000):
        state, p = hmc.leapfrog(evaluate, state, p, torch.tensor(eps, dtype=torch.float64), 1)
        shadow_error = max(shadow_error, abs(shadow() - first))
        error = max(error, abs(energy() - first_energy))
    assert shadow_error < 1e-14
    assert error == pytest.approx(0.01125, abs=1e-6)
    end = torch.tensor([0.6748089524, 0.8845217001], dtype=torch.float64)
    torch.testing.assert_close(torch.cat([state.position, p]), end, atol=1e-10, rtol=0)


def test_a_trajectory_is_a_volume_preserving_map_that_can_be_run_backwards() -> None:
    """On q^2 / 2 it is linear in (q, p), with determinant 1; on any density, with -p, it goes back."""
    eps, evaluate = torch.tensor(0.3, dtype=torch.float64), partial(hmc.init, standard_normal)
    ends = []
    for q, p in torch.eye(2, dtype=torch.float64):
        state, momentum = hmc.leapfrog(evaluate, evaluate(q[None]), p[None], eps, 7)
        ends.append(torch.cat([state.position, momentum]))
    assert abs(float(torch.linalg.det(torch.stack(ends))) - 1) < 1e-14

    torch.manual_seed(0)
    evaluate = partial(hmc.init, lambda z: -z.square().sum(-1).square() + z.sin().sum(-1))
    start, p = evaluate(torch.randn(5, 3, dtype=torch.float64)), torch.randn(5, 3, dtype=torch.float64)
    there, momentum = hmc.leapfrog(evaluate, start, p, 0.1 * eps, 20)
    back, momentum = hmc.leapfrog(evaluate, there, -momentum, 0.1 * eps, 20)
    assert float((there.position - start.position).abs().min()) > 0.01
    torch.testing.assert_close(back.position, start.position)
    torch.testing.assert_close(-momentum, p)


@pytest.mark.parametrize(("eps", "stable"), [(1.99, True), (2.0, False), (2.01, False)])
def test_the_leapfrog_is_unstable_from_a_step_of_2_on(eps: float, stable: bool) -> None:
    evaluate = partial(hmc.init, standard_normal)
    state, p = evaluate(torch.tensor([1.0], dtype=torch.float64)), torch.tensor([0.5], dtype=torch.float64)
    state, p = hmc.leapfrog(evaluate, state, p, torch.tensor(eps, dtype=torch.float64), 2000)
    assert (float(state.position.square() + p.square()) < 1000) == stable


def test_a_correlated_gaussian_is_left_alone() -> None:
    covariance = torch.tensor([[1.0, 0.8], [0.8, 2.0]], dtype=torch.float64)
    target = torch.distributions.MultivariateNormal(torch.tensor([1.0, -1.0], dtype=torch.float64), covariance)
    chains = 20_000
    state = hmc.init(target.log_prob, target.sample((chains,)))
    rates = []
    for _ in range(5):
        state, info = hmc.step(partial(hmc.init, target.log_prob), state, torch.tensor([0.5, 0.7]), 5)
        rates.append(info.acceptance_rate.mean())
        assert info.divergent is not None
        assert not info.divergent.any()
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
    assert info.divergent is not None
    assert info.divergent.all()


def test_a_flat_density_has_no_slope() -> None:
    flat = torch.distributions.Uniform(-1.0, 1.0, validate_args=False)
    value, gradient = hmc.value_and_gradient(lambda z: flat.log_prob(z).sum(-1), torch.tensor([[0.5], [2.0]]))
    torch.testing.assert_close(value, torch.tensor([-math.log(2), -math.inf]))
    assert torch.equal(gradient, torch.zeros(2, 1))
    scale = torch.ones((), requires_grad=True)
    value, gradient = hmc.value_and_gradient(lambda z: scale * torch.ones(len(z)), torch.ones(2, 1))
    assert not value.requires_grad
    assert torch.equal(gradient, torch.zeros(2, 1))
