"""Networks on disk: what is read and written, and what is refused, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.graphs.asia import asia, asia_text

from jensen.errors import JensenError
from jensen.graphs import DiscreteNetwork, bif_text, read_bif, read_graph, write_bif

# Nodes, arrows and free parameters, as the repository of bnlearn.com has them.
SIZES = {
    "asia": (8, 8, 18),
    "cancer": (5, 4, 10),
    "earthquake": (5, 4, 10),
    "survey": (6, 6, 21),
    "sachs": (11, 17, 178),
    "alarm": (37, 46, 509),
    "hailfinder": (56, 66, 2656),
    "win95pts": (76, 112, 574),
}


def assert_same(a: DiscreteNetwork, b: DiscreteNetwork) -> None:
    assert a.nodes == b.nodes
    assert a.states == b.states
    for node in a.nodes:
        assert a.parents(node) == b.parents(node)
        assert np.array_equal(a.tables[node], b.tables[node])


@pytest.mark.parametrize("name", SIZES)
def test_published_networks(jensen_data: Path, tmp_path: Path, name: str) -> None:
    network = read_bif(jensen_data / "bif" / f"{name}.bif")
    assert (len(network.nodes), network.graph.number_of_edges(), network.num_parameters) == SIZES[name]
    write_bif(network, tmp_path / "again.bif")
    assert_same(network, read_bif(tmp_path / "again.bif"))


def test_the_published_asia_is_that_of_the_tests(jensen_data: Path, tmp_path: Path) -> None:
    assert_same(read_bif(jensen_data / "bif" / "asia.bif"), asia(tmp_path))


def test_tables_are_in_the_order_of_their_parents(tmp_path: Path) -> None:
    network = asia(tmp_path)
    assert network.parents("dysp") == ("bronc", "either")
    assert network.tables["dysp"].tolist() == [[[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.1, 0.9]]]


def test_what_the_format_also_allows(tmp_path: Path) -> None:
    path = tmp_path / "free.bif"
    path.write_text(
        'network "two nodes" { property author "someone; else"; }\n'
        "/* a comment\n   of two lines */\n"
        "variable a { property x 1 ; type discrete[2] { 0 1 }; } // and one\n"
        'variable b{type discrete [ 3 ] {<5, 5-10, >10}; property note "(yes)";}\n'
        "probability(b|a){(1) 1e-1 .4 .5; (0) 0.2,0.3,0.5;}\n"
        "probability(a){table 0.25 0.75; property y 2;}\n"
    )
    network = read_bif(path)
    assert network.states == {"a": ("0", "1"), "b": ("<5", "5-10", ">10")}
    assert network.tables["b"].tolist() == [[0.2, 0.3, 0.5], [0.1, 0.4, 0.5]]
    path.write_text(bif_text(network))
    assert_same(network, read_bif(path))


def swapped(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped("tub | asia", "tub | aisa"), "line 30: unknown node 'aisa': did you mean 'asia'? (valid: asia,"),
        (swapped("( asia )", "( asia | dysp )"), "line 28: asia has parents: give a row for each of their states"),
        (swapped("  (yes) 0.05, 0.95;", "  (yes) 0.05, 0.9;"), "line 31: a row of tub sums to 0.95, expected 1"),
        (swapped("  (yes) 0.05, 0.95;", "  (yes) -0.05, 1.05;"), "line 31: a row of tub has the entry -0.05"),
        (swapped("  (yes) 0.05, 0.95;", "  (yes) 0.05, nan;"), "line 31: a row of tub has the entry nan"),
        (swapped("  (yes) 0.05, 0.95;", "  (yes) 0.05, x;"), "line 31: a row of tub holds no number"),
        (swapped("  (yes) 0.05, 0.95;", "  (yes) 0.05;"), "line 31: a row of tub has 1 numbers, expected 2"),
        (swapped("  (yes) 0.05", "  (yse) 0.05"), "line 31: unknown state of asia 'yse': did you mean 'yes'?"),
        (swapped("  (yes) 0.05", "  (yes, no) 0.05"), "line 31: tub has 1 parents, the row names 2 states"),
        (swapped("  (yes) 0.05, 0.95;\n", ""), "line 30: tub has no row (yes): add its probabilities"),
        (swapped("  (no) 0.01", "  (yes) 0.01"), "line 32: tub has this row twice"),
        (swapped("  table 0.01, 0.99;\n", ""), "line 27: asia has no table: add its probabilities"),
        (swapped("( tub | asia )", "( tub | asia, asia )"), "line 30: asia is twice a parent of tub"),
        (swapped("( smoke )", "( asia )"), "line 34: asia has two tables"),
        (swapped("variable tub", "variable asia"), "line 6: variable asia was declared at line 3"),
        (swapped("[ 2 ]", "[ 3 ]"), "line 4: variable asia lists the states yes, no, expected 3 different"),
        (swapped("type discrete", "type continuous"), "line 4: 'continuous' where 'discrete' was expected"),
        (swapped("variable asia", "varaible asia"), "line 3: unknown block 'varaible': did you mean 'variable'?"),
        (lambda text: text[:-10], "the file ends where ';' was expected: get it again"),
        (lambda text: text[: text.index("probability ( xray")], "variable xray has no table: add probability ( xray )"),
        (lambda text: "", "no variables: expected a network in the .bif format"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    path = tmp_path / "asia.bif"
    path.write_text(change(asia_text()))
    with pytest.raises(JensenError) as refused:
        read_bif(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_cycle_is_named_with_the_line_that_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "cycle.bif"
    variables = "".join(f"variable {node} {{ type discrete [ 1 ] {{ x }}; }}\n" for node in "abc")
    path.write_text(variables + "".join(f"probability ( {b} | {a} ) {{ (x) 1; }}\n" for a, b in ("ab", "bc", "ca")))
    with pytest.raises(
        JensenError, match=r"line 6: the graph has a cycle, [abc] -> [abc] -> [abc] -> [abc]: leave one"
    ):
        read_bif(path)


def test_a_name_that_the_format_cannot_hold(tmp_path: Path) -> None:
    network = asia(tmp_path)
    network.states["asia"] = ("has been", "no")  # type: ignore[index]
    with pytest.raises(JensenError, match="no place for the name 'has been'"):
        write_bif(network, tmp_path / "x.bif")
    assert not (tmp_path / "x.bif").exists()


def test_graphs_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text('{"nodes": ["c"], "directed": [["a", "b"]], "undirected": []}')
    graph = read_graph(path)
    assert set(graph) == {"a", "b", "c"}
    assert list(graph.edges) == [("a", "b")]
    asia(tmp_path)
    assert len(read_graph(tmp_path / "asia.bif")) == 8
    for text, message in (
        ('{"directed": [], "undirected": [["a", "b"]]}', "the edge a - b has no direction"),
        ('{"directed": [["a", "b"], ["b", "a"]]}', "the graph has a cycle, a -> b -> a"),
        ('{"edges": []}', "no graph: expected"),
        ("[[1, 2]]", "no graph: expected"),
        ('{"directed": [["a"]]}', "no graph: expected"),
        ("{", "no graph: expected"),
    ):
        path.write_text(text)
        with pytest.raises(JensenError, match=message):
            read_graph(path)
