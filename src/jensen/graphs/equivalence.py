"""Which directed acyclic graphs say the same: v-structures, the graph of a Markov equivalence class, its size.

Sources: Verma & Pearl (1990), Equivalence and Synthesis of Causal Models; Meek (1995), Causal inference and causal
explanation with background knowledge; He, Jia & Yu (2015), Counting and exploring sizes of Markov equivalence classes
of directed acyclic graphs; Tsamardinos, Brown & Aliferis (2006), The max-min hill-climbing Bayesian network structure
learning algorithm (the distance).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from jensen.errors import JensenError
from jensen.graphs.network import check_acyclic

Edge = tuple[str, str]
Triple = tuple[str, str, str]


@dataclass(frozen=True)
class PartiallyDirected:
    """A graph some of whose edges have a direction.

    Attributes:
        nodes: their names.
        directed: (a, b) where a -> b.
        undirected: {a, b} where a - b.

    Errors: an edge at a node that is not there, from a node to itself, or twice between two nodes.
    """

    nodes: tuple[str, ...]
    directed: frozenset[Edge]
    undirected: frozenset[frozenset[str]]

    def __post_init__(self) -> None:
        pairs = [frozenset(edge) for edge in self.directed] + list(self.undirected)
        for pair in pairs:
            if len(pair) != 2 or not pair <= set(self.nodes):
                raise JensenError(f"an edge joins two of the nodes, got {sorted(pair)}: name two of the graph's nodes")
        if len(set(pairs)) < len(pairs):
            raise JensenError("two nodes are joined by more than one edge: keep one")

    @property
    def skeleton(self) -> frozenset[frozenset[str]]:
        """The pairs of nodes that an edge joins, whatever its direction."""
        return self.undirected.union(map(frozenset, self.directed))

    def as_json(self) -> dict[str, list[list[str]]]:
        """{"directed": [[a, b]...], "undirected": [[a, b]...]}, sorted."""
        return {
            "directed": sorted(map(list, self.directed)),
            "undirected": sorted(sorted(edge) for edge in self.undirected),
        }


@dataclass(frozen=True)
class Difference:
    """An edge or a v-structure that one of two graphs has and the other lacks.

    Attributes:
        kind: "edge", of whatever direction, between two nodes; or "v-structure" a -> c <- b, as (a, c, b).
        nodes: which.
        only_in: the graph that has it.
    """

    kind: Literal["edge", "v-structure"]
    nodes: tuple[str, ...]
    only_in: Literal["first", "second"]

    def __str__(self) -> str:
        drawn = " - ".join(self.nodes) if self.kind == "edge" else "{} -> {} <- {}".format(*self.nodes)
        return f"{self.kind} {drawn} in the {self.only_in} only"


def v_structures(dag: nx.DiGraph) -> frozenset[Triple]:
    """All (a, c, b), a before b, with a -> c <- b and no edge between a and b.

    >>> sorted(v_structures(nx.DiGraph([("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")])))
    [('rain', 'wet', 'sprinkler')]
    """
    check_acyclic(dag)
    return frozenset(
        (a, node, b)
        for node in dag
        for a, b in itertools.combinations(sorted(dag.predecessors(node)), 2)
        if not dag.has_edge(a, b) and not dag.has_edge(b, a)
    )


def cpdag(dag: nx.DiGraph) -> PartiallyDirected:
    """The completed partially directed graph: a -> b where every DAG of the class has it so, a - b where they differ.

    The class are the DAGs with the same edges and the same v-structures (Verma & Pearl 1990), which are those with the
    same d-separations. The edges of v-structures are directed; what follows from them, Meek's rules say.

    Errors: a cycle.
    """
    arrows = {edge for a, c, b in v_structures(dag) for edge in ((a, c), (b, c))}
    return meek(tuple(dag), map(frozenset, dag.edges), arrows)


def equivalent(first: nx.DiGraph, second: nx.DiGraph) -> tuple[Difference, ...]:
    """What tells two DAGs over the same nodes apart: nothing, where they are Markov equivalent.

    Errors: a cycle; other nodes.
    """
    _check_same_nodes(first, second)
    edges = [{tuple(sorted(edge)) for edge in dag.edges} for dag in (first, second)]
    triples = [v_structures(dag) for dag in (first, second)]
    found = []
    for kind, (one, other) in (("edge", edges), ("v-structure", triples)):
        found += [Difference(kind, nodes, "first") for nodes in sorted(one - other)]  # type: ignore[arg-type]
        found += [Difference(kind, nodes, "second") for nodes in sorted(other - one)]  # type: ignore[arg-type]
    return tuple(found)


def structural_hamming_distance(first: PartiallyDirected, second: PartiallyDirected) -> int:
    """The number of pairs of nodes that the two join differently: by no edge, -, -> or <-. Each pair counts once.

    Errors: other nodes.
    """
    _check_same_nodes(first.nodes, second.nodes)
    differing = {frozenset(edge) for edge in first.directed ^ second.directed}
    return len(differing | (first.undirected ^ second.undirected))


def class_size(graph: nx.DiGraph | PartiallyDirected) -> int:
    """How many DAGs are Markov equivalent to a DAG, or have a given CPDAG.

    What is undirected in a CPDAG falls into chordal components, which are directed independently, each without a
    v-structure and from a single source: size = Π over components of Σ over sources v of the size of the class that
    is left when all edges point away from v (He, Jia & Yu 2015).

    Errors: a cycle; a partially directed graph that no DAG has.
    """
    undirected = nx.Graph(map(tuple, (cpdag(graph) if isinstance(graph, nx.DiGraph) else graph).undirected))
    if not nx.is_chordal(undirected):
        raise JensenError("no DAG has these undirected edges: a cycle of 4 or more among them lacks a chord")
    return _count(undirected, {})


def meek(
    nodes: tuple[str, ...],
    skeleton: Iterable[frozenset[str]],
    arrows: Iterable[Edge],
    undecided: Collection[Triple] = (),
) -> PartiallyDirected:
    """Directs what follows from some arrows if no further v-structure and no cycle may arise (Meek 1995).

    a - b becomes a -> b by rule
    1. where c -> a, with c and b not joined: else a would be a collider;
    2. where a -> c -> b: else there is a cycle;
    3. where a - c -> b and a - d -> b, with c and d not joined;
    4. where a - c -> d -> b, with c and b not joined, and a and d joined.

    The rules are asked of all edges at once, then again of what came out, so that the result does not depend on an
    order; an edge that they would direct both ways, which happens where the arrows contradict each other, stays as it
    is.

    Args:
        nodes: their names.
        skeleton: the pairs that are joined.
        arrows: the edges a -> b that are directed already.
        undecided: triples (a, c, b), both ways round, of which it is not known whether c is a collider: rule 1 leaves
            them alone.
    """
    directed = set(arrows)
    undirected = set(skeleton) - {frozenset(edge) for edge in directed}
    graph = _Neighbours(nodes, directed, undirected)
    while True:
        asked = [
            (a, b) for edge in undirected for a, b in itertools.permutations(edge) if graph.follows(a, b, undecided)
        ]
        new = [(a, b) for a, b in asked if (b, a) not in asked]
        if not new:
            return PartiallyDirected(nodes, frozenset(directed), frozenset(undirected))
        for a, b in new:
            graph.direct(a, b)
        directed.update(new)
        undirected.difference_update(map(frozenset, new))


class _Neighbours:
    """Parents, children and undirected neighbours of each node."""

    def __init__(self, nodes: Iterable[str], directed: Iterable[Edge], undirected: Iterable[frozenset[str]]) -> None:
        self.parents: dict[str, set[str]] = {node: set() for node in nodes}
        self.children: dict[str, set[str]] = {node: set() for node in self.parents}
        self.beside: dict[str, set[str]] = {node: set() for node in self.parents}
        for a, b in directed:
            self.children[a].add(b)
            self.parents[b].add(a)
        for a, b in undirected:
            self.beside[a].add(b)
            self.beside[b].add(a)
        self.joined = {node: self.parents[node] | self.children[node] | self.beside[node] for node in self.parents}

    def direct(self, a: str, b: str) -> None:
        self.beside[a].discard(b)
        self.beside[b].discard(a)
        self.children[a].add(b)
        self.parents[b].add(a)

    def follows(self, a: str, b: str, undecided: Collection[Triple]) -> bool:
        """Whether one of the rules directs a - b to a -> b."""
        if any(c not in self.joined[b] and (c, a, b) not in undecided for c in self.parents[a]):
            return True
        if self.children[a] & self.parents[b]:
            return True
        between = self.beside[a] & self.parents[b]
        if any(d not in self.joined[c] for c, d in itertools.combinations(between, 2)):
            return True
        return any(
            c not in self.joined[b] and self.children[c] & self.parents[b] & self.joined[a] for c in self.beside[a]
        )


def _count(graph: nx.Graph, known: dict[frozenset[str], int]) -> int:
    """Directions of all edges without a cycle or a v-structure; `known` holds those of components counted before."""
    return math.prod(_count_component(graph.subgraph(part), known) for part in nx.connected_components(graph))


def _count_component(component: nx.Graph, known: dict[frozenset[str], int]) -> int:
    nodes, edges = len(component), component.number_of_edges()
    if edges == nodes - 1:  # a tree
        return nodes
    if edges == nodes * (nodes - 1) // 2:  # complete
        return math.factorial(nodes)
    key = frozenset(component)
    if key not in known:
        known[key] = sum(_count(rest, known) for rest in map(lambda node: _rooted(component, node), component))
    return known[key]


def _rooted(component: nx.Graph, root: str) -> nx.Graph:
    """What stays undirected where the root is the one source."""
    arrows = [(root, node) for node in component[root]]
    return nx.Graph(map(tuple, meek(tuple(component), map(frozenset, component.edges), arrows).undirected))


def _check_same_nodes(first: Iterable[str], second: Iterable[str]) -> None:
    odd = sorted(set(first) ^ set(second))
    if odd:
        raise JensenError(f"'{odd[0]}' is a node of one graph only: compare graphs over the same nodes")
