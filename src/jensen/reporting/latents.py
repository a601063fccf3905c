"""Figures of what the latents carry: in each dimension, and while the model trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor

from jensen.reporting.curves import Row
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy
from jensen.training.collapse import ACTIVE_VARIANCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 12


def kl_bars(kl: Float[Tensor, "latent"], variances: Float[Tensor, "latent"]) -> Figure:
    """KL(q(z_j | x) || p(z_j)) and Var_x(E[z_j | x]) of each dimension, in order of the KL.

    Args:
        kl: (Z,), nats, the mean over examples.
        variances: (Z,), of the posterior's mean over examples; a dimension is active above 0.01.
    """
    order = kl.argsort(descending=True)
    shares, spread = kl[order].double().numpy(), variances[order].double().numpy()
    colors = [FIRST if value > ACTIVE_VARIANCE else NEUTRAL for value in spread]
    figure = new_figure(6.4, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    places = np.arange(len(shares))
    upper.bar(places, shares, color=colors)
    upper.set_title("KL(q(z | x) || p(z)) of each dimension (nats)", fontsize=10, color=INK, loc="left")
    lower.bar(places, spread, color=colors)
    lower.axhline(ACTIVE_VARIANCE, color=SECOND, linewidth=1.2, label=f"active above {ACTIVE_VARIANCE}")
    lower.set_yscale("log")
    lower.set_title("variance over x of the mean of q(z | x)", fontsize=10, color=INK, loc="left")
    lower.legend(frameon=False, fontsize=8.5)
    every = -(-len(places) // 25)
    lower.set_xticks(places[::every], [str(int(j) + 1) for j in order[::every]])
    lower.set_xlabel("dimension of z, in order of the KL", fontsize=9, color=INK)
    for axes in (upper, lower):
        tidy(axes)
        axes.grid(visible=False, axis="x")
    return figure


def collapse_panel(rows: Sequence[Row]) -> Figure:
    """What the latents carried while the model trained: the KL of each dimension, active units, and information.

    Args:
        rows: those of metrics.jsonl whose part is "latents".
    """
    steps = np.array([row["step"] for row in rows])
    shares = [row["kl_per_dimension"] for row in rows if "kl_per_dimension" in row]
    figure = new_figure(6.4, 5.6 if shares else 3.0)
    grid = figure.add_gridspec(2 if shares else 1, 2)
    if shares:
        _lines(figure.add_subplot(grid[0, :]), steps, np.array(shares))
    units, nats = (figure.add_subplot(grid[-1, column]) for column in (0, 1))
    units.plot(steps, [row["active_units"] for row in rows], "o-", color=FIRST, markersize=3, linewidth=1.4)
    units.set_ylim(-0.04 * rows[-1]["latent_dim"], 1.04 * rows[-1]["latent_dim"])
    units.set_title(f"active units, of {rows[-1]['latent_dim']}", fontsize=10, color=INK, loc="left")
    nats.plot(steps, [row["kl"] for row in rows], "o-", color=FIRST, markersize=3, linewidth=1.4, label="KL")
    known = [(row["step"], row["mutual_information"]) for row in rows if "mutual_information" in row]
    if known:
        nats.plot(*zip(*known, strict=True), "s--", color=SECOND, markersize=3, label="estimate of I(x; z)")
        cap = math.log(rows[-1]["examples"])
        nats.axhline(cap, color=NEUTRAL, linewidth=1, linestyle=":", label=f"its cap, log {rows[-1]['examples']}")
    nats.legend(frameon=False, fontsize=8.5)
    nats.set_title("KL and information in all (nats)", fontsize=10, color=INK, loc="left")
    nats.set_ylim(bottom=min(0.0, nats.get_ylim()[0]))
    for axes in figure.axes:
        axes.set_xlabel("step", fontsize=9, color=INK)
        _whole(axes)
        tidy(axes)
    return figure


def _lines(axes: Axes, steps: np.ndarray, shares: Float[np.ndarray, "looks latent"]) -> None:
    """A line for each dimension, named at its end where there is room for all the names."""
    import matplotlib

    order = np.argsort(-shares[-1])
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(order)))
    top = max(shares.max(), 1e-3)
    place = np.inf
    for color, dimension in zip(colors, order, strict=True):
        axes.plot(steps, shares[:, dimension], "o-", color=color, markersize=2.5, linewidth=1.1)
        place = min(shares[-1, dimension], place - 0.075 * top)
        if len(order) <= _NAMED:
            axes.annotate(
                f"$z_{{{dimension + 1}}}$", (steps[-1], place), (6, 0), textcoords="offset points", va="center",
                fontsize=8.5, color=color, annotation_clip=False,
            )  # fmt: skip
    axes.set_title("KL(q(z | x) || p(z)) of each dimension (nats)", fontsize=10, color=INK, loc="left")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _whole(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
