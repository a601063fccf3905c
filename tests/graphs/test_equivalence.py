"""Equivalence of DAGs, against brute force: by all d-separations, and by all directions of a skeleton's edges."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import networkx as nx
import pytest
from tests.graphs.dags import ASIA, all_dags, random_dags, separations

from jensen.errors import JensenError
from jensen.graphs.equivalence import (
    PartiallyDirected,
    class_size,
    cpdag,
    equivalent,
    structural_hamming_distance,
    v_structures,
)


def undirected(*edges: str) -> frozenset[frozenset[str]]:
    return frozenset(map(frozenset, edges))


def agreed(dags: list[nx.DiGraph]) -> PartiallyDirected:
    """The edges of a class, directed where all of its DAGs have them the same way."""
    directed = frozenset.intersection(*(frozenset(dag.edges) for dag in dags))
    skeleton = frozenset(map(frozenset, dags[0].edges))
    return PartiallyDirected(tuple(dags[0]), directed, skeleton - {frozenset(edge) for edge in directed})


def same_class(dag: nx.DiGraph) -> list[nx.DiGraph]:
    """All acyclic directions of the skeleton with the same v-structures."""
    found = []
    for turned in itertools.product((False, True), repeat=dag.number_of_edges()):
        other = nx.DiGraph()
        other.add_nodes_from(dag)
        other.add_edges_from(edge[::-1] if turn else edge for edge, turn in zip(dag.edges, turned, strict=True))
        if nx.is_directed_acyclic_graph(other) and v_structures(other) == v_structures(dag):
            found.append(other)
    return found


@pytest.mark.parametrize(("num_nodes", "num_dags", "num_classes"), [(2, 3, 2), (3, 25, 11), (4, 543, 185)])
def test_all_small_dags_against_their_d_separations(num_nodes: int, num_dags: int, num_classes: int) -> None:
    classes = defaultdict(list)
    for dag in all_dags(num_nodes):
        classes[separations(dag)].append(dag)
    assert sum(map(len, classes.values())) == num_dags
    assert len(classes) == num_classes
    for dags in classes.values():
        expected = agreed(dags)
        for dag in dags:
            assert cpdag(dag) == PartiallyDirected(tuple(dag), expected.directed, expected.undirected)
            assert class_size(dag) == len(dags)
            assert equivalent(dags[0], dag) == ()
    for first, second in itertools.pairwise(dags[0] for dags in classes.values()):
        assert equivalent(first, second)
        assert structural_hamming_distance(cpdag(first), cpdag(second)) > 0


def test_random_dags_against_all_directions_of_their_edges() -> None:
    for dag in random_dags(200):
        dags = same_class(dag) if dag.number_of_edges() <= 8 else [dag]
        if len(dags) > 1 or dag.number_of_edges() <= 8:
            assert cpdag(dag) == agreed(dags)
            assert class_size(dag) == len(dags)


def test_asia() -> None:
    found = cpdag(ASIA)
    assert found.directed == {("T", "E"), ("L", "E"), ("E", "D"), ("B", "D"), ("E", "X")}
    assert found.undirected == undirected("AT", "SL", "SB")
    assert class_size(ASIA) == class_size(found) == 6
    assert v_structures(ASIA) == {("L", "E", "T"), ("B", "D", "E")}
    assert found.as_json() == {
        "directed": [["B", "D"], ["E", "D"], ["E", "X"], ["L", "E"], ["T", "E"]],
        "undirected": [["A", "T"], ["B", "S"], ["L", "S"]],
    }


def test_sizes_of_classes_that_are_known() -> None:
    path = nx.path_graph(60, create_using=nx.DiGraph)
    assert class_size(nx.relabel_nodes(path, str)) == 60
    complete = nx.DiGraph(itertools.combinations("abcdefgh", 2))
    assert class_size(complete) == 40320
    # Two triangles that share an edge: that edge either way; 2! (1 + 1/2 + ...) by enumeration.
    diamond = nx.DiGraph(["ab", "ac", "bc", "bd", "cd"])
    assert class_size(diamond) == len(same_class(diamond)) == 10
    assert class_size(nx.DiGraph()) == 1


def test_reversing_a_covered_edge_keeps_the_class_and_any_other_does_not() -> None:
    # Chickering (1995): a -> b is covered where the other parents of b are the parents of a.
    draws = random.Random(1)
    for dag in random_dags(60):
        if not dag.edges:
            continue
        a, b = draws.choice(list(dag.edges))
        turned = dag.copy()
        turned.remove_edge(a, b)
        turned.add_edge(b, a)
        covered = set(dag.predecessors(b)) - {a} == set(dag.predecessors(a))
        if nx.is_directed_acyclic_graph(turned):
            assert (equivalent(dag, turned) == ()) == covered
            assert (cpdag(dag) == cpdag(turned)) == covered


def test_what_differs_is_named() -> None:
    chain, collider = nx.DiGraph(["ab", "bc"]), nx.DiGraph(["ab", "cb"])
    assert [str(one) for one in equivalent(chain, collider)] == ["v-structure a -> b <- c in the second only"]
    more = nx.DiGraph(["ab", "bc", "ac"])
    assert [str(one) for one in equivalent(more, chain)] == ["edge a - c in the first only"]
    with pytest.raises(JensenError, match="'d' is a node of one graph only: compare graphs over the same nodes"):
        equivalent(chain, nx.DiGraph(["ab", "bc", "cd"]))


def test_the_distance_counts_each_pair_once() -> None:
    first = PartiallyDirected(tuple("abcd"), frozenset({("a", "b"), ("b", "c")}), undirected("cd"))
    turned = PartiallyDirected(tuple("dcba"), frozenset({("b", "a"), ("b", "c")}), undirected("cd"))
    other = PartiallyDirected(tuple("abcd"), frozenset({("c", "d")}), undirected("ab", "ad"))
    assert structural_hamming_distance(first, first) == 0
    assert structural_hamming_distance(first, turned) == structural_hamming_distance(turned, first) == 1
    assert structural_hamming_distance(first, other) == 4  # ab, bc, cd, ad
    with pytest.raises(JensenError, match="'e' is a node of one graph only"):
        structural_hamming_distance(first, PartiallyDirected(tuple("abcde"), frozenset(), frozenset()))


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(JensenError, match="the graph has a cycle, a -> b -> a"):
        cpdag(nx.DiGraph(["ab", "ba"]))
    with pytest.raises(JensenError, match=r"an edge joins two of the nodes, got \['a', 'z'\]"):
        PartiallyDirected(("a", "b"), frozenset({("a", "z")}), frozenset())
    with pytest.raises(JensenError, match="joined by more than one edge"):
        PartiallyDirected(("a", "b"), frozenset({("a", "b")}), undirected("ab"))
    square = PartiallyDirected(tuple("abcd"), frozenset(), undirected("ab", "bc", "cd", "ad"))
    with pytest.raises(JensenError, match="no DAG has these undirected edges"):
        class_size(square)
