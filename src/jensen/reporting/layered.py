"""Where the nodes of a directed graph are drawn: in layers, causes above effects, with few crossings.

Source: Sugiyama, Tagawa & Toda (1981), Methods for visual understanding of hierarchical system structures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

Edge = tuple[str, str]
Node = str | tuple[str, str, int]  # of the graph; or where the edge (a, b) passes through a layer

SWEEPS = 12
GAP = 0.35  # between two nodes side by side
THROUGH = 0.15  # the width that an edge takes where it passes a layer


@dataclass(frozen=True)
class Layout:
    """Positions, in units of the widths that were given and of layers.

    Attributes:
        x: the middle of each node.
        layer: 0 is the top.
        through: for each edge (upper, lower), the x at which it passes each layer between its ends.
    """

    x: Mapping[str, float]
    layer: Mapping[str, int]
    through: Mapping[Edge, list[float]]


def layered(nodes: Sequence[str], arrows: Iterable[Edge], lines: Iterable[Edge], width: Mapping[str, float]) -> Layout:
    """Every arrow points down, but for those that close a cycle; lines go down too, as they fit.

    Args:
        nodes: their names.
        arrows: directed edges.
        lines: undirected ones.
        width: of each node.
    """
    dag: nx.DiGraph = nx.DiGraph()
    dag.add_nodes_from(nodes)
    for a, b in [*sorted(arrows), *sorted(map(sorted, lines))]:
        dag.add_edge(*((b, a) if nx.has_path(dag, b, a) else (a, b)))
    layer = _layers(dag)
    rows: list[list[Node]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name in nodes:
        rows[layer[name]].append(name)
    links: nx.Graph = nx.Graph()
    links.add_nodes_from(nodes)
    for a, b in dag.edges:
        path: list[Node] = [a, *((a, b, place) for place in range(layer[a] + 1, layer[b])), b]
        for place, node in enumerate(path[1:-1], layer[a] + 1):
            rows[place].append(node)
        nx.add_path(links, path)
    wide = {node: width[node] if isinstance(node, str) else THROUGH for node in links}
    x = _across(rows, links, wide)
    through = {(a, b): [x[a, b, place] for place in range(layer[a] + 1, layer[b])] for a, b in dag.edges}
    return Layout({name: x[name] for name in nodes}, layer, through)


def _layers(dag: nx.DiGraph) -> dict[str, int]:
    """The length of the longest path to each node; what has no parents stands just above its uppermost child."""
    layer: dict[str, int] = {}
    for node in nx.topological_sort(dag):
        layer[node] = max((layer[parent] + 1 for parent in dag.predecessors(node)), default=0)
    for node in dag:
        if not dag.in_degree(node) and dag.out_degree(node):
            layer[node] = min(layer[child] for child in dag.successors(node)) - 1
    return layer


def _across(rows: list[list[Node]], links: nx.Graph, width: Mapping[Node, float]) -> dict[Node, float]:
    """x of each node: rows are ordered by the means of the neighbours, then each is drawn to its neighbours."""
    x = {node: float(place) for row in rows for place, node in enumerate(row)}
    place_of = {node: place for place, row in enumerate(rows) for node in row}
    best: tuple[int, list[list[Node]]] | None = None
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for place in range(len(rows)) if down else reversed(range(len(rows))):
            beside = place - 1 if down else place + 1
            wanted = {
                node: np.mean([x[other] for other in links[node] if place_of[other] == beside] or [x[node]])
                for node in rows[place]
            }
            rows[place] = sorted(rows[place], key=wanted.__getitem__)
            x.update({node: float(at) - len(rows[place]) / 2 for at, node in enumerate(rows[place])})
        crossings = _crossings(rows, links, place_of, x)
        if best is None or crossings < best[0]:
            best = crossings, [list(row) for row in rows]
    rows = best[1] if best else rows
    offsets = []
    for row in rows:
        wide = np.array([width[node] for node in row])
        offsets.append(np.concatenate([[0.0], ((wide[1:] + wide[:-1]) / 2 + GAP).cumsum()]))
        x.update(zip(row, (offsets[-1] - offsets[-1].mean()).tolist(), strict=True))
    for _ in range(8 * SWEEPS):
        for row, offset in zip(rows, offsets, strict=True):
            wanted = np.array([np.mean([x[other] for other in links[node]] or [x[node]]) for node in row]) - offset
            # The mean of the least sequences without overlap above and below what is wanted.
            spaced = (np.maximum.accumulate(wanted) + np.minimum.accumulate(wanted[::-1])[::-1]) / 2 + offset
            x.update(zip(row, spaced.tolist(), strict=True))
    return x


def _crossings(rows: list[list[Node]], links: nx.Graph, place_of: Mapping[Node, int], x: Mapping[Node, float]) -> int:
    total = 0
    for place, row in enumerate(rows[:-1]):
        ends = np.array([(x[a], x[b]) for a in row for b in links[a] if place_of[b] == place + 1])
        if len(ends):
            upper, lower = (np.sign(np.subtract.outer(end, end)) for end in ends.T)
            total += int((upper * lower < 0).sum()) // 2
    return total
