"""Directed acyclic graphs to try things on: all small ones, and random ones."""

from __future__ import annotations

import itertools
import random

import networkx as nx

ASIA = nx.DiGraph(["AT", "SL", "SB", "TE", "LE", "EX", "ED", "BD"])


def all_dags(num_nodes: int) -> list[nx.DiGraph]:
    """Every DAG over a, b, c, ..."""
    nodes = "abcdefg"[:num_nodes]
    pairs = list(itertools.combinations(nodes, 2))
    found = []
    for ways in itertools.product((None, 0, 1), repeat=len(pairs)):
        graph = nx.DiGraph()
        graph.add_nodes_from(nodes)
        graph.add_edges_from(pair[:: 1 - 2 * way] for pair, way in zip(pairs, ways, strict=True) if way is not None)
        if nx.is_directed_acyclic_graph(graph):
            found.append(graph)
    return found


def random_dags(number: int, num_nodes: int = 7, density: float = 0.35) -> list[nx.DiGraph]:
    """DAGs whose nodes are in a random order and joined with that probability."""
    draws = random.Random(0)
    found = []
    for _ in range(number):
        nodes = list("abcdefghijk"[:num_nodes])
        order = draws.sample(nodes, num_nodes)
        graph = nx.DiGraph()
        graph.add_nodes_from(nodes)
        graph.add_edges_from(pair for pair in itertools.combinations(order, 2) if draws.random() < density)
        found.append(graph)
    return found


def separations(graph: nx.DiGraph) -> frozenset[tuple[str, str, frozenset[str]]]:
    """Every (x, y, given) that networkx calls d-separated."""
    found = []
    for x, y in itertools.combinations(sorted(graph), 2):
        others = sorted(set(graph) - {x, y})
        for size in range(len(others) + 1):
            for given in itertools.combinations(others, size):
                if nx.is_d_separator(graph, x, y, set(given)):
                    found.append((x, y, frozenset(given)))
    return frozenset(found)
