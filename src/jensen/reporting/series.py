"""Figures of series: windows drawn over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Shaped
from torch import Tensor

from jensen.reporting.style import FIRST, INK, NEUTRAL, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CHANNELS = 12


def over_time(
    samples: Shaped[Tensor, "samples time channels"],
    data: Shaped[Tensor, "windows time channels"],
    columns: Sequence[str] | None = None,
) -> Figure:
    """Windows of data beside sampled ones, a line each, for the first twelve channels.

    Args:
        samples: (N, T, C). data: (M, T, C), in the same units.
        columns: names of the channels.
    """
    count = min(_CHANNELS, data.shape[2])
    across = min(count, 2)
    down = -(-count // across)
    figure = new_figure(8.4, 0.5 + 1.7 * down)
    panels = figure.subplots(down, 2 * across, sharex=True, squeeze=False)
    for place, pair in enumerate(panels.reshape(-1, 2)):
        if place >= count:
            pair[0].set_axis_off()
            pair[1].set_axis_off()
            continue
        pair[1].sharey(pair[0])
        for axes, windows, color, said in zip(
            pair, (data, samples), (NEUTRAL, FIRST), ("data", "samples"), strict=True
        ):
            axes.plot(windows[:, :, place].T.double().numpy(), color=color, alpha=0.5, linewidth=0.8)
            name = columns[place] if columns else f"$x_{{{place + 1}}}$"
            axes.set_title(f"{name}: {said}", fontsize=9, color=INK)
            tidy(axes)
            axes.tick_params(labelsize=8)
        pair[1].tick_params(labelleft=False)
    figure.supxlabel("row of the window", fontsize=10, color=INK)
    return figure
