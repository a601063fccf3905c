"""Eight schools centred and non-centred: the same model, and only one of them lets HMC into the funnel's neck.

Where tau is small, the centred theta has little room, and a step size for the funnel's mouth is too large there:
trajectories diverge, and draws of log tau stop short or stick. Given eta = (theta - mu) / tau there is no funnel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks import schools
from benchmarks.figures.common import markdown
from jensen.inference import hmc, sample_chains
from jensen.reporting.style import FIRST, INK, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 3000  # draws in a scatter
LOWEST = -5.0  # log tau
FORMS = {"centred": (schools.centred, True), "non-centred": (schools.non_centred, False)}


@dataclass(frozen=True)
class Form:
    """What HMC made of one form.

    log_tau, theta (of the first school), divergent: of each draw of all chains, (N,). effective, r_hat: effective draws
    and R-hat of log tau. mean: of log tau, and its standard error. step_size: as found.
    """

    log_tau: np.ndarray
    theta: np.ndarray
    divergent: np.ndarray
    effective: float
    r_hat: float
    mean: tuple[float, float]
    step_size: float


def compute(tiny: bool) -> dict[str, Form]:
    num_draws, num_warmup = (150, 150) if tiny else (2000, 500)
    found = {}
    for name, (log_density, is_centred) in FORMS.items():
        chains = sample_chains(hmc(log_density), torch.randn(16, schools.DIMS), num_draws, num_warmup)
        values = chains.summary(lambda z, c=is_centred: schools.variables(z, c)).loc["log_tau"]  # type: ignore[misc]
        named = schools.variables(chains.draws, is_centred)  # type: ignore[arg-type]
        found[name] = Form(
            named["log_tau"].flatten().numpy(),
            named["theta"][..., 0].flatten().numpy(),
            chains.divergent.flatten().numpy(),
            float(values["ess_bulk"]),
            float(values["r_hat"]),
            (float(values["mean"]), float(values["mcse_mean"])),
            chains.kernel.step_size,  # type: ignore[attr-defined]
        )
    return found


def table(found: dict[str, Form]) -> str:
    exact = schools.posterior()
    rows = [
        (
            name,
            f"{one.mean[0]:.3f} ± {one.mean[1]:.3f}",
            f"{one.divergent.sum():,} of {one.divergent.size:,}",
            f"{one.effective:,.0f}",
            f"{one.r_hat:.3f}",
            f"{one.step_size:.2f}",
        )
        for name, one in found.items()
    ]
    rows.append(("quadrature", f"{exact.mean[1]:.6f}", "", "", "", ""))
    return markdown(("", "mean of log tau", "divergent", "effective draws of log tau", "R-hat", "step size"), rows)


def draw(found: dict[str, Form]) -> Figure:
    exact = schools.posterior()
    figure = new_figure(9.6, 3.4)
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    for axes, (name, one) in zip(panels, found.items(), strict=False):
        few = slice(None, None, max(1, one.log_tau.size // SHOWN))
        axes.plot(one.theta[few], one.log_tau[few], ".", color=FIRST, markersize=2, alpha=0.5)
        lost = one.divergent
        few = slice(None, None, max(1, int(lost.sum()) // 500))
        axes.plot(one.theta[lost][few], one.log_tau[lost][few], "x", color=SECOND, markersize=4, label="divergent")
        axes.set_xlim(-15, 40)
        axes.set_ylim(LOWEST, 4)
        axes.set_title(f"{name}: {lost.sum():,} divergent", fontsize=10, color=INK)
        axes.set_xlabel("θ of the first school", fontsize=9, color=INK)
        axes.set_ylabel("log τ", fontsize=9, color=INK)
        tidy(axes)
    bins = np.linspace(LOWEST, 4, 46)
    for (name, one), color in zip(found.items(), (SECOND, FIRST), strict=True):
        panels[2].hist(one.log_tau, bins, density=True, histtype="step", color=color, linewidth=1.3, label=name)
    inside = (exact.log_tau > LOWEST) & (exact.log_tau < 4)
    panels[2].plot(exact.log_tau[inside], exact.density[inside], color=INK, linewidth=1.0, label="quadrature")
    panels[2].set_xlabel("log τ", fontsize=9, color=INK)
    panels[2].set_title("its density", fontsize=10, color=INK)
    panels[2].legend(frameon=False, fontsize=8, loc="upper left")
    tidy(panels[2])
    return figure
