"""Bayesian networks of discrete variables: a directed acyclic graph, and a table p(x_i | parents of x_i) for each node.

Source: Pearl (1988), Probabilistic Reasoning in Intelligent Systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
from jaxtyping import Float64, Int64

from jensen.errors import JensenError, unknown

# What a row of a table may be off 1 by the rounding of its decimals.
ROUNDING = 1e-5
# Entries of the largest table that is made: 512 megabytes.
LARGEST_TABLE = 2**26


@dataclass(frozen=True, eq=False)
class DiscreteNetwork:
    """p(x) = ∏_i p(x_i | x_pa(i)) for discrete x_i.

    Attributes:
        graph: the directed acyclic graph; its nodes are the columns of rows x, in their order.
        states: the names of each node's states.
        tables: p(x_i | x_pa(i)) of each node, float64 of shape (states of each parent ..., states of the node); the
            parents in the order of `graph.predecessors(node)`.

    Errors: a cycle; states or a table that a node lacks; a table of another shape, with a negative entry, or with a row
    that does not sum to 1. A row that is off by rounding, at most 1e-5, is divided by its sum.
    """

    graph: nx.DiGraph
    states: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        check_acyclic(self.graph)
        checked = {}
        for node in self.graph:
            for what, given in (("states", self.states), ("table", self.tables)):
                if node not in given:
                    raise JensenError(f"node '{node}' has no {what}: give each node of the graph its own")
            checked[node] = _checked(node, np.asarray(self.tables[node], np.float64), self._shape(node))
        object.__setattr__(self, "tables", checked)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes, in the order of the columns of rows x."""
        return tuple(self.graph)

    def parents(self, node: str) -> tuple[str, ...]:
        """The parents of a node, in the order of the axes of its table."""
        return tuple(self.graph.predecessors(node))

    @property
    def num_parameters(self) -> int:
        """Free parameters: Σ_i (states of i - 1) ∏ (states of its parents)."""
        return sum(table.size // table.shape[-1] * (table.shape[-1] - 1) for table in self.tables.values())

    def sample(self, num_samples: int) -> Int64[np.ndarray, "num_samples nodes"]:
        """Ancestral sampling: each node given its parents, all rows at once, from torch's random state.

        Returns:
            The number of each state, (N, nodes).
        """
        import torch

        rows = np.zeros((num_samples, len(self.nodes)), np.int64, order="F")
        for node in nx.topological_sort(self.graph):
            given = self.row_numbers(rows, node)
            u = torch.rand(num_samples, dtype=torch.float64).numpy()
            drawn = rows[:, self._place[node]]
            # u lies above the sums of the states before the one that is drawn.
            for below in self.tables[node].cumsum(-1)[..., :-1].reshape(-1, self._shape(node)[-1] - 1).T:
                drawn += u >= below.take(given)
        return rows

    def log_prob(self, rows: Int64[np.ndarray, "batch nodes"]) -> Float64[np.ndarray, "batch"]:
        """log p(x) in nats of rows of state numbers, (N, nodes) -> (N,); -inf where a row cannot be."""
        total = np.zeros(len(rows))
        for node, table in self.tables.items():
            number = self.row_numbers(rows, node) * table.shape[-1] + rows[:, self._place[node]]
            with np.errstate(divide="ignore"):
                total += np.log(table).take(number)
        return total

    def joint(self) -> np.ndarray:
        """The probability of every configuration, an axis a node; for small networks."""
        shape = tuple(len(self.states[node]) for node in self.nodes)
        check_size(shape, "the joint table")
        product = np.ones(shape)
        for node, table in self.tables.items():
            names = (*self.parents(node), node)
            order = sorted(names, key=self._place.__getitem__)
            aligned = table.transpose([names.index(name) for name in order])
            product *= aligned.reshape(
                [size if name in names else 1 for name, size in zip(self.nodes, shape, strict=True)]
            )
        return product

    def names_of(self, rows: Int64[np.ndarray, "batch nodes"]) -> np.ndarray:
        """The names of the states that rows of numbers stand for, (N, nodes)."""
        return np.stack([np.array(self.states[node], object)[rows[:, i]] for i, node in enumerate(self.nodes)], 1)

    def state_number(self, node: str, state: str) -> int:
        """The number of a state of a node, each given by name."""
        check_nodes(self.graph, [node])
        if state not in self.states[node]:
            raise unknown(f"state of {node}", state, self.states[node])
        return self.states[node].index(state)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {node: place for place, node in enumerate(self.graph)}

    def row_numbers(self, rows: Int64[np.ndarray, "batch nodes"], node: str) -> Int64[np.ndarray, "batch"]:
        """Which row of a node's table, counted through, each row x is about: the states of the node's parents."""
        number = np.zeros(len(rows), np.int64)
        for parent in self.parents(node):
            number *= len(self.states[parent])
            number += rows[:, self._place[parent]]
        return number

    def _shape(self, node: str) -> tuple[int, ...]:
        return tuple(len(self.states[name]) for name in (*self.parents(node), node))


def factorisation(graph: nx.DiGraph) -> str:
    """p(x) as the product that the graph says it is, causes first.

    >>> factorisation(nx.DiGraph([("rain", "wet"), ("sprinkler", "wet")]))
    'p(rain, sprinkler, wet) = p(rain) p(sprinkler) p(wet | rain, sprinkler)'
    """
    check_acyclic(graph)
    order = list(nx.lexicographical_topological_sort(graph, key=list(graph).index))
    given = {node: ", ".join(graph.predecessors(node)) for node in order}
    factors = [f"p({node} | {parents})" if parents else f"p({node})" for node, parents in given.items()]
    return f"p({', '.join(order)}) = {' '.join(factors)}"


def structure(graph: nx.DiGraph) -> str:
    """The graph as text, each node with its parents, as bnlearn (Scutari 2010) writes it.

    Errors: a name with one of the characters [ ] | : which have a meaning here.

    >>> structure(nx.DiGraph([("rain", "wet"), ("sprinkler", "wet")]))
    '[rain][wet|rain:sprinkler][sprinkler]'
    """
    strange = next((node for node in graph if set(node) & set("[]|:")), None)
    if strange is not None:
        raise JensenError(f"the node '{strange}' has one of the characters [ ] | : in its name: give it another")
    return _written((node, ":".join(graph.predecessors(node))) for node in graph)


def graph_of(text: str) -> nx.DiGraph:
    """The inverse of `structure`: the nodes in the order of the text.

    Errors: text of another form, a parent that is no node, a node that comes twice, a cycle.

    >>> graph_of("[rain][wet|rain:sprinkler][sprinkler]").edges
    OutEdgeView([('rain', 'wet'), ('sprinkler', 'wet')])
    """
    items = re.findall(r"\[([^\[\]|:]+)(?:\|([^\[\]|]+))?\]", text)
    if not items or _written(items) != text:
        raise JensenError(f"a graph is written [rain][sprinkler][wet|rain:sprinkler], got '{text}'")
    graph = nx.DiGraph()
    graph.add_nodes_from(node for node, _ in items)
    if len(graph) < len(items):
        raise JensenError(f"the graph '{text}' has a node twice: leave one out")
    for node, parents in items:
        for parent in filter(None, parents.split(":")):
            check_nodes(graph, [parent])
            graph.add_edge(parent, node)
    check_acyclic(graph)
    return graph


def check_acyclic(graph: nx.DiGraph) -> None:
    """Raises where the graph has a cycle, which it names."""
    if not nx.is_directed_acyclic_graph(graph):
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
        raise JensenError(
            f"the graph has a cycle, {' -> '.join([*cycle, cycle[0]])}: leave one of its arrows out or turn it round"
        )


def check_nodes(graph: nx.DiGraph, names: Iterable[str]) -> None:
    """Raises where one of these is no node, with the nearest that is."""
    for name in names:
        if name not in graph:
            raise unknown("node", name, graph)


def check_size(shape: tuple[int, ...], what: str) -> None:
    """Raises where a table of this shape is more than is made."""
    entries = 1
    for size in shape:
        entries *= size
    if entries > LARGEST_TABLE:
        raise JensenError(
            f"{what} of {len(shape)} variables would have {float(entries):.3g} entries, at most {LARGEST_TABLE:,} are "
            "made: ask for fewer variables at a time"
        )


def rounded_to_one(row: np.ndarray) -> np.ndarray:
    """A row of a table divided by its sum where that is off 1 by more than the last bits.

    Errors: a negative entry, or one that is no number; a sum that is further off than by rounding.
    """
    if not (row >= 0).all():
        raise JensenError(f"has the entry {row[~(row >= 0)][0]:g}, expected probabilities from 0 to 1: mend it")
    if abs(row.sum() - 1) > ROUNDING:
        raise JensenError(f"sums to {row.sum():.6g}, expected 1: mend its entries")
    return row / row.sum() if abs(row.sum() - 1) > 1e-12 else row


def _written(items: Iterable[tuple[str, str]]) -> str:
    return "".join(f"[{node}|{parents}]" if parents else f"[{node}]" for node, parents in items)


def _checked(node: str, table: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if table.shape != shape:
        raise JensenError(
            f"the table of '{node}' has the shape {table.shape}, expected {shape}: its parents, then itself"
        )
    rows = table.reshape(-1, shape[-1])
    wrong = (~(rows >= 0)).any(1) | (abs(rows.sum(1) - 1) > 1e-12)
    if not wrong.any():
        return table
    rows = rows.copy()
    for place in np.flatnonzero(wrong):
        try:
            rows[place] = rounded_to_one(rows[place])
        except JensenError as error:
            where = np.unravel_index(place, shape[:-1])
            raise JensenError(f"the table of '{node}': the row {tuple(map(int, where))} {error}") from error
    return rows.reshape(shape)
