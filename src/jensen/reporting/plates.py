"""Plate diagrams: circles of variables, observed ones shaded, dots of constants, and a box around what is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jensen.reporting.style import INK, NEUTRAL, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jensen.graphs.plates import PlateModel

RADIUS, DOT = 0.27, 0.05  # inches
MARGIN, WITHIN, LETTER = 0.42, 0.14, 0.2  # around middles on a plate, around a plate on it, below for the letter
SHADE = "#c9d3de"


def draw_plates(model: PlateModel) -> Figure:
    """The template, and what each variable is given the ones that point to it."""
    from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

    at = {name: np.array([variable.at[0], -variable.at[1]]) for name, variable in model.variables.items()}
    boxes = {plate: _box(model, at, plate) for plate in model.plates}
    corners = np.array([*boxes.values(), *((*place - 0.5, *place + 0.5) for place in at.values())])
    low, high = corners[:, :2].min(0) - 0.15, corners[:, 2:].max(0) + 0.15
    text = 2.6 if model.factors else 0.0
    high[1] = max(high[1] + 0.35, low[1] + 0.4 + 0.32 * len(model.factors))
    size = high - low
    figure = new_figure(size[0] + text, size[1], layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(low[0], high[0] + text), ylim=(low[1], high[1]))
    axes.axis("off")
    axes.text(low[0] + 0.15, high[1] - 0.2, model.title, ha="left", va="center", fontsize=11, color=INK)
    for plate, (left, bottom, right, top) in boxes.items():
        box = FancyBboxPatch((left + 0.06, bottom + 0.06), right - left - 0.12, top - bottom - 0.12)
        box.set(boxstyle="round,pad=0.06", facecolor="none", edgecolor=NEUTRAL, linewidth=1.2)
        axes.add_patch(box)
        axes.text(right - 0.09, bottom + 0.07, f"${plate}$", ha="right", va="bottom", fontsize=10, color=INK)
    for a, b in model.edges:
        way = (at[b] - at[a]) / np.linalg.norm(at[b] - at[a])
        start, end = at[a] + way * _radius(model, a), at[b] - way * (_radius(model, b) + 0.01)
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0)
        arrow.set(color=INK, linewidth=1.2)
        axes.add_patch(arrow)
    for name, variable in model.variables.items():
        (x, y), constant = at[name].tolist(), variable.kind == "constant"
        face = {"latent": "white", "observed": SHADE, "constant": INK}[variable.kind]
        axes.add_patch(Circle((x, y), _radius(model, name), facecolor=face, edgecolor=INK, linewidth=1.2, zorder=3))
        axes.text(
            x, y + (0.2 if constant else 0), variable.label, ha="center", va="center", fontsize=12, color=INK, zorder=4
        )
    for line, factor in enumerate(model.factors):
        height = (low[1] + high[1] - 0.35) / 2 + 0.32 * ((len(model.factors) - 1) / 2 - line)
        axes.text(high[0] + 0.1, height, factor, ha="left", va="center", fontsize=11, color=INK)
    return figure


def _radius(model: PlateModel, name: str) -> float:
    return DOT if model.variables[name].kind == "constant" else RADIUS


def _box(model: PlateModel, at: dict[str, np.ndarray], plate: str) -> tuple[float, float, float, float]:
    """Left, bottom, right and top: around the variables on the plate, and the plates that stand on it."""
    members = [name for name, variable in model.variables.items() if plate in variable.plates]
    inner = {
        other
        for name in members
        for other in model.variables[name].plates[model.variables[name].plates.index(plate) + 1 :]
    }
    places = np.array([at[name] for name in members])
    (left, bottom), (right, top) = places.min(0) - MARGIN, places.max(0) + MARGIN
    bottom -= LETTER
    for other in inner:
        box = _box(model, at, other)
        left, right, top = min(left, box[0] - WITHIN), max(right, box[2] + WITHIN), max(top, box[3] + WITHIN)
        bottom = min(bottom, box[1] - WITHIN - LETTER)
    return float(left), float(bottom), float(right), float(top)
