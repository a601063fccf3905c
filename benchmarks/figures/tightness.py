"""log p(x; theta) against the ELBO under a fitted and a collapsed q, on a one-dimensional model with exact evidence.

    z ~ N(0, 1),   x | z ~ N(theta z, 1),   so that p(x; theta) = N(0, 1 + theta^2)

and the posterior is N(theta x / (1 + theta^2), 1 / (1 + theta^2)). With q(z | x) = N(a x, s^2)

    E_q log p(x | z) = log N(x; theta a x, 1) - theta^2 s^2 / 2,   KL = (a^2 x^2 + s^2 - 1) / 2 - log s.

The bound is tight where q is the posterior p(z | x), not where it is the prior: under q = p(z) it is greatest at
theta = 0, where z is not used, while the likelihood is greatest at theta^2 = E x^2 - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures.common import markdown
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECOND_MOMENT = 5.0  # E x^2 of the data, so that the best theta is 2
FITTED_AT = 1.0


@dataclass(frozen=True)
class Tightness:
    """Means over the data, nats, each over the grid `theta` (N,)."""

    theta: np.ndarray
    log_prob: np.ndarray
    fitted: np.ndarray  # q is the posterior at each theta
    once: np.ndarray  # q is the posterior at theta = 1, whatever theta is
    collapsed: np.ndarray  # q is the prior

    def best(self, curve: np.ndarray) -> float:
        """Where a curve is greatest."""
        return float(self.theta[curve.argmax()])


def log_prob(theta: np.ndarray, moment: float) -> np.ndarray:
    """The mean of log N(x; 0, 1 + theta^2) over data with that second moment."""
    variance = 1 + theta**2
    return -0.5 * (np.log(2 * math.pi * variance) + moment / variance)


def elbo(theta: np.ndarray, slope: np.ndarray | float, variance: np.ndarray | float, moment: float) -> np.ndarray:
    """The mean ELBO under q(z | x) = N(slope x, variance)."""
    reconstruction = -0.5 * (math.log(2 * math.pi) + (1 - theta * slope) ** 2 * moment + theta**2 * variance)
    return reconstruction - 0.5 * (slope**2 * moment + variance - 1 - np.log(variance))


def posterior(theta: np.ndarray | float) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Slope and variance of p(z | x; theta)."""
    return theta / (1 + theta**2), 1 / (1 + theta**2)


def compute(tiny: bool) -> Tightness:
    theta = np.linspace(0, 4, 81 if tiny else 401)
    return Tightness(
        theta,
        log_prob(theta, SECOND_MOMENT),
        elbo(theta, *posterior(theta), SECOND_MOMENT),
        elbo(theta, *posterior(FITTED_AT), SECOND_MOMENT),
        elbo(theta, 0.0, 1.0, SECOND_MOMENT),
    )


def table(found: Tightness) -> str:
    curves = {
        "log p(x)": found.log_prob,
        "ELBO, q fitted at each theta": found.fitted,
        f"ELBO, q fitted at theta = {FITTED_AT:g}": found.once,
        "ELBO, q = p(z), collapsed": found.collapsed,
    }
    at = [int(np.abs(found.theta - value).argmin()) for value in (0.0, 1.0, 2.0, 3.0)]
    rows = [
        (
            name,
            *(f"{curve[i]:.4f}" for i in at),
            f"{found.best(curve):.2f}",
            f"{abs((found.log_prob - curve).min()):.4f}",
        )
        for name, curve in curves.items()
    ]
    columns = (*(f"theta = {found.theta[i]:g}" for i in at), "greatest at theta =", "least gap")
    return markdown(("nats", *columns), rows)


def draw(found: Tightness) -> Figure:
    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    axes.plot(found.theta, found.log_prob, color=INK, linewidth=2.4, label="log p(x; θ)")
    axes.plot(
        found.theta, found.fitted, color=FIRST, linewidth=1.6, linestyle=(0, (4, 3)), label="ELBO, q fitted at each θ"
    )
    axes.plot(found.theta, found.once, color=FIRST, linewidth=1.4, label=f"ELBO, q fitted at θ = {FITTED_AT:g}")
    axes.plot(found.theta, found.collapsed, color=SECOND, linewidth=1.4, label="ELBO, q = p(z): collapsed")
    for curve, color in ((found.log_prob, INK), (found.once, FIRST), (found.collapsed, SECOND)):
        axes.plot(found.best(curve), curve.max(), "o", color=color, markersize=6)
    axes.axvline(FITTED_AT, color=NEUTRAL, linewidth=0.8, linestyle=":")
    axes.set_ylim(found.log_prob.min() - 2.2, found.log_prob.max() + 0.25)
    axes.set_xlim(0, found.theta[-1])
    axes.set_xlabel("θ, how strongly x depends on z", fontsize=9, color=INK)
    axes.set_ylabel("nats, mean over the data", fontsize=9, color=INK)
    axes.legend(loc="lower left", frameon=False, fontsize=8.5)
    tidy(axes)
    return figure
