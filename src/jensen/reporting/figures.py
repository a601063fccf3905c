"""Figures of points: the latent map, samples and density in the plane, and the columns of a table.

Each function, here as in `images` and `curves`, returns a matplotlib Figure of its own and touches no global state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from jensen.reporting.style import CLASS_COLORS, FIRST, INK, NEUTRAL, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELLED_CLASSES = 30


def principal_components(
    z: Float[Tensor, "points latent"],
) -> tuple[Float[Tensor, "points 2"], tuple[float, float]]:
    """The first two principal components of z (N, Z), and the share of the variance that each explains."""
    centred = (z - z.mean(0)).double()
    _, singular, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    # A principal axis has no sign of its own: its largest entry is made positive.
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    share = singular.square() / singular.square().sum()
    return (centred @ (axes * largest.sign()).T).to(z.dtype), (float(share[0]), float(share[1]))


def latent_map(
    z: Float[Tensor, "points latent"],
    y: Int64[Tensor, "points"] | None = None,
    classes: Sequence[str] | None = None,
) -> Figure:
    """Where the examples lie in latent space: z (N, Z) itself where Z is 2, else its first two principal components.

    Args:
        z: posterior means.
        y: labels, which colour the points; each class is named near its median, so that no colour has to be matched.
        classes: the names of the labels 0, 1, ...
    """
    if z.shape[1] == 2:
        points, (across, up) = z, ("$z_1$", "$z_2$")
    else:
        points, shares = principal_components(z)
        across, up = (
            f"{which} principal component of z ({share:.0%} of the variance)"
            for which, share in zip(("first", "second"), shares, strict=True)
        )
    figure = new_figure(6.4, 5.4)
    axes = figure.add_subplot()
    if y is None:
        axes.scatter(points[:, 0].numpy(), points[:, 1].numpy(), s=5, color=FIRST, alpha=0.5, linewidths=0)
    else:
        _coloured(axes, points, y, classes)
    axes.set_xlabel(across, fontsize=10, color=INK)
    axes.set_ylabel(up, fontsize=10, color=INK)
    axes.set_aspect("equal", adjustable="datalim")
    tidy(axes)
    return figure


def _coloured(axes: Axes, points: Tensor, y: Tensor, classes: Sequence[str] | None) -> None:
    import matplotlib
    from matplotlib.patheffects import withStroke

    labels = y.unique().tolist()
    names = {label: str(label) if classes is None else classes[label] for label in labels}
    spread = matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, len(labels)))
    colors = dict(zip(labels, CLASS_COLORS if len(labels) <= len(CLASS_COLORS) else spread, strict=False))
    # One scatter in the data's order, which mixes the classes: none is drawn over all others.
    axes.scatter(
        points[:, 0].numpy(),
        points[:, 1].numpy(),
        s=6,
        c=[colors[label] for label in y.tolist()],
        alpha=0.75,
        linewidths=0,
    )
    if len(labels) > _LABELLED_CLASSES:
        return
    medians = torch.stack([points[y == label].median(0).values for label in labels])
    for label, (across, up) in zip(labels, apart(medians, points).tolist(), strict=True):
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.annotate(
            names[label], (across, up), ha="center", va="center", fontsize=11, fontweight="bold", color=INK,
            path_effects=halo,
        )  # fmt: skip
        axes.plot([], [], "o", color=colors[label], markersize=6, label=names[label])
    if len(labels) <= len(CLASS_COLORS):
        axes.figure.legend(loc="outside right center", frameon=False, fontsize=9.5, handletextpad=0.1)


def apart(
    places: Float[Tensor, "labels 2"], points: Float[Tensor, "points 2"], least: float = 0.045, rounds: int = 100
) -> Float[Tensor, "labels 2"]:
    """Places moved so that none hides another: no two nearer than `least` of the larger extent of the points."""
    extent = (points.max(0).values - points.min(0).values).max().clamp_min(1e-12)
    moved = places / extent
    # No two on one spot, where there would be no direction to part in.
    moved = moved + 1e-4 * torch.arange(len(moved)).to(moved)[:, None] * torch.tensor([1.0, -1.0]).to(moved)
    for _ in range(rounds):
        difference = moved[:, None] - moved
        distance = difference.norm(dim=-1).fill_diagonal_(torch.inf)
        push = (least - distance).clamp_min(0) / distance
        moved = moved + 0.5 * (difference * push[..., None]).sum(1)
    return moved * extent


@torch.no_grad()
def scatter_2d(
    samples: Float[Tensor, "samples 2"],
    data: Float[Tensor, "points 2"],
    log_prob: Callable[[Tensor], Tensor] | None = None,
    columns: Sequence[str] = ("$x_1$", "$x_2$"),
    resolution: int = 200,
) -> Figure:
    """Samples over data in the plane; beside them the log-density, where it is known.

    Args:
        samples: (N, 2). data: (M, 2), in the same units.
        log_prob: (B, 2) -> (B,), nats, in these units; shown down to 10 nats below its highest value.
        columns: names of the axes.
        resolution: points of the density's grid along each axis.
    """
    low, high = plane_limits(samples, data)
    width, height = (high - low).tolist()
    similar = 0.5 < width / height < 2
    count = 1 if log_prob is None else 2
    figure = new_figure(4.6 * count + 0.6 * (count - 1), 4.1 * height / width + 0.6 if similar else 4.4)
    panels = figure.subplots(1, count, squeeze=False)[0]
    panels[0].scatter(*data.T.numpy(), s=6, color=NEUTRAL, alpha=0.5, linewidths=0, label="data")
    panels[0].scatter(*samples.T.numpy(), s=6, color=FIRST, alpha=0.7, linewidths=0, label="samples")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize=9.5, markerscale=2)
    if log_prob is not None:
        grid = [torch.linspace(float(low[i]), float(high[i]), resolution).to(data) for i in (0, 1)]
        points = torch.stack(torch.meshgrid(*grid, indexing="xy"), -1).flatten(0, 1)
        density = log_prob(points).view(resolution, resolution).double().numpy()
        top = density.max()
        mesh = panels[1].pcolormesh(
            grid[0].numpy(), grid[1].numpy(), density, vmin=top - 10, vmax=top, cmap="viridis", shading="nearest"
        )
        mesh.set_rasterized(True)
        bar = figure.colorbar(mesh, ax=panels[1], extend="min")
        bar.set_label("log p(x) (nats)", fontsize=10, color=INK)
        bar.ax.tick_params(labelsize=9)
    for axes in panels:
        axes.set_xlim(float(low[0]), float(high[0]))
        axes.set_ylim(float(low[1]), float(high[1]))
        if similar:
            axes.set_aspect("equal")
        axes.set_xlabel(columns[0], fontsize=10, color=INK)
        axes.set_ylabel(columns[1], fontsize=10, color=INK)
        tidy(axes, grid=False)
    return figure


def responsibilities(
    points: Float[Tensor, "points 2"],
    shares: Float[Tensor, "points components"],
    means: Float[Tensor, "numbered 2"],
    columns: Sequence[str] = ("$x_1$", "$x_2$"),
) -> Figure:
    """Points in the plane, each in the colours of its components mixed by how much each is responsible for it.

    Args:
        points: (N, 2). shares: p(z = k | x), (N, K). means: of the components that are worth a number, (J, 2), J <= K,
            the first J of the shares; the others are grey.
        columns: names of the axes.
    """
    import matplotlib
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    numbered = len(means)
    spread = list(matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, numbered))[:, :3])
    palette = [to_rgb(color) for color in CLASS_COLORS] if numbered <= len(CLASS_COLORS) else spread
    colors = np.array([*palette[:numbered], *[to_rgb(NEUTRAL)] * (shares.shape[1] - numbered)])
    figure = new_figure(6.0, 5.0)
    axes = figure.add_subplot()
    mixed = (shares.double().numpy() @ colors).clip(0, 1)
    axes.scatter(points[:, 0].numpy(), points[:, 1].numpy(), s=9, c=mixed, linewidths=0)
    for number, (across, up) in enumerate(means.tolist(), 1):
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.annotate(
            str(number), (across, up), ha="center", va="center", fontsize=11, fontweight="bold", color=INK,
            path_effects=halo,
        )  # fmt: skip
    axes.set_xlabel(columns[0], fontsize=10, color=INK)
    axes.set_ylabel(columns[1], fontsize=10, color=INK)
    tidy(axes, grid=False)
    return figure


def plane_limits(
    samples: Float[Tensor, "samples 2"], data: Float[Tensor, "points 2"]
) -> tuple[Float[Tensor, "2"], Float[Tensor, "2"]]:
    """The corners of a box around all data and the central 98% of the samples of each coordinate, with a margin."""
    level = torch.tensor([0.01, 0.99]).to(samples)
    inner = samples.quantile(level, dim=0)
    low = torch.minimum(data.min(0).values, inner[0].to(data))
    high = torch.maximum(data.max(0).values, inner[1].to(data))
    margin = 0.08 * (high - low).clamp_min(1e-6)
    return low - margin, high + margin


def table_marginals(
    samples: Shaped[Tensor, "samples columns"],
    data: Shaped[Tensor, "points columns"],
    columns: Sequence[str] | None = None,
    categories: Sequence[Sequence[str]] | None = None,
) -> Figure:
    """Histograms of the first twelve columns, data against samples, in shares of the rows.

    Args:
        samples: (N, D). data: (M, D), in the same units.
        columns: their names.
        categories: of each column the names of its values 0, 1, ..., none where they are numbers.
    """
    count = min(12, data.shape[1])
    across = min(count, 3)
    down = -(-count // across)
    figure = new_figure(7.2, 0.5 + 1.8 * down)
    for place in range(count):
        axes = figure.add_subplot(down, across, place + 1)
        ours, theirs = samples[:, place].double().numpy(), data[:, place].double().numpy()
        edges = histogram_edges(ours, theirs)
        axes.stairs(shares(theirs, edges), edges, fill=True, color=NEUTRAL, alpha=0.55, label="data")
        axes.stairs(shares(ours, edges), edges, color=FIRST, linewidth=1.6, label="samples")
        axes.set_title(columns[place] if columns else f"$x_{{{place + 1}}}$", fontsize=9.5, color=INK)
        axes.set_yticks([])
        if categories and categories[place]:
            low, high = axes.get_xlim()
            named = range(max(0, math.ceil(low)), min(len(categories[place]) - 1, math.floor(high)) + 1)
            some = named[:: math.ceil(len(named) / 6)]
            axes.set_xticks(some, [categories[place][k][:12] for k in some])
        tidy(axes, grid=False)
        axes.spines["left"].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9.5)
    return figure


def histogram_edges(
    samples: Float[np.ndarray, "samples"], data: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "edges"]:
    """Bins that both share, over the central 99% of the data and 98% of the samples.

    30 bins; or one for each whole number, where the data are whole numbers, up to 60 of them.
    """
    inner, outer = np.quantile(samples, [0.01, 0.99]), np.quantile(data, [0.005, 0.995])
    low, high = min(inner[0], outer[0]), max(inner[1], outer[1])
    # Whole numbers that were standardised and put back are whole to a rounding error.
    if high - low <= 60 and np.abs(data - data.round()).max() < 1e-3:
        return np.arange(np.floor(low + 1e-3), np.ceil(high - 1e-3) + 2) - 0.5
    return np.linspace(low, high if high > low else low + 1, 31)


def shares(values: Float[np.ndarray, "points"], edges: Float[np.ndarray, "edges"]) -> Float[np.ndarray, "bins"]:
    """The share of all values that falls into each bin."""
    return np.histogram(values, edges)[0] / len(values)
