"""Eight schools (Rubin 1981; Gelman et al., Bayesian Data Analysis, section 5.5): the model twice, and its posterior.

    mu ~ N(0, 5^2),   tau ~ HalfCauchy(5),   theta_j ~ N(mu, tau^2),   y_j ~ N(theta_j, sigma_j^2),   j = 1 .. 8.

Centred, z = (mu, log tau, theta): where tau is small theta has no room, a funnel that no one step size fits.
Non-centred, z = (mu, log tau, eta), theta = mu + tau eta. Given tau everything else is Gaussian, so
that the posterior's means and standard deviations are integrals over tau alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)  # y_j
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)  # sigma_j
DIMS = 10
_Y, _SIGMA = torch.tensor(EFFECTS), torch.tensor(ERRORS)


def log_prior(mu: Tensor, log_tau: Tensor) -> Tensor:
    """Of (mu, log tau), up to a constant: the Jacobian of tau = exp(log tau) is in it."""
    return log_tau - (mu / 5).square() / 2 - ((log_tau - math.log(5)) * 2).exp().log1p()


def non_centred(z: Tensor) -> Tensor:
    """log p(z, y) for z = (mu, log tau, eta_1 .. eta_8) (*chains, 10), up to a constant."""
    mu, log_tau, eta = z[..., 0], z[..., 1], z[..., 2:]
    theta = mu[..., None] + log_tau.exp()[..., None] * eta
    return log_prior(mu, log_tau) - 0.5 * (eta.square() + ((_Y - theta) / _SIGMA).square()).sum(-1)


def centred(z: Tensor) -> Tensor:
    """log p(z, y) for z = (mu, log tau, theta_1 .. theta_8) (*chains, 10), up to a constant."""
    mu, log_tau, theta = z[..., 0], z[..., 1], z[..., 2:]
    eta = (theta - mu[..., None]) * (-log_tau).exp()[..., None]
    fit = ((_Y - theta) / _SIGMA).square()
    return log_prior(mu, log_tau) - 8 * log_tau - 0.5 * (eta.square() + fit).sum(-1)


def variables(z: Tensor, is_centred: bool = False) -> dict[str, Tensor]:
    """What the coordinates stand for: mu, log_tau, tau, and theta (..., 8)."""
    mu, log_tau = z[..., 0], z[..., 1]
    tau = log_tau.exp()
    theta = z[..., 2:] if is_centred else mu[..., None] + tau[..., None] * z[..., 2:]
    return {"mu": mu, "log_tau": log_tau, "tau": tau, "theta": theta}


class Posterior(NamedTuple):
    """Means and standard deviations of (mu, log tau, tau, theta_1 .. theta_8), (11,) each; the density of log tau."""

    mean: np.ndarray
    sd: np.ndarray
    log_tau: np.ndarray
    density: np.ndarray


def posterior(points: int = 2000) -> Posterior:
    """By the trapezoidal rule in log tau, whose error falls faster than any power of the spacing.

    Given tau, mu has precision 1 / 25 + sum_j w_j, w_j = 1 / (sigma_j^2 + tau^2), and p(y | tau) is Gaussian with
    covariance diag(1 / w) + 25; theta_j given mu and tau is the usual mean of y_j and mu by their precisions.
    """
    y, variance = np.array(EFFECTS), np.array(ERRORS) ** 2
    log_tau = np.linspace(-30, 12, points)[:, None]
    tau2 = np.exp(2 * log_tau)
    w = 1 / (variance + tau2)
    precision = 1 / 25 + w.sum(1)
    mu = (w * y).sum(1) / precision
    # log p(y | tau) with mu integrated out, and the prior of log tau.
    log_density = 0.5 * np.log(w).sum(1) - 0.5 * np.log(precision) - 0.5 * (w * y**2).sum(1) + 0.5 * mu**2 * precision
    log_density += log_tau[:, 0] - np.log1p(tau2[:, 0] / 25)
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    shrink = variance * w  # theta_j = shrink mu + (1 - shrink) y + noise of variance shrink tau^2
    theta = shrink * mu[:, None] + (1 - shrink) * y
    theta_variance = shrink**2 / precision[:, None] + shrink * tau2
    one = np.ones_like(mu)
    means = np.column_stack([mu, log_tau[:, 0], np.sqrt(tau2[:, 0]), theta])
    variances = np.column_stack([1 / precision, 0 * one, 0 * one, theta_variance])
    mean = weights @ means
    sd = np.sqrt(weights @ (variances + means**2) - mean**2)
    return Posterior(mean, sd, log_tau[:, 0], weights / (log_tau[1, 0] - log_tau[0, 0]))


def names() -> list[str]:
    return ["mu", "log tau", "tau", *(f"theta {j}" for j in range(1, 9))]


if __name__ == "__main__":
    found = posterior()
    for name, mean, sd in zip(names(), found.mean, found.sd, strict=True):
        print(f"{name:8} {mean:10.6f} {sd:10.6f}")
