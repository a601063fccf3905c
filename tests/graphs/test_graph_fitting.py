"""Conditionals learned from data, against counts and least squares."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from tests.graphs.asia import asia

from jensen.errors import JensenError
from jensen.graphs import fit_linear_gaussian, fit_tables, graph_of, structure


def test_tables_are_counts(tmp_path: Path) -> None:
    network = asia(tmp_path)
    rows = network.sample(50_000)
    fitted = fit_tables(network.graph, network.states, rows)
    for place, node in enumerate(network.nodes):
        parents = [network.nodes.index(parent) for parent in network.parents(node)]
        for given in np.ndindex(*(2,) * len(parents)):
            here = (rows[:, parents] == given).all(1)
            assert fitted.tables[node][given][0] == (rows[here, place] == 0).sum() / here.sum()
            p, n = network.tables[node][given][0], here.sum()
            assert abs(fitted.tables[node][given][0] - p) <= 5 * np.sqrt(p * (1 - p) / n)
    assert fitted.log_prob(rows).mean() >= network.log_prob(rows).mean(), "the maximum of the likelihood"


def test_pseudo_counts_and_what_no_row_has() -> None:
    graph = nx.DiGraph([("a", "b")])
    states = {"a": ("0", "1", "2"), "b": ("x", "y")}
    rows = np.array([[0, 0], [0, 0], [0, 1], [1, 1]])
    tables = fit_tables(graph, states, rows).tables
    assert tables["a"].tolist() == [0.75, 0.25, 0]
    assert tables["b"].tolist() == [[2 / 3, 1 / 3], [0, 1], [0.5, 0.5]]
    tables = fit_tables(graph, states, rows, 0.5).tables
    assert tables["a"] == pytest.approx(np.array([3.5, 1.5, 0.5]) / 5.5)
    assert tables["b"].ravel() == pytest.approx(np.array([2.5 / 4, 1.5 / 4, 0.25, 0.75, 0.5, 0.5]))


def test_linear_gaussians_are_found_again() -> None:
    draws = np.random.default_rng(0)
    a = draws.normal(1, 2, 20_000)
    b = 3 - 0.5 * a + draws.normal(0, 0.3, a.shape)
    c = 1000 * (a + b) + draws.normal(0, 50, a.shape)
    fitted = fit_linear_gaussian(graph_of("[c|a:b][a][b|a]"), np.stack([c, a, b], 1))
    # Each within 5 standard errors: scale / (spread of what the other parents leave of a parent) / root N.
    root = np.sqrt(len(a))
    assert abs(fitted.weight[2, 1] + 0.5) < 5 * 0.3 / 2 / root
    assert abs(fitted.weight[0, 2] - 1000) < 5 * 50 / 0.3 / root
    assert abs(fitted.scale - [50, 2, 0.3]).max() < 5 * 50 / np.sqrt(2) / root
    assert abs(fitted.intercept[1] - 1) < 5 * 2 / root
    assert (fitted.weight[1] == 0).all()
    residual = b - fitted.intercept[2] - fitted.weight[2, 1] * a
    assert abs(residual.mean()) < 1e-12
    assert fitted.scale[2] == pytest.approx(residual.std(), rel=1e-12)


@pytest.mark.parametrize(
    ("graph", "change", "message"),
    [
        ("[a][b|a][c]", lambda x: x * [1, 1, 0], "column 'c' never varies"),
        ("[a][b][c|a:b]", lambda x: np.stack([x[:, 0], x[:, 1], x[:, 0] - 2 * x[:, 1]], 1), "column 'c' is a linear"),
        ("[a][b][c|a:b]", lambda x: np.stack([x[:, 0], 3 * x[:, 0], x[:, 2]], 1), "the parents of 'c' are linear"),
        ("[a][b][c|a:b]", lambda x: x[:3], "'c' has 2 parents, which takes 4 rows or more, got 3"),
    ],
)
def test_least_squares_without_an_answer(graph: str, change, message: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(JensenError, match=message):
        fit_linear_gaussian(graph_of(graph), change(x))


def test_tables_that_cannot_be() -> None:
    graph = nx.DiGraph([("a", "b")])
    states = {"a": ("x", "y"), "b": ("x", "y")}
    with pytest.raises(JensenError, match="column 'b' holds 2 at row 1, expected the number of a state, 0 to 1"):
        fit_tables(graph, states, np.array([[0, 0], [1, 2]]))
    with pytest.raises(JensenError, match="pseudo_count must be at least 0, got -1"):
        fit_tables(graph, states, np.array([[0, 0]]), -1.0)
    wide = nx.DiGraph([(f"x{i}", "y") for i in range(30)])
    with pytest.raises(JensenError, match="the table of 'y' of 31 variables would have"):
        fit_tables(wide, dict.fromkeys(wide, ("0", "1")), np.zeros((1, 31), np.int64))


def test_graphs_as_text(tmp_path: Path) -> None:
    graph = asia(tmp_path).graph
    text = "[asia][tub|asia][smoke][lung|smoke][bronc|smoke][either|lung:tub][xray|either][dysp|bronc:either]"
    assert structure(graph) == text
    again = graph_of(text)
    assert list(again) == list(graph)
    assert all(list(again.predecessors(node)) == list(graph.predecessors(node)) for node in graph)
    for wrong, message in (
        ("a", "a graph is written"),
        ("", "a graph is written"),
        ("[a]b", "a graph is written"),
        ("[a][b|a", "a graph is written"),
        ("[a][b|c]", "unknown node 'c'"),
        ("[a][a]", "has a node twice"),
        ("[a|b][b|a]", "the graph has a cycle"),
    ):
        with pytest.raises(JensenError, match=message):
            graph_of(wrong)
    with pytest.raises(JensenError, match="the node 'a:b' has one of the characters"):
        structure(nx.DiGraph([("a:b", "c")]))
