"""Networks of tables: what they say of rows, what they draw, and what they refuse."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from tests.graphs.asia import asia

from jensen.errors import JensenError
from jensen.graphs import DiscreteNetwork, factorisation

YES_NO = ("yes", "no")
HALF = np.array([0.5, 0.5])


def test_factorisation_and_parameters(tmp_path: Path) -> None:
    network = asia(tmp_path)
    assert network.num_parameters == 18
    assert factorisation(network.graph) == (
        "p(asia, tub, smoke, lung, bronc, either, xray, dysp) = p(asia) p(tub | asia) p(smoke) p(lung | smoke) "
        "p(bronc | smoke) p(either | lung, tub) p(xray | either) p(dysp | bronc, either)"
    )
    assert factorisation(nx.DiGraph([("b", "a")])) == "p(b, a) = p(b) p(a | b)"


def test_the_joint_sums_to_one_and_log_prob_is_its_logarithm(tmp_path: Path) -> None:
    network = asia(tmp_path)
    joint = network.joint()
    assert joint.shape == (2,) * 8
    assert joint.sum() == pytest.approx(1, abs=1e-14)
    rows = np.array(list(itertools.product(range(2), repeat=8)))
    with np.errstate(divide="ignore"):
        assert np.allclose(network.log_prob(rows), np.log(joint.ravel()), rtol=1e-13)
    # By hand: nobody ill, no smoker, no visit.
    row = [network.state_number(node, "no") for node in network.nodes]
    assert network.log_prob(np.array([row]))[0] == pytest.approx(
        np.log([0.99, 0.99, 0.5, 0.99, 0.7, 1.0, 0.95, 0.9]).sum(), rel=1e-14
    )
    impossible = np.array([[0, 0, 0, 0, 0, 1, 0, 0]])  # tuberculosis, and neither of the two
    assert network.log_prob(impossible)[0] == -np.inf


def test_draws_follow_the_joint(tmp_path: Path) -> None:
    network = asia(tmp_path)
    rows = network.sample(50_000)
    assert rows.shape == (50_000, 8)
    assert rows.dtype == np.int64
    joint = network.joint().ravel()
    seen = np.bincount(np.ravel_multi_index(tuple(rows.T), (2,) * 8), minlength=256)
    assert seen[joint == 0].sum() == 0
    # Pearson's statistic over configurations that are expected 5 times or more, within 4 standard deviations.
    often = joint * len(rows) >= 5
    statistic = ((seen - joint * len(rows))[often] ** 2 / (joint * len(rows))[often]).sum()
    degrees = often.sum() - 1
    assert abs(statistic - degrees) < 4 * np.sqrt(2 * degrees)
    # The mean of log p is minus the entropy, within 4 standard errors.
    log_p = network.log_prob(rows)
    entropy = -(joint[joint > 0] * np.log(joint[joint > 0])).sum()
    assert abs(log_p.mean() + entropy) < 4 * log_p.std() / np.sqrt(len(rows))


def test_draws_are_a_function_of_the_seed(tmp_path: Path) -> None:
    network = asia(tmp_path)
    torch.manual_seed(3)
    first = network.sample(20)
    torch.manual_seed(3)
    assert (network.sample(20) == first).all()
    assert network.names_of(first)[0].tolist() == [YES_NO[i] for i in first[0]]


def test_a_deterministic_state_is_always_drawn() -> None:
    network = DiscreteNetwork(
        nx.DiGraph([("a", "b")]),
        {"a": YES_NO, "b": ("x", "y", "z")},
        {"a": np.array([0, 1]), "b": np.array([[1, 0, 0], [0, 0, 1]])},
    )
    assert (network.sample(100) == [1, 2]).all()


def test_tables_that_are_off_by_rounding_are_scaled() -> None:
    graph = nx.DiGraph()
    graph.add_node("a")
    network = DiscreteNetwork(graph, {"a": ("x", "y", "z")}, {"a": np.array([0.333333, 0.333333, 0.333333])})
    assert network.tables["a"] == pytest.approx([1 / 3] * 3, rel=1e-15)


@pytest.mark.parametrize(
    ("edges", "states", "tables", "message"),
    [
        ([("a", "b"), ("b", "a")], {}, {}, "the graph has a cycle, a -> b -> a: leave one of its arrows out"),
        ([("a", "b")], {"a": YES_NO}, {"a": HALF}, "node 'b' has no states"),
        ([("a", "b")], {"a": YES_NO, "b": YES_NO}, {"a": HALF}, "node 'b' has no table"),
        (
            [("a", "b")],
            {"a": YES_NO, "b": YES_NO},
            {"a": HALF, "b": HALF},
            "the table of 'b' has the shape (2,), expected (2, 2)",
        ),
        (
            [("a", "b")],
            {"a": YES_NO, "b": YES_NO},
            {"a": HALF, "b": np.array([HALF, [0.5, 0.4]])},
            "the table of 'b': the row (1,) sums to 0.9, expected 1",
        ),
        (
            [("a", "b")],
            {"a": YES_NO, "b": YES_NO},
            {"a": np.array([1.5, -0.5]), "b": np.array([HALF, HALF])},
            "the table of 'a': the row () has the entry -0.5, expected probabilities from 0 to 1",
        ),
    ],
)
def test_what_is_no_network_is_refused(
    edges: list[tuple[str, str]], states: dict[str, tuple[str, ...]], tables: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(JensenError) as refused:
        DiscreteNetwork(nx.DiGraph(edges), states, tables)
    assert message in str(refused.value)


def test_a_joint_table_that_is_too_large_is_refused() -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(map(str, range(40)))
    network = DiscreteNetwork(graph, dict.fromkeys(graph, YES_NO), dict.fromkeys(graph, HALF))
    with pytest.raises(JensenError, match=r"the joint table of 40 variables would have 1.1e\+12 entries"):
        network.joint()
