"""jensen graph equivalence, discover and plates, as they are called."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from tests.command_line import contents, done, refusal
from tests.graphs.dags import ASIA

from jensen.graphs import cpdag
from jensen.reporting.graphs import draw_graph
from jensen.reporting.layered import layered


@pytest.fixture
def asia(tmp_path: Path) -> Path:
    return _graph(tmp_path / "asia.json", ASIA)


def _graph(path: Path, dag: nx.DiGraph) -> Path:
    path.write_text(json.dumps({"nodes": list(dag), "directed": list(dag.edges)}))
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """2,000 rows of a -> c <- b, whose states are words."""
    draws = np.random.default_rng(0)
    a, b = draws.integers(2, size=(2, 2000))
    c = np.where(draws.random(2000) < 0.2, draws.integers(2, size=2000), a | b)
    return _table(tmp_path / "rows.csv", {"a": a, "b": b, "c": c})


def _table(path: Path, columns: dict[str, np.ndarray]) -> Path:
    words = np.array(["no", "yes"])
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(words[column] for column in columns.values()), strict=True))
    return path


def test_the_class_of_asia(asia: Path) -> None:
    found = json.loads(done("graph equivalence --json", asia))
    assert found == {**cpdag(ASIA).as_json(), "class_size": 6}
    text = done("graph equivalence", asia)
    assert "6 Markov equivalent graphs" in text
    assert "  E -> X\n" in text
    assert "  A - T\n" in text


def test_two_graphs(asia: Path, tmp_path: Path) -> None:
    turned = ASIA.copy()
    turned.remove_edge("A", "T")
    turned.add_edge("T", "A")
    same = _graph(tmp_path / "same.json", turned)
    assert json.loads(done("graph equivalence --json", asia, same)) == {"equivalent": True, "differs": []}
    assert "are Markov equivalent" in done("graph equivalence", asia, same)
    turned.remove_edge("E", "X")
    other = _graph(tmp_path / "other.json", turned)
    found = json.loads(done("graph equivalence --json", asia, other))
    assert found == {"equivalent": False, "differs": [{"kind": "edge", "nodes": ["E", "X"], "only_in": "first"}]}
    assert "edge E - X in the first only" in done("graph equivalence", asia, other)


def test_the_oracle(asia: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.svg"
    found = json.loads(done("graph discover --json --oracle", asia, "--truth", asia, "--out", out))
    assert {key: found[key] for key in ("directed", "undirected")} == cpdag(ASIA).as_json()
    assert (found["shd"], found["contradicted"], found["ambiguous"]) == (0, [], [])
    assert found["tests"] > 200
    assert set(found["assumptions"]) == {"Markov", "faithfulness", "sufficiency"}
    assert {"nodes": ["A", "S"], "given": [], "p_value": 1.0} in found["separating_sets"]
    assert out.read_text().count("</svg>") == 1
    (tmp_path / "again.svg").write_bytes(b"")
    done("graph discover --oracle", asia, "--truth", asia, "--out", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("test", ["chi-square", "g-squared"])
def test_a_table_of_words(test: str, rows: Path, tmp_path: Path) -> None:
    truth = _graph(tmp_path / "truth.json", nx.DiGraph(["ac", "bc"]))
    text = done(f"graph discover --test {test} --alpha .001 --rule sepset", rows, "--truth", truth)
    assert "2,000 rows" in text
    assert "a -> c  the same" in text
    assert "structural Hamming distance to the class of" in text
    for name in ("Markov", "faithfulness", "sufficiency"):
        assert name in text
    assert json.loads(done(f"graph discover --json --alpha .001 --test {test}", rows))["shd"] is None


def test_numbers_by_fisher_z(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    a, b, noise = draws.normal(size=(3, 500))
    table = tmp_path / "numbers.csv"
    np.savetxt(table, np.c_[a, b, a + b + noise], delimiter=",", header="a,b,c", comments="")
    found = json.loads(done("graph discover --test fisher-z --json", table))
    assert found["directed"] == [["a", "c"], ["b", "c"]]


def test_refusals(asia: Path, rows: Path, tmp_path: Path) -> None:
    before = contents(tmp_path)
    assert refusal("graph discover").startswith("give a table to learn from, or --oracle GRAPH")
    assert refusal("graph discover --oracle", asia, rows).startswith("give a table to learn from, or --oracle GRAPH")
    assert "alpha is a probability" in refusal("graph discover --alpha 1", rows)
    assert "has text, fisher-z wants numbers" in refusal("graph discover --test fisher-z", rows)
    assert "'A' is a node of one graph only" in refusal("graph discover", rows, "--truth", asia)
    assert ".svg" in refusal("graph discover --out graph.pdf", rows)
    assert "'maxp'" in refusal("graph discover --rule maxp", rows)
    assert "svm" in refusal("graph plates svm --out a.svg")
    assert contents(tmp_path) == before
    constant = _table(tmp_path / "constant.csv", {"a": np.array([0, 1] * 30), "b": np.zeros(60, int)})
    assert "constant.csv: 'b' is constant" in refusal("graph discover", constant)
    few = _table(tmp_path / "few.csv", {"a": np.array([0, 1] * 6), "b": np.array([0, 0, 1] * 4)})
    assert "few.csv: 12 rows are too few to test 'a' (2 states) and 'b' (2 states)" in refusal("graph discover", few)
    (tmp_path / "gap.csv").write_text("a,b\nno,yes\n,yes\nyes,no\n" * 20)
    assert "column 'a'" in refusal("graph discover", tmp_path / "gap.csv")


def test_a_plate_diagram(tmp_path: Path) -> None:
    for name in ("lda.svg", "lda.png"):
        done("graph plates lda --out", tmp_path / name)
    assert (tmp_path / "lda.svg").read_text().count("</svg>") == 1
    assert (tmp_path / "lda.png").read_bytes().startswith(b"\x89PNG")


def test_causes_are_drawn_above_effects_and_nothing_overlaps() -> None:
    graph = cpdag(ASIA)
    width = dict.fromkeys(graph.nodes, 0.8)
    found = layered(graph.nodes, graph.directed, [tuple(sorted(edge)) for edge in graph.undirected], width)
    assert all(found.layer[a] < found.layer[b] for a, b in graph.directed)
    for layer in set(found.layer.values()):
        beside = sorted(found.x[name] for name in graph.nodes if found.layer[name] == layer)
        assert all(right - left >= 0.8 for left, right in itertools.pairwise(beside))
    assert all(len(passed) == found.layer[b] - found.layer[a] - 1 for (a, b), passed in found.through.items())
    cycle = layered(tuple("abc"), [("a", "b"), ("b", "c"), ("c", "a")], [], dict.fromkeys("abc", 0.5))
    assert [cycle.layer[name] for name in "abc"] == [0, 1, 2]
    turned = draw_graph(graph, cpdag(nx.DiGraph(["AT", "LS", "SB", "ET", "LE", "EX", "ED", "BX"])))
    assert len(turned.axes[0].get_legend().get_texts()) == 4
