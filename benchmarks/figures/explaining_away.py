"""Explaining away: two causes that are independent, until the effect that they share is seen.

    rain -> wet <- sprinkler,   p(rain) = .2, p(sprinkler) = .3,   wet -> slippery

The grass is dry where neither was; rain wets it with probability .9, the sprinkler with .8, each on its own. Given that
the grass is wet each cause is likelier; given rain too, the sprinkler falls back almost to where it was. A descendant
of the collider, slippery grass, does the same in part. All is exact, by variable elimination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from benchmarks.figures.common import markdown
from jensen.graphs import DiscreteNetwork, d_separated, query
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RAIN, SPRINKLER, SLIPS_DRY, SLIPS_WET = 0.2, 0.3, 0.1, 0.7
STATES = ("no", "yes")
GIVEN: list[dict[str, str]] = [
    {}, {"rain": "yes"}, {"wet": "yes"}, {"wet": "yes", "rain": "yes"}, {"slippery": "yes"},
    {"slippery": "yes", "rain": "yes"},
]  # fmt: skip

Found = list[
    tuple[str, float, bool]
]  # what is given, p(sprinkler = yes | it), whether the causes are d-separated by it


def network() -> DiscreteNetwork:
    graph = nx.DiGraph([("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")])
    dry = np.outer((1, 0.1), (1, 0.2))  # p(wet = no | rain, sprinkler)
    tables = {
        "rain": np.array([1 - RAIN, RAIN]),
        "sprinkler": np.array([1 - SPRINKLER, SPRINKLER]),
        "wet": np.stack([dry, 1 - dry], -1),
        "slippery": np.array([[1 - SLIPS_DRY, SLIPS_DRY], [1 - SLIPS_WET, SLIPS_WET]]),
    }
    return DiscreteNetwork(graph, dict.fromkeys(tables, STATES), tables)


def compute(tiny: bool) -> Found:
    of = network()
    found = []
    for given in GIVEN:
        seen = [name for name in given if name != "rain"]
        words = ", ".join(f"{name} = {state}" for name, state in given.items()) or "nothing"
        p = float(query(of, "sprinkler", given)[1])
        found.append((words, p, d_separated(of.graph, "rain", "sprinkler", seen)))
    return found


def table(found: Found) -> str:
    rows = [(words, f"{p:.4f}", "d-separated" if apart else "not") for words, p, apart in found]
    return markdown(("given", "p(sprinkler = yes)", "rain and sprinkler, given the rest"), rows)


def draw(found: Found) -> Figure:
    figure = new_figure(6.6, 3.0)
    axes = figure.subplots()
    words = [words for words, _, _ in found][::-1]
    p = [p for _, p, _ in found][::-1]
    colors = [SECOND if "rain" in given else FIRST for given in words]
    axes.barh(words, p, color=colors, height=0.6)
    for place, value in enumerate(p):
        axes.text(value + 0.01, place, f"{value:.3f}", va="center", fontsize=9, color=INK)
    axes.axvline(SPRINKLER, color=NEUTRAL, linewidth=1, linestyle=":")
    axes.set_xlim(0, 0.85)
    axes.set_xlabel("p(sprinkler = yes | given)", fontsize=9, color=INK)
    tidy(axes)
    axes.grid(axis="y", visible=False)
    return figure
