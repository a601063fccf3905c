"""d-separation against brute force, against the moral graph, against probabilities, and oracle G1."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from tests.graphs.asia import asia
from tests.graphs.dags import ASIA, all_dags, random_dags

from jensen.errors import JensenError
from jensen.graphs import (
    Trail,
    active_trail,
    d_separated,
    markov_blanket,
    minimal_separator,
    moral_graph,
    query,
)

Below = dict[str, set[str]]


def below(graph: nx.DiGraph) -> Below:
    """Each node with its descendants."""
    return {node: {node} | nx.descendants(graph, node) for node in graph}


def is_open(graph: nx.DiGraph, descendants: Below, path: Sequence[str], given: set[str]) -> bool:
    """The definition, of one path."""
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        if graph.has_edge(before, node) and graph.has_edge(after, node):
            if not given & descendants[node]:
                return False
        elif node in given:
            return False
    return True


def assert_open(graph: nx.DiGraph, descendants: Below, trail: Trail, given: set[str]) -> None:
    """It is a path, its arrows and steps are those of the graph, and nothing blocks it."""
    assert len(set(trail.nodes)) == len(trail.nodes)
    for start, end, forward in zip(trail.nodes, trail.nodes[1:], trail.forward, strict=False):
        assert graph.has_edge(start, end) if forward else graph.has_edge(end, start)
    assert is_open(graph, descendants, trail.nodes, given)
    for place, step in enumerate(trail.steps, 1):
        before, node, after = trail.nodes[place - 1 : place + 2]
        into = graph.has_edge(before, node) + graph.has_edge(after, node)
        assert step == ["fork", "chain", "collider"][into]


def subsets(names: list[str]) -> list[tuple[str, ...]]:
    return [given for size in range(len(names) + 1) for given in itertools.combinations(names, size)]


def test_all_dags_of_four_nodes() -> None:
    dags = all_dags(4)
    assert len(dags) == 543
    for graph in dags:
        skeleton, descendants = graph.to_undirected(), below(graph)
        for x, y in itertools.combinations(graph, 2):
            paths = list(nx.all_simple_paths(skeleton, x, y))
            separating = []
            for given in subsets([node for node in graph if node not in (x, y)]):
                trail = active_trail(graph, x, y, given)
                opened = [path for path in paths if is_open(graph, descendants, path, set(given))]
                assert (trail is None) == (not opened)
                if trail is None:
                    separating.append(given)
                else:
                    assert_open(graph, descendants, trail, set(given))
                    assert len(trail.nodes) == min(map(len, opened)), "a shortest one"
            smallest = minimal_separator(graph, x, y)
            assert (smallest is None) == (not separating)
            if smallest is not None:
                assert d_separated(graph, x, y, smallest)
                assert len(smallest) == min(map(len, separating))


def test_random_dags_of_seven_nodes_against_the_moral_graph() -> None:
    draws = random.Random(1)
    answers = {True: 0, False: 0}
    for graph in random_dags(200):
        descendants = below(graph)
        for _ in range(15):
            nodes = draws.sample(list(graph), 7)
            a, b, c = draws.choice([(1, 2, 2), (1, 2, 3), (1, 2, 4), (1, 2, 5), (2, 4, 6), (1, 3, 5)])
            x, y, given = nodes[:a], nodes[a:b], nodes[b:c]
            kept = set(nodes[:c]).union(*(nx.ancestors(graph, node) for node in nodes[:c]))
            cut = moral_graph(graph.subgraph(kept)).subgraph(kept - set(given))
            reached = set().union(*(nx.node_connected_component(cut, node) for node in x))
            trail = active_trail(graph, x, y, given)
            assert (trail is None) == (not reached & set(y))
            answers[trail is None] += 1
            if trail is not None:
                assert_open(graph, descendants, trail, set(given))
                assert trail.nodes[0] in x
                assert trail.nodes[-1] in y
    assert min(answers.values()) > 500, "both answers are tried"


def test_asia_counts() -> None:
    counts: dict[int, list[int]] = {}
    for x, y in itertools.combinations(ASIA, 2):
        for given in subsets([node for node in ASIA if node not in (x, y)]):
            counts.setdefault(len(given), []).append(d_separated(ASIA, x, y, given))
    assert [(sum(answers), len(answers)) for _, answers in sorted(counts.items())] == [
        (6, 28),
        (34, 168),
        (116, 420),
        (207, 560),
        (196, 420),
        (94, 168),
        (18, 28),
    ]


@pytest.mark.parametrize(
    ("x", "y", "given", "answer"),
    [
        *((*row, True) for row in (("A", "S", ""), "AXE", ("T", "L", ""), "LBS", "XDE")),
        ("S", "D", "EB", True),
        ("S", "D", "BL", True),
        ("A", "B", "XS", True),
        *((*row, False) for row in ("ASD", "ASE", "TLX", ("X", "D", ""), "ABX")),
        ("L", "B", "SD", False),
    ],
)
def test_asia_statements(x: str, y: str, given: str, answer: bool) -> None:
    assert d_separated(ASIA, x, y, tuple(given)) == answer
    assert d_separated(ASIA, y, x, tuple(given)) == answer


def test_asia_blankets_moral_graph_and_separator() -> None:
    blankets = {"A": "T", "S": "BL", "T": "AEL", "L": "EST", "B": "DES", "E": "BDLTX", "X": "E", "D": "BE"}
    assert {node: markov_blanket(ASIA, node) for node in ASIA} == {a: set(b) for a, b in blankets.items()}
    married = {frozenset(edge) for edge in moral_graph(ASIA).edges} - {frozenset(edge) for edge in ASIA.edges}
    assert married == {frozenset("LT"), frozenset("BE")}
    assert minimal_separator(ASIA, "A", "D") == {"T"}
    assert minimal_separator(ASIA, "A", "S") == set()
    assert minimal_separator(ASIA, "A", "T") is None


def test_the_trail_says_what_each_step_is() -> None:
    trail = active_trail(ASIA, "A", "S", "X")
    assert trail is not None
    assert str(trail) == "A -> T -> E <- L <- S"
    assert trail.steps == ("chain", "collider", "chain")
    fork = active_trail(ASIA, "L", "B")
    assert fork is not None
    assert fork.steps == ("fork",)
    edge = active_trail(ASIA, "A", "T", ("S", "E"))
    assert edge is not None
    assert edge.steps == ()


def test_only_the_descendants_of_a_collider_matter() -> None:
    chain = nx.DiGraph([("a", "m"), ("m", "b"), ("m", "below")])
    assert not d_separated(chain, "a", "b", "below"), "a descendant of a chain's middle does not block"
    fork = nx.DiGraph([("above", "m"), ("m", "a"), ("m", "b")])
    assert not d_separated(fork, "a", "b", "above"), "an ancestor of a fork's cause does not block"
    collider = nx.DiGraph([("above", "a"), ("a", "m"), ("b", "m"), ("m", "below"), ("below", "last")])
    assert d_separated(collider, "a", "b", "above")
    for opened in ("m", "below", "last"):
        assert not d_separated(collider, "a", "b", opened)


def test_separation_is_independence(tmp_path: Path) -> None:
    network = asia(tmp_path)
    draws = np.random.default_rng(0)
    # Random tables: where nothing separates, they depend on each other but for a set of measure 0.
    states = network.states
    tables = {node: draws.dirichlet([1, 1], table.shape[:-1]) for node, table in network.tables.items()}
    joint = type(network)(network.graph, states, tables).joint()
    place = {node: axis for axis, node in enumerate(network.nodes)}
    for x, y, *given in [draws.permutation(network.nodes)[:size] for size in (2, 3, 4, 5) for _ in range(15)]:
        order = [place[node] for node in (*given, x, y)]
        others = tuple(axis for axis in range(8) if axis not in order)
        p = joint.sum(others).transpose([sorted(order).index(axis) for axis in order]).reshape(-1, 2, 2)
        p = p / p.sum((1, 2), keepdims=True)
        gap = abs(p - p.sum(1, keepdims=True) * p.sum(2, keepdims=True)).max()
        assert gap < 1e-13 if d_separated(network.graph, x, y, given) else gap > 1e-9


def test_the_blanket_is_all_that_a_node_depends_on(tmp_path: Path) -> None:
    network = asia(tmp_path)
    for row in network.names_of(network.sample(5)):
        known = dict(zip(network.nodes, row, strict=True))
        for node in network.nodes:
            others = {name: state for name, state in known.items() if name != node}
            blanket = {name: known[name] for name in markov_blanket(network.graph, node)}
            assert np.allclose(query(network, node, others), query(network, node, blanket), atol=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "given", "message"),
    [
        ("A", "b", "", "unknown node 'b': (valid: A, B, D"),
        ("A", "S", "A", "'A' is both in x and in given: leave it out of one of them"),
        ("AS", "SD", "", "'S' is both in x and in y"),
        ("", "A", "", "x names no node: give at least one"),
    ],
)
def test_bad_sets(x: str, y: str, given: str, message: str) -> None:
    with pytest.raises(JensenError) as refused:
        d_separated(ASIA, tuple(x), tuple(y), tuple(given))
    assert message in str(refused.value)


def test_a_cycle_has_no_separation() -> None:
    with pytest.raises(JensenError, match="the graph has a cycle, a -> b -> a"):
        d_separated(nx.DiGraph([("a", "b"), ("b", "a")]), "a", "b")
