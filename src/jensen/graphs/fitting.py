"""The conditionals of a given graph, learned from data by maximum likelihood: tables, and linear Gaussians.

Sources: Spiegelhalter and Lauritzen (1990), Sequential updating of conditional probabilities on directed graphical
structures; Shachter and Kenley (1989), Gaussian influence diagrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import networkx as nx
import numpy as np
from jaxtyping import Float, Int64

from jensen.errors import JensenError
from jensen.graphs.network import DiscreteNetwork, check_size


def fit_tables(
    graph: nx.DiGraph,
    states: Mapping[str, tuple[str, ...]],
    rows: Int64[np.ndarray, "batch nodes"],
    pseudo_count: float = 0.0,
) -> DiscreteNetwork:
    """p(x_i = s | x_pa(i) = c) = (n_cs + a) / (n_c + a S), n the counts of the rows.

    Args:
        graph: a directed acyclic graph; its nodes are the columns of the rows, in their order.
        states: the names of each node's states.
        rows: state numbers, (N, nodes).
        pseudo_count: a; 0 is maximum likelihood, a > 0 the mean of the posterior under a Dirichlet prior of these
            parameters. Where a is 0, parents' states that no row has leave their row of the table uniform.

    Errors: a number that stands for no state, a negative pseudo-count, a table that would be too large.

    >>> rows = np.array([[0, 0], [0, 1], [0, 1], [1, 1]])
    >>> both = ("yes", "no")
    >>> fit_tables(nx.DiGraph([("a", "b")]), {"a": both, "b": both}, rows).tables["b"].round(3).tolist()
    [[0.333, 0.667], [0.0, 1.0]]
    """
    if not pseudo_count >= 0:
        raise JensenError(f"pseudo_count must be at least 0, got {pseudo_count}: 0 is maximum likelihood")
    for place, node in enumerate(graph):
        wrong = (rows[:, place] < 0) | (rows[:, place] >= len(states[node]))
        if wrong.any():
            row = int(wrong.argmax())
            raise JensenError(
                f"column '{node}' holds {rows[row, place]} at row {row}, expected the number of a state, 0 to "
                f"{len(states[node]) - 1}: load the data with the model's own treatment"
            )
    network = uniform(graph, states)
    tables = {}
    for place, node in enumerate(graph):
        shape = network.tables[node].shape
        number = network.row_numbers(rows, node) * shape[-1] + rows[:, place]
        counts = np.bincount(number, minlength=int(np.prod(shape))).reshape(shape) + pseudo_count
        seen = counts.sum(-1, keepdims=True)
        tables[node] = np.divide(counts, seen, out=network.tables[node], where=seen > 0)
    return DiscreteNetwork(graph, states, tables)


def uniform(graph: nx.DiGraph, states: Mapping[str, tuple[str, ...]]) -> DiscreteNetwork:
    """The network whose tables know nothing.

    Errors: a table that would be too large.
    """
    tables = {}
    for node in graph:
        shape = tuple(len(states[name]) for name in (*graph.predecessors(node), node))
        check_size(shape, f"the table of '{node}'")
        tables[node] = np.full(shape, 1 / shape[-1])
    return DiscreteNetwork(graph, states, tables)


class LinearGaussian(NamedTuple):
    """x_i = intercept_i + Σ_j weight_ij x_j + scale_i ε_i, ε_i ~ N(0, 1), over the parents j of i.

    intercept and scale (nodes,), weight (nodes, nodes), which is 0 where the graph has no arrow j -> i.
    """

    intercept: np.ndarray
    weight: np.ndarray
    scale: np.ndarray


def fit_linear_gaussian(graph: nx.DiGraph, rows: Float[np.ndarray, "batch nodes"]) -> LinearGaussian:
    """Least squares of each node on its parents; the variance is that of the residuals, divided by N.

    Args:
        graph: a directed acyclic graph; its nodes are the columns of the rows, in their order.
        rows: real values, (N, nodes).

    Errors: a column that is constant, or a linear function of its parents, and parents that are linear functions of
        each other: the likelihood then has no bound, or no one maximum. Fewer rows than a node has coefficients.
    """
    place = {node: number for number, node in enumerate(graph)}
    centre, spread = rows.mean(0), rows.std(0)
    fitted = LinearGaussian(centre.copy(), np.zeros((len(place), len(place))), spread.copy())
    for node, i in place.items():
        if not spread[i] > 0:
            raise JensenError(f"column '{node}' never varies, so that its likelihood has no bound: drop it")
        parents = [place[parent] for parent in graph.predecessors(node)]
        if len(rows) < len(parents) + 2:
            raise JensenError(
                f"'{node}' has {len(parents)} parents, which takes {len(parents) + 2} rows or more, got {len(rows)}: "
                "give more rows"
            )
        # In units of the columns' own spread, so that what is singular is so in any units.
        x = (rows[:, parents] - centre[parents]) / spread[parents]
        y = (rows[:, i] - centre[i]) / spread[i]
        weight, _, rank, _ = np.linalg.lstsq(x, y, rcond=1e-10)
        scale = float(np.sqrt(np.mean((y - x @ weight) ** 2)))
        if rank < len(parents):
            raise JensenError(
                f"the parents of '{node}' are linear functions of each other in the data: leave out one of their arrows"
            )
        if scale < 1e-10:
            raise JensenError(
                f"column '{node}' is a linear function of its parents, so that its likelihood has no bound: drop it"
            )
        fitted.weight[i, parents] = weight * spread[i] / spread[parents]
        fitted.intercept[i] = centre[i] - fitted.weight[i, parents] @ centre[parents]
        fitted.scale[i] = scale * spread[i]
    return fitted
