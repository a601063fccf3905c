"""Gibbs sampling against HMC on a bivariate normal of correlation .99: paths and autocorrelations.

Gibbs moves along the axes, and given x2 it has only a standard deviation of sqrt(1 - .99^2) = .14 to move x1 by: x1 is
an autoregression with coefficient .99^2, so that 99.5 draws are worth an independent one. HMC follows the ridge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmarks.figures.common import markdown
from jensen.inference import gibbs, hmc, sample_chains
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RHO = 0.99
REST = (1 - RHO**2) ** 0.5
PATH = 60  # draws that are drawn
LAGS = 100


@dataclass(frozen=True)
class Sampler:
    """What one sampler did.

    path: the first draws of one chain, (PATH, 2). autocorrelation: of x1 at lags 0 .. LAGS. worth: effective draws of
    x1 for each draw. a_second: effective draws in a second of processor time, all chains together.
    """

    path: np.ndarray
    autocorrelation: np.ndarray
    worth: float
    a_second: float


def log_density(z: Tensor) -> Tensor:
    """Of N(0, [[1, rho], [rho, 1]]), up to its constant."""
    x1, x2 = z[..., 0], z[..., 1]
    return -0.5 * (x1.square() - 2 * RHO * x1 * x2 + x2.square()) / REST**2


def compute(tiny: bool) -> dict[str, Sampler]:
    num_chains, num_draws, num_warmup = (32, 300, 150) if tiny else (64, 5000, 300)
    x1, noise = torch.randn(2, num_chains)
    start = torch.stack([x1, RHO * x1 + REST * noise], 1)  # draws of the law itself
    conditionals = {
        "x1": lambda v: RHO * v["x2"] + REST * torch.randn_like(v["x2"]),
        "x2": lambda v: RHO * v["x1"] + REST * torch.randn_like(v["x1"]),
    }
    kernels = {"Gibbs": (gibbs(conditionals), {"x1": start[:, 0], "x2": start[:, 1]}), "HMC": (hmc(log_density), start)}
    found = {}
    for name, (kernel, begin) in kernels.items():
        before = time.process_time()
        chains = sample_chains(kernel, begin, num_draws, num_warmup)
        seconds = time.process_time() - before
        draws = chains.draws
        x = torch.stack([draws["x1"], draws["x2"]], -1) if isinstance(draws, dict) else draws
        effective = float(chains.summary(lambda _, x=x: {"x1": x[..., 0]})["ess_bulk"].iloc[0])  # type: ignore[misc]
        lags = [float((x[:, lag:, 0] * x[:, : num_draws - lag, 0]).mean()) for lag in range(LAGS + 1)]
        worth = effective / (num_chains * num_draws)
        found[name] = Sampler(x[0, :PATH].numpy(), np.array(lags) / lags[0], worth, effective / seconds)
    return found


def table(found: dict[str, Sampler]) -> str:
    rows = [
        (
            name,
            *(f"{one.autocorrelation[lag]:.3f}" for lag in (1, 10, 50)),
            f"{one.worth:.3f}",
            f"{one.a_second:,.0f}",
        )
        for name, one in found.items()
    ]
    rows.append(("Gibbs, exactly", *(f"{RHO ** (2 * lag):.3f}" for lag in (1, 10, 50)), f"{1 / 99.5025:.3f}", ""))
    return markdown(("x1", "lag 1", "lag 10", "lag 50", "effective draws a draw", "a second, all chains"), rows)


def draw(found: dict[str, Sampler]) -> Figure:
    figure = new_figure(9.6, 3.3)
    left, middle, right = figure.subplots(1, 3)
    angle = np.linspace(0, 2 * np.pi, 400)
    for axes, (name, one), color in zip((left, middle), found.items(), (SECOND, FIRST), strict=True):
        for radius in (1, 2):
            x1 = radius * np.cos(angle)
            axes.plot(x1, RHO * x1 + REST * radius * np.sin(angle), color=NEUTRAL, linewidth=0.8)
        path = one.path
        if name == "Gibbs":  # each sweep is two moves, one along each axis
            path = np.repeat(path, 2, 0)[1:]
            path = np.column_stack([path[:, 0], np.r_[path[0, 1], path[:-1, 1]]])
        axes.plot(*path.T, color=color, linewidth=0.8, alpha=0.8)
        axes.plot(*one.path.T, "o", color=color, markersize=3)
        axes.set_xlim(-3, 3)
        axes.set_ylim(-3, 3)
        axes.set_title(f"{name}, {PATH} draws", fontsize=10, color=INK)
        axes.set_xlabel("x1", fontsize=9, color=INK)
        axes.set_ylabel("x2", fontsize=9, color=INK)
        tidy(axes)
    lags = np.arange(LAGS + 1)
    right.plot(lags, RHO ** (2 * lags), color=INK, linewidth=1.0, linestyle=":", label=".99^(2 lag)")
    for (name, one), color in zip(found.items(), (SECOND, FIRST), strict=True):
        right.plot(lags, one.autocorrelation, color=color, linewidth=1.5, label=name)
    right.set_title("autocorrelation of x1", fontsize=10, color=INK)
    right.set_xlabel("lag, draws", fontsize=9, color=INK)
    right.legend(frameon=False, fontsize=8.5)
    tidy(right)
    return figure
