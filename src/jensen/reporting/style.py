"""What all figures share: colours that do not depend on colour vision alone, and the way to bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Ten hues, none of them grey, that stay apart under colour-vision deficiencies: Tol (2012), Colour Schemes.
CLASS_COLORS = (
    "#88ccee", "#cc6677", "#ddcc77", "#117733", "#332288",
    "#aa4499", "#44aa99", "#999933", "#882255", "#661100",
)  # fmt: skip
FIRST, SECOND, NEUTRAL, INK = "#2f7fc9", "#e76300", "#9aa0a6", "#30343a"


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """An empty figure of that size in inches, on a canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **{"dpi": 160, "layout": "constrained", **options})
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, grid: bool = True) -> None:
    """Leaves what carries information: two spines and a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(NEUTRAL)
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(color="#e6e8eb", linewidth=0.8)


def png(figure: Figure) -> bytes:
    """The figure as a PNG: the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
