"""Why rejection and importance sampling fail as the dimension grows: the draws of q lie in another shell than p.

The target is N(0, I_D), the proposal N(0, s^2 I_D). The least bound is M = s^D, so that rejection keeps s^-D of its
proposals. Of N weighted draws (sqrt(2 s^2 - 1) / s^2)^D N are effective, an exact 1 / E w^2, and where s^2 <= 1/2 none.
What the draws themselves say of it is too good: they are never worth less than one.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.distributions import Beta, Chi2, Independent, Normal

from benchmarks.figures.common import markdown
from jensen.inference import ImportanceEstimate, RejectionSamples, importance_estimate, rejection_sample
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE = 1.4
DIMENSIONS = (1, 2, 5, 10, 20, 50, 100)
SHELLS = (1, 10, 100)
SKEWED, BOUND = Beta(2.7, 6.3), 2.6697440111  # the line's example, under M times a uniform


@dataclass(frozen=True)
class Sampling:
    """What both samplers did in each dimension; rejection only where it keeps enough to be waited for."""

    num_samples: int
    rejected: dict[int, RejectionSamples]
    weighted: dict[int, ImportanceEstimate]


def acceptance(dims: int) -> float:
    """1 / M."""
    return SCALE**-dims


def effective_share(dims: int) -> float:
    """1 / E_q (p / q)^2, what ESS / N tends to."""
    return (math.sqrt(2 * SCALE**2 - 1) / SCALE**2) ** dims


def gaussian(dims: int, scale: float) -> Independent:
    return Independent(Normal(torch.zeros(dims, dtype=torch.float64), scale), 1)


def compute(tiny: bool) -> Sampling:
    num_samples = 2000 if tiny else 20_000
    rejected, weighted = {}, {}
    for dims in DIMENSIONS:
        p, q = gaussian(dims, 1.0), gaussian(dims, SCALE)
        if acceptance(dims) > (1e-2 if tiny else 1e-3):
            rejected[dims] = rejection_sample(p, q, SCALE**dims, num_samples // 10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the figure shows what they say
            # E |z|^2 / D = 1.
            weighted[dims] = importance_estimate(lambda z: z.square().mean(1), p, q, num_samples, self_normalised=True)
    return Sampling(num_samples, rejected, weighted)


def table(found: Sampling) -> str:
    rows = []
    for dims, estimate in found.weighted.items():
        kept = found.rejected.get(dims)
        rows.append(
            (
                str(dims),
                f"{acceptance(dims):.2g}",
                "" if kept is None else f"{kept.acceptance_rate.value:.2g} ± {kept.acceptance_rate.standard_error:.1g}",
                f"{effective_share(dims):.2g}",
                f"{estimate.effective_sample_size / found.num_samples:.2g}",
                f"{estimate.pareto_k:.2f}",
                f"{estimate.value:.3f} ± {estimate.standard_error:.2g}",
            )
        )
    columns = ("D", "1 / M", "accepted", "1 / E w²", "effective share of the draws", "Pareto k", "E of mean z², 1")
    return f"s = {SCALE:g}, N = {found.num_samples:,} weighted draws\n\n" + markdown(columns, rows)


def draw(found: Sampling) -> Figure:
    figure = new_figure(9.6, 6.8)
    under, shells, shares, errors = figure.subplots(2, 2).flat
    _draw_rejection(under)
    _draw_shells(shells)
    dims = np.linspace(DIMENSIONS[0], DIMENSIONS[-1], 200)
    shares.plot(dims, [acceptance(d) for d in dims], color=SECOND, label="accepted by rejection, 1 / M")
    shares.plot(dims, [effective_share(d) for d in dims], color=FIRST, label="effective of weighted draws, 1 / E w²")
    rates = {d: kept.acceptance_rate for d, kept in found.rejected.items()}
    shares.plot(rates.keys(), [float(rate.value) for rate in rates.values()], "o", color=SECOND, markersize=5)
    sizes = [estimate.effective_sample_size / found.num_samples for estimate in found.weighted.values()]
    shares.plot(found.weighted.keys(), sizes, "o", color=FIRST, markersize=5)
    shares.axhline(1 / found.num_samples, color=NEUTRAL, linestyle=":", linewidth=1.2)
    shares.text(1, 1 / found.num_samples, "one draw", color=NEUTRAL, fontsize=8, va="bottom")
    shares.set_yscale("log")
    shares.set_title("Share that is kept", fontsize=10, color=INK)
    shares.set_xlabel("dimension D", fontsize=9, color=INK)
    shares.legend(frameon=False, fontsize=8)
    values = list(found.weighted.values())
    places = np.arange(len(values))
    errors.errorbar(
        places, [float(v.value) for v in values], [2 * float(v.standard_error) for v in values], fmt="o", color=FIRST
    )
    errors.axhline(1, color=NEUTRAL, linewidth=1.2)
    for place, estimate in zip(places, values, strict=True):
        top = float(estimate.value + 2 * estimate.standard_error)
        label = f"k = {estimate.pareto_k:.1f}"
        errors.annotate(label, (place, top), (0, 4), textcoords="offset points", ha="center", fontsize=8, color=INK)
    errors.set_xticks(places, [str(d) for d in found.weighted])
    errors.margins(0.08, 0.2)
    errors.set_title("Weighted mean of |z|² / D, ± 2 errors; it is 1", fontsize=10, color=INK)
    errors.set_xlabel("dimension D", fontsize=9, color=INK)
    for axes in (under, shells, shares, errors):
        tidy(axes)
    return figure


def _draw_rejection(axes: Axes) -> None:
    """Points under M q, those under p kept."""
    generator = np.random.default_rng(0)
    z, height = generator.uniform(0, 1, (2, 600))
    grid = torch.linspace(0, 1, 400)[1:-1]
    density = SKEWED.log_prob(grid).exp().numpy()
    kept = BOUND * height < SKEWED.log_prob(torch.tensor(z)).exp().numpy()
    axes.plot(z[~kept], BOUND * height[~kept], ".", color=NEUTRAL, markersize=3, label="rejected")
    axes.plot(z[kept], BOUND * height[kept], ".", color=FIRST, markersize=3, label="kept")
    axes.plot(grid, density, color=INK, linewidth=1.6, label="p")
    axes.plot([0, 1], [BOUND, BOUND], color=SECOND, linewidth=1.6, label="M q")
    axes.set_ylim(0, 1.3 * BOUND)
    axes.set_title("Rejection on the line: kept under p, 1 / M of all", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper right")


def _draw_shells(axes: Axes) -> None:
    """The density of |z| / sqrt(D) under p and under q."""
    radius = torch.linspace(0.01, 2.5, 800, dtype=torch.float64)
    for dims, width in zip(SHELLS, (1.0, 1.6, 2.4), strict=True):
        law = Chi2(torch.tensor(float(dims), dtype=torch.float64))
        for scale, color in ((1.0, FIRST), (SCALE, SECOND)):
            square = dims * (radius / scale).square()
            density = law.log_prob(square).exp() * 2 * dims * radius / scale**2
            label = f"{'p' if scale == 1 else 'q'}, D = {dims}"
            axes.plot(radius, density / density.max(), color=color, linewidth=width, label=label)
    axes.set_title("Where draws lie: |z| / √D, scaled to 1", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=8)
    axes.set_yticks([])
