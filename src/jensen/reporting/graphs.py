"""Graphs with directed and undirected edges as figures, beside the true one where it is known."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jensen.graphs import PartiallyDirected

Edge = tuple[str, str]
HEIGHT, LEVEL = 0.36, 1.0  # inches: of a node, and from one layer to the next
PLAIN, GREY, MARKED = "#f4f6f8", "#c9d1da", "#d6e7f7"  # nodes
KINDS: dict[str, tuple[str, Any, str]] = {
    "right": (INK, "-", "as in the truth"),
    "turned": (SECOND, "-", "joined in the truth, of another direction"),
    "extra": (SECOND, (0, (4, 2)), "not in the truth"),
    "missing": (NEUTRAL, (0, (1, 2)), "in the truth only"),
    "trail": (SECOND, "-", "the open trail"),
}


def draw_graph(
    graph: PartiallyDirected,
    truth: PartiallyDirected | None = None,
    *,
    observed: Collection[str] = (),
    marked: Collection[str] = (),
    trail: Collection[Edge] = (),
) -> Figure:
    """Arrows and lines, causes above effects; with the truth, what is turned, extra or missing.

    Args:
        graph: what is drawn.
        truth: what it should be.
        observed: nodes that are grey.
        marked: nodes that are blue: those that were asked about.
        trail: arrows that are orange, such as those of an active trail, each from its cause to its effect.
    """
    from matplotlib.patches import FancyBboxPatch

    from jensen.reporting.layered import layered

    arrows = {edge: "trail" if edge in trail else "right" for edge in graph.directed}
    lines = dict.fromkeys(_pairs(graph), "right")
    if truth is not None:
        for edges, true in ((arrows, truth.directed), (lines, _pairs(truth))):
            for edge in set(edges) - set(true):
                edges[edge] = "turned" if frozenset(edge) in truth.skeleton else "extra"
            edges |= {edge: "missing" for edge in true if frozenset(edge) not in graph.skeleton}
    width = {name: max(0.5, 0.09 * len(name) + 0.24) for name in graph.nodes}
    layout = layered(graph.nodes, arrows, lines, width)
    passing = [x for passed in layout.through.values() for x in passed]
    left = min(*passing, *(layout.x[name] - width[name] / 2 for name in graph.nodes)) - 0.3
    right = max(*passing, *(layout.x[name] + width[name] / 2 for name in graph.nodes)) + 0.3
    depth = max(layout.layer.values())
    kinds = [kind for kind in KINDS if kind in {*arrows.values(), *lines.values()}] if truth else []
    across = 1 if right - left < 9 else len(kinds)  # of the legend
    below = 0.3 + 0.22 * -(-len(kinds) // max(across, 1))
    figure = new_figure(max(right - left, 4.0), LEVEL * depth + 0.3 + below + HEIGHT, layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    middle, span = (left + right) / 2, max(right - left, 4.0)
    axes.set(xlim=(middle - span / 2, middle + span / 2), ylim=(-LEVEL * depth - HEIGHT / 2 - below, HEIGHT / 2 + 0.3))
    axes.axis("off")
    ends = _ends(layout.x, width, list(layout.through))
    for edges, directed in ((arrows, True), (lines, False)):
        for (a, b), kind in edges.items():
            upper, lower = (a, b) if (a, b) in layout.through else (b, a)
            points = [(ends[upper, lower, "below"], -LEVEL * layout.layer[upper] - HEIGHT / 2)]
            passed = enumerate(layout.through[upper, lower], layout.layer[upper] + 1)
            points += [(x, -LEVEL * layer) for layer, x in passed]
            points += [(ends[upper, lower, "above"], -LEVEL * layout.layer[lower] + HEIGHT / 2)]
            axes.add_patch(_curve(points if upper == a else points[::-1], kind, directed, truth is None))
    for name in graph.nodes:
        x, y = layout.x[name], -LEVEL * layout.layer[name]
        corner = (x - width[name] / 2 + 0.08, y - HEIGHT / 2 + 0.08)
        box = FancyBboxPatch(corner, width[name] - 0.16, HEIGHT - 0.16, boxstyle="round,pad=0.08", linewidth=1)
        fill = GREY if name in observed else MARKED if name in marked else PLAIN
        box.set(facecolor=fill, edgecolor=INK, zorder=3)
        axes.add_patch(box)
        axes.text(x, y, name, ha="center", va="center_baseline", fontsize=9.5, color=INK, zorder=4)
    if kinds:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=KINDS[kind][0], linestyle=KINDS[kind][1], label=KINDS[kind][2]) for kind in kinds
        ]
        axes.legend(handles=handles, loc="lower center", ncols=across, frameon=False, fontsize=8.5)
    return figure


def svg(figure: Figure) -> bytes:
    """The figure as an SVG: the same figure gives the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "jensen"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _pairs(graph: PartiallyDirected) -> set[Edge]:
    """The undirected edges, the names of each in order."""
    return {(min(edge), max(edge)) for edge in graph.undirected}


def _ends(x: Mapping[str, float], width: Mapping[str, float], edges: list[Edge]) -> dict[tuple[str, str, str], float]:
    """Where each edge leaves the lower side of its upper node and meets the upper side of its lower one.

    Edges at one side are spread along it in the order of where they come from.
    """
    found = {}
    for side, own, other in (("below", 0, 1), ("above", 1, 0)):
        for name in x:
            mine = sorted((edge for edge in edges if edge[own] == name), key=lambda edge: x[edge[other]])
            for place, edge in enumerate(mine):
                found[*edge, side] = x[name] + 0.6 * width[name] * ((place + 0.5) / len(mine) - 0.5)
    return found


def _curve(points: list[tuple[float, float]], kind: str, directed: bool, plain: bool) -> Any:
    """A smooth line through the points, upright at its ends."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    color, style, _ = KINDS[kind]
    # dx/dy at each point: 0 at the ends, in between that of the chord of its neighbours.
    slopes = [0.0, *((c[0] - a[0]) / (c[1] - a[1]) for a, c in zip(points, points[2:], strict=False)), 0.0]
    vertices, codes = [points[0]], [Path.MOVETO]
    for ((x0, y0), m0), ((x1, y1), m1) in pairwise(zip(points, slopes, strict=True)):
        step = 0.4 * (y1 - y0)
        vertices += [(x0 + m0 * step, y0 + step), (x1 - m1 * step, y1 - step), (x1, y1)]
        codes += [Path.CURVE4] * 3
    patch = FancyArrowPatch(path=Path(vertices, codes), arrowstyle="-|>" if directed else "-", mutation_scale=11)
    patch.set(color=FIRST if plain and not directed else color, linestyle=style, linewidth=1.3, zorder=2)
    return patch
