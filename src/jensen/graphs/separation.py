"""What a directed acyclic graph says of independence: d-separation, by a ball that bounces along its arrows.

Sources: Pearl (1988), Probabilistic Reasoning in Intelligent Systems; Shachter (1998), Bayes-Ball: The Rational Pastime
(for determining irrelevance and requisite information in belief networks and influence diagrams).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from jensen.errors import JensenError
from jensen.graphs.network import check_acyclic, check_nodes

Step = Literal["chain", "fork", "collider"]
Nodes = str | Collection[str]


@dataclass(frozen=True)
class Trail:
    """A path along which two nodes depend on each other.

    Attributes:
        nodes: from one end to the other.
        forward: for each two neighbours, whether the arrow points from the first to the second.
    """

    nodes: tuple[str, ...]
    forward: tuple[bool, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """What each node between the ends is: a chain -> m ->, a fork <- m ->, or a collider -> m <-."""
        kinds: dict[tuple[bool, bool], Step] = {(False, True): "fork", (True, False): "collider"}
        return tuple(kinds.get(pair, "chain") for pair in zip(self.forward[:-1], self.forward[1:], strict=True))

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """The arrows along it, each from its cause to its effect."""
        pairs = zip(self.nodes[:-1], self.nodes[1:], self.forward, strict=True)
        return tuple((a, b) if forward else (b, a) for a, b, forward in pairs)

    def __str__(self) -> str:
        arrows = [" -> " if forward else " <- " for forward in self.forward]
        return "".join(text for pair in zip(self.nodes, [*arrows, ""], strict=True) for text in pair)


def d_separated(graph: nx.DiGraph, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
    """Whether every path between x and y is blocked given the nodes `given`: then x is independent of y given them.

    A path is blocked by a chain or a fork that is given, and by a collider that is not, nor any of its descendants.
    What stands above a fork, or below a chain, neither blocks nor opens.

    Args:
        graph: a directed acyclic graph.
        x, y, given: a node, or several; no node may be in two of them.

    Errors: an unknown node, sets that overlap, a cycle.

    >>> graph = nx.DiGraph([("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")])
    >>> d_separated(graph, "rain", "sprinkler"), d_separated(graph, "rain", "sprinkler", "slippery")
    (True, False)
    """
    return active_trail(graph, x, y, given) is None


def active_trail(graph: nx.DiGraph, x: Nodes, y: Nodes, given: Nodes = ()) -> Trail | None:
    """A shortest path from x to y that is open given the nodes `given`; None where they are d-separated.

    The ball (Shachter 1998) arrives at a node from a parent or from a child, and leaves by the rules of a chain, a fork
    or a collider. Among all its walks a shortest one visits no node twice: where it would, it could go on at once.

    Args and errors: as of `d_separated`.

    >>> str(active_trail(nx.DiGraph([("rain", "wet"), ("sprinkler", "wet")]), "rain", "sprinkler", "wet"))
    'rain -> wet <- sprinkler'
    """
    sources, targets, known = _disjoint(graph, x=x, y=y, given=given)
    opened = set(known).union(*(nx.ancestors(graph, node) for node in known))
    # A state of the ball: where it is, and whether it came along an arrow, that is from a parent.
    before: dict[tuple[str, bool], tuple[str, bool] | None] = {(node, False): None for node in sources}
    queue = deque(before)
    while queue:
        state = queue.popleft()
        if state[0] in targets:
            return _walked(before, state)
        for reached in moves(graph, state, known, opened):
            if reached not in before:
                before[reached] = state
                queue.append(reached)
    return None


def moves(
    graph: nx.DiGraph, state: tuple[str, bool], known: Collection[str], opened: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """Where the ball goes from here; `opened` are the given nodes and their ancestors."""
    node, from_parent = state
    if node not in known:  # a chain or a fork
        yield from ((child, True) for child in graph.successors(node))
    if node in opened if from_parent else node not in known:  # a collider, or a chain against the arrows
        yield from ((parent, False) for parent in graph.predecessors(node))


def _walked(before: dict[tuple[str, bool], tuple[str, bool] | None], end: tuple[str, bool]) -> Trail:
    walk = [end]
    while (previous := before[walk[-1]]) is not None:
        walk.append(previous)
    walk.reverse()
    return Trail(tuple(node for node, _ in walk), tuple(forward for _, forward in walk[1:]))


def markov_blanket(graph: nx.DiGraph, node: str) -> set[str]:
    """Parents, children and the other parents of the children: given these, the node is independent of all others."""
    check_nodes(graph, [node])
    children = set(graph.successors(node))
    return set(graph.predecessors(node)).union(children, *map(graph.predecessors, children)) - {node}


def moral_graph(graph: nx.DiGraph) -> nx.Graph:
    """The undirected graph in which the parents of each node are married: x_i - x_j where they share a table."""
    return nx.moral_graph(graph)


def minimal_separator(graph: nx.DiGraph, x: str, y: str) -> set[str] | None:
    """A set of fewest nodes that d-separates x from y, of those the one nearest to x; None where one is y's parent.

    Two nodes are d-separated by a set of their ancestors just where the set cuts them apart in the moral graph of all
    their ancestors (Lauritzen, Dawid, Larsen & Leimer 1990), so that it is a smallest cut.

    Errors: as of `d_separated`.
    """
    _disjoint(graph, x=x, y=y)
    if graph.has_edge(x, y) or graph.has_edge(y, x):
        return None
    ancestors = nx.ancestors(graph, x) | nx.ancestors(graph, y) | {x, y}
    moral = nx.moral_graph(graph.subgraph(ancestors))
    return set(nx.minimum_node_cut(moral, x, y)) if nx.has_path(moral, x, y) else set()


def _disjoint(graph: nx.DiGraph, **sets: Nodes) -> list[tuple[str, ...]]:
    """Each as a tuple of nodes, none of which is in two."""
    check_acyclic(graph)
    found = [(names,) if isinstance(names, str) else tuple(names) for names in sets.values()]
    seen: dict[str, str] = {}
    for what, names in zip(sets, found, strict=True):
        check_nodes(graph, names)
        if not names and what != "given":
            raise JensenError(f"{what} names no node: give at least one")
        for name in names:
            if seen.setdefault(name, what) != what:
                raise JensenError(f"'{name}' is both in {seen[name]} and in {what}: leave it out of one of them")
    return found
