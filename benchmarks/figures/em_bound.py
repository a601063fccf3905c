"""EM climbs a bound: each E-step makes it touch log p(x; theta), each M-step goes to where it is greatest.

    x ~ N(0, 1) / 2 + N(theta, 1) / 2,   one unknown mean theta, 60 draws at theta = 3

With r_n the chance that x_n is of the second component at theta_0, the bound over theta is a parabola,

    B(theta; theta_0) = (1 / N) sum_n E_q log p(x_n, z_n; theta) + H(q_n),   greatest at sum_n r_n x_n / sum_n r_n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmarks.figures.common import markdown
from jensen.inference import EM
from jensen.reporting.style import CLASS_COLORS, FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START, TRUTH, DATA = -1.0, 3.0, 60
SHOWN = 4  # parabolas


class OneMean:
    """The model, as `jensen.inference.em` takes it."""

    def __init__(self, theta: float) -> None:
        self.theta = torch.tensor(theta, dtype=torch.float64)

    def log_joint(self, x: Tensor) -> Tensor:
        means = torch.stack([torch.zeros_like(self.theta), self.theta])
        return torch.distributions.Normal(means, 1.0).log_prob(x[:, None]) - np.log(2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_joint(x).logsumexp(1)

    def e_step(self, x: Tensor) -> Tensor:
        return self.log_joint(x).softmax(1)

    def m_step(self, x: Tensor, q: Tensor) -> None:
        self.theta = (q[:, 1] @ x) / q[:, 1].sum()


@dataclass(frozen=True)
class Climb:
    """x (N,); theta, log p and, after the M-step from it, the bound: (steps,); all means over x, nats."""

    x: Tensor
    theta: list[float]
    log_prob: list[float]
    after_m_step: list[float]


def log_prob(x: Tensor, theta: float) -> float:
    return float(OneMean(theta).log_prob(x).mean())


def bound(x: Tensor, theta: float, fitted_at: float) -> float:
    """B(theta; theta_0)."""
    q = OneMean(fitted_at).e_step(x)
    return float((q * OneMean(theta).log_joint(x) - q.xlogy(q)).sum(1).mean())


def compute(tiny: bool) -> Climb:
    generator = torch.Generator().manual_seed(0)
    second = torch.rand(DATA, generator=generator, dtype=torch.float64) < 0.5
    x = torch.randn(DATA, generator=generator, dtype=torch.float64) + TRUTH * second
    model = OneMean(START)
    climbing = EM(model, x)
    theta, reached, after = [START], [float(climbing.bound)], []
    for _ in range(6 if tiny else 12):
        climbing.step()
        theta.append(float(model.theta))
        reached.append(float(climbing.bound))
        after.append(bound(x, theta[-1], theta[-2]))
    return Climb(x, theta, reached, after)


def table(found: Climb) -> str:
    rows = [
        (str(step + 1), f"{theta:.4f}", f"{before:.5f}", f"{new:.4f}", f"{raised:.5f}", f"{reached:.5f}")
        for step, (theta, before, new, raised, reached) in enumerate(
            zip(found.theta, found.log_prob, found.theta[1:], found.after_m_step, found.log_prob[1:], strict=False)
        )
    ]
    columns = (
        "step",
        "theta",
        "bound = log p(x)",
        "theta after it",
        "bound after the M-step",
        "log p(x) = bound again",
    )
    return markdown(columns, rows)


def draw(found: Climb) -> Figure:
    figure = new_figure(9.6, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    grid = np.linspace(-2.5, 5, 301)
    left.plot(grid, [log_prob(found.x, theta) for theta in grid], color=INK, linewidth=2.4, label="log p(x; θ)")
    for step, color in zip(range(SHOWN), CLASS_COLORS[1:], strict=False):
        at, best = found.theta[step], found.theta[step + 1]
        label = f"bound of E-step {step + 1}"
        left.plot(grid, [bound(found.x, theta, at) for theta in grid], color=color, linewidth=1.4, label=label)
        left.plot(at, found.log_prob[step], "o", color=color, markersize=6)
        left.plot(best, found.after_m_step[step], "^", color=color, markersize=6)
        left.plot([best, best], [found.after_m_step[step], found.log_prob[step + 1]], ":", color=NEUTRAL, linewidth=1)
    low, high = min(found.log_prob), max(found.log_prob)
    left.set_ylim(low - 0.4 * (high - low), high + 0.1 * (high - low))
    left.set_xlabel("θ", fontsize=10, color=INK)
    left.set_title("touches at ●, greatest at ▲", fontsize=10, color=INK)
    left.legend(loc="lower right", frameon=False, fontsize=8)
    half, values = [0.0], [found.log_prob[0]]
    for step, (raised, reached) in enumerate(zip(found.after_m_step, found.log_prob[1:], strict=True)):
        half += [step + 0.5, step + 1.0]
        values += [raised, reached]
    right.plot(half, values, color=NEUTRAL, linewidth=1.2)
    right.plot(half[::2], values[::2], "o", color=FIRST, markersize=5, label="after the E-step: log p(x)")
    right.plot(half[1::2], values[1::2], "^", color=SECOND, markersize=5, label="after the M-step: the bound")
    right.set_xlabel("step", fontsize=10, color=INK)
    right.legend(loc="lower right", frameon=False, fontsize=8.5)
    for axes in (left, right):
        axes.set_ylabel("nats, mean over x", fontsize=9, color=INK)
        tidy(axes)
    return figure
