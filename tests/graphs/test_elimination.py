"""Queries by variable elimination, against enumeration."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from tests.graphs.asia import asia

from jensen.errors import JensenError
from jensen.graphs import DiscreteNetwork, log_evidence, query, read_bif


def enumerated(network: DiscreteNetwork, joint: np.ndarray, targets: list[str], evidence: dict[str, str]) -> np.ndarray:
    """p(targets, evidence), axes in the order of the network's nodes."""
    place = tuple(
        network.state_number(node, evidence[node]) if node in evidence else slice(None) for node in network.nodes
    )
    left = [node for node in network.nodes if node not in evidence]
    return joint[place].sum(tuple(axis for axis, node in enumerate(left) if node not in targets))


def test_every_marginal_of_asia_under_every_one_or_two_states(tmp_path: Path) -> None:
    network = asia(tmp_path)
    joint = network.joint()
    impossible = 0
    for size in (0, 1, 2):
        for given in itertools.combinations(network.nodes, size):
            for states in itertools.product(("yes", "no"), repeat=size):
                evidence = dict(zip(given, states, strict=True))
                for target in set(network.nodes) - set(given):
                    p = enumerated(network, joint, [target], evidence)
                    if p.sum() == 0:
                        impossible += 1
                        with pytest.raises(JensenError, match="has probability 0"):
                            query(network, target, evidence)
                        continue
                    assert abs(query(network, target, evidence) - p / p.sum()).max() < 1e-12
                    assert log_evidence(network, evidence) == pytest.approx(np.log(p.sum()), abs=1e-12)
    assert impossible == 12, "either=no with lung=yes or tub=yes, for each of 6 others"


def test_all_but_one_state_given(tmp_path: Path) -> None:
    network = asia(tmp_path)
    joint = network.joint()
    for row in network.names_of(network.sample(20)):
        known = dict(zip(network.nodes, row, strict=True))
        for target in network.nodes:
            evidence = {node: state for node, state in known.items() if node != target}
            p = enumerated(network, joint, [target], evidence)
            assert abs(query(network, target, evidence) - p / p.sum()).max() < 1e-12


def test_joint_laws_in_the_order_asked_for(tmp_path: Path) -> None:
    network = asia(tmp_path)
    evidence = {"dysp": "yes", "xray": "no"}
    p = enumerated(network, network.joint(), ["tub", "lung", "bronc"], evidence)
    asked = query(network, ["bronc", "tub", "lung"], evidence)
    assert abs(asked - (p / p.sum()).transpose(2, 0, 1)).max() < 1e-12


def test_explaining_away(tmp_path: Path) -> None:
    network = asia(tmp_path)
    alone = query(network, "lung", {"either": "yes"})[0]
    explained = query(network, "lung", {"either": "yes", "tub": "yes"})[0]
    assert explained < alone / 10, "tuberculosis explains what cancer need not"
    assert explained == pytest.approx(query(network, "lung")[0], abs=1e-12), "the OR says no more"


@pytest.mark.parametrize("name", ["survey", "cancer", "earthquake", "sachs"])
def test_published_networks_against_enumeration(jensen_data: Path, name: str) -> None:
    network = read_bif(jensen_data / "bif" / f"{name}.bif")
    joint = network.joint()
    assert joint.sum() == pytest.approx(1, abs=1e-12)
    (row,) = network.names_of(network.sample(1))
    evidence = dict(zip(network.nodes[-2:], row[-2:], strict=True))
    for target in network.nodes[:-2]:
        p = enumerated(network, joint, [target], evidence)
        assert abs(query(network, target, evidence) - p / p.sum()).max() < 1e-12


@pytest.mark.parametrize("name", ["alarm", "win95pts", "hailfinder"])
def test_large_networks(jensen_data: Path, name: str) -> None:
    network = read_bif(jensen_data / "bif" / f"{name}.bif")
    (row,) = network.sample(1)
    evidence = dict(zip(network.nodes, network.names_of(row[None])[0], strict=True))
    # Every node known: what is eliminated is nothing, and log p(evidence) is log p(x).
    assert log_evidence(network, evidence) == pytest.approx(network.log_prob(row[None])[0], abs=1e-10)
    leaves = [node for node in network.nodes if network.graph.out_degree(node) == 0][:6]
    given = {node: evidence[node] for node in leaves}
    target = next(node for node in network.nodes if node not in given)
    # p(target | given) by Bayes' rule over its states, each term a sum over all other nodes.
    terms = [log_evidence(network, {**given, target: state}) for state in network.states[target]]
    posterior = np.exp(np.array(terms) - log_evidence(network, given))
    assert abs(query(network, target, given) - posterior).max() < 1e-12


def test_much_evidence_does_not_underflow() -> None:
    graph = nx.DiGraph([("z", f"x{i}") for i in range(400)])
    given_z = np.array([[0.001, 0.999], [0.002, 0.998]])
    tables = {"z": np.array([0.5, 0.5])} | {f"x{i}": given_z for i in range(400)}
    network = DiscreteNetwork(graph, dict.fromkeys(graph, ("a", "b")), tables)
    evidence = {f"x{i}": "a" for i in range(400)}
    terms = 400 * np.log([0.001, 0.002]) + np.log(0.5)
    assert log_evidence(network, evidence) == pytest.approx(np.logaddexp(*terms), rel=1e-12)
    assert query(network, "z", evidence)[1] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("targets", "evidence", "message"),
    [
        ("lugn", {}, "unknown node 'lugn': did you mean 'lung'?"),
        ("lung", {"dsyp": "yes"}, "unknown node 'dsyp': did you mean 'dysp'?"),
        ("lung", {"dysp": "maybe"}, "unknown state of dysp 'maybe'"),
        ("lung", {"lung": "yes"}, "'lung' is both asked for and given"),
        (["lung", "lung"], {}, "query takes different targets, at least one, got lung, lung"),
        ([], {}, "at least one, got none"),
        ("xray", {"either": "no", "tub": "yes"}, "either=no, tub=yes has probability 0 in this network"),
        ("asia", {"either": "no", "tub": "yes", "lung": "no"}, "has probability 0"),
    ],
)
def test_bad_queries(tmp_path: Path, targets: str | list[str], evidence: dict[str, str], message: str) -> None:
    with pytest.raises(JensenError) as refused:
        query(asia(tmp_path), targets, evidence)
    assert message in str(refused.value)


def test_a_table_that_would_be_too_large() -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(map(str, range(40)))
    network = DiscreteNetwork(graph, dict.fromkeys(graph, ("a", "b")), dict.fromkeys(graph, np.array([0.5, 0.5])))
    with pytest.raises(JensenError, match=r"would have .* entries, at most .* ask for fewer variables at a time"):
        query(network, list(graph))
