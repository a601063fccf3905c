"""Eight schools: the posterior by quadrature, HMC held to it, and the centred form, which must fail visibly."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks import schools

from jensen.inference import hmc, sample_chains

EXACT = schools.posterior()


def test_the_quadrature_is_exact_to_six_digits() -> None:
    coarse = schools.posterior(500)
    np.testing.assert_allclose(coarse.mean, EXACT.mean, rtol=1e-9)
    np.testing.assert_allclose(coarse.sd, EXACT.sd, rtol=1e-9)
    # posteriordb's reference draws, 10 chains of 1,000: mu, tau, theta_1 and theta_7, within their standard errors.
    published = np.array([[4.4105, 3.3093], [3.6021, 3.1985], [6.1505, 5.6159], [6.3172, 5.0029]])
    chosen = [0, 2, 3, 9]
    assert (np.abs(published[:, 0] - EXACT.mean[chosen]) < 4 * published[:, 1] / 100).all()
    np.testing.assert_allclose(published[:, 1], EXACT.sd[chosen], rtol=0.03)


def test_the_quadrature_agrees_with_one_over_both_mu_and_tau() -> None:
    """p(mu, log tau, y) from the densities that HMC sees, theta integrated out by its own Gaussian formula."""
    mu, log_tau = np.meshgrid(np.linspace(-30, 40, 351), np.linspace(-20, 6, 521), indexing="ij")
    log_density = schools.log_prior(torch.from_numpy(mu), torch.from_numpy(log_tau)).numpy()
    for y, error in zip(schools.EFFECTS, schools.ERRORS, strict=True):
        variance = error**2 + np.exp(2 * log_tau)
        log_density -= 0.5 * (np.log(variance) + (y - mu) ** 2 / variance)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    for i, values in enumerate((mu, log_tau, np.exp(log_tau))):
        mean = (weights * values).sum()
        np.testing.assert_allclose(mean, EXACT.mean[i], rtol=1e-6)
        np.testing.assert_allclose(np.sqrt((weights * (values - mean) ** 2).sum()), EXACT.sd[i], rtol=1e-6)


def test_the_two_forms_are_one_model() -> None:
    z = torch.randn(50, 10, dtype=torch.float64)
    theta = schools.variables(z)["theta"]
    moved = torch.cat([z[:, :2], theta], 1)
    difference = schools.non_centred(z) - schools.centred(moved) - 8 * z[:, 1]  # theta = mu + tau eta stretches by tau
    assert float(difference.std()) < 1e-12


def test_hmc_finds_the_posterior_without_a_divergence_worth_the_name() -> None:
    torch.manual_seed(0)
    chains = sample_chains(hmc(schools.non_centred), torch.randn(64, 10), num_draws=150, num_warmup=150)
    found = chains.summary(schools.variables)
    assert (found["r_hat"] < 1.02).all()
    assert (found["ess_bulk"] > 2000).all()
    assert (np.abs(found["mean"] - EXACT.mean) < 4 * found["mcse_mean"]).all()
    # Of independent draws sd's relative error is at most sqrt((kurtosis - 1) / 4 ESS); tau's kurtosis is near 20.
    np.testing.assert_allclose(found["sd"], EXACT.sd, rtol=4 * (19 / (4 * 2000)) ** 0.5)
    assert chains.num_divergent < 0.005 * chains.divergent.numel()


def test_a_chain_that_starts_where_steps_must_be_small_gets_away() -> None:
    """Where tau is large eta is narrow; the mean acceptance of the other chains would never let the first one move."""
    torch.manual_seed(0)
    start = torch.randn(64, 10)
    start[0] = torch.tensor([-0.8, 3.4, -0.7, 0.2, 1.0, -2.1, -1.8, -0.6, -1.2, -0.9])
    chains = sample_chains(hmc(schools.non_centred), start, num_draws=20, num_warmup=120)
    assert float(chains.acceptance_rate[0].mean()) > 0.3
    assert not torch.equal(chains.last[0], start[0])  # type: ignore[index]


def test_the_centred_form_shows_that_it_fails() -> None:
    torch.manual_seed(0)
    chains = sample_chains(hmc(schools.centred), torch.randn(64, 10), num_draws=100, num_warmup=150)
    assert chains.num_divergent > 0.03 * chains.divergent.numel()
    found = chains.summary(lambda z: schools.variables(z, is_centred=True))
    assert found.loc["log_tau", "ess_bulk"] < 0.05 * chains.divergent.numel()
    assert found.loc["log_tau", "r_hat"] > 1.1
