"""PC with an oracle against every small graph; on rows, where its assumptions hold and where they do not."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from tests.graphs.asia import asia
from tests.graphs.dags import ASIA, all_dags, random_dags

from jensen.errors import JensenError
from jensen.graphs.discovery import ASSUMPTIONS, RULES, pc
from jensen.graphs.equivalence import cpdag
from jensen.graphs.independence import ChiSquare, FisherZ, GSquared, Oracle

TESTS = {"chi-square": ChiSquare, "g-squared": GSquared}


@pytest.mark.parametrize("rule", RULES)
def test_the_oracle_gives_the_exact_class_of_every_small_graph(rule: str) -> None:
    for dag in all_dags(4) + random_dags(200) if rule == "max-p" else all_dags(3) + random_dags(40):
        found = pc(Oracle(dag), rule=rule)
        assert found.graph == cpdag(dag)
        assert not found.ambiguous
        assert not found.contradicted
        for pair, separated in found.separating_sets.items():
            assert nx.is_d_separator(dag, *pair, set(separated.given))


def test_no_question_is_asked_twice() -> None:
    class Asked(Oracle):
        def __init__(self, dag: nx.DiGraph) -> None:
            super().__init__(dag)
            self.questions: list[tuple[frozenset[str], tuple[str, ...]]] = []

        def p_values(self, x: str, ys: list[str], given: tuple[str, ...] = ()) -> np.ndarray:
            self.questions += [(frozenset((x, y)), given) for y in ys]
            return super().p_values(x, ys, given)

    test = Asked(ASIA)
    found = pc(test, rule="sepset")
    assert found.num_tests == len(test.questions) == len(set(test.questions)) == 203
    assert set(found.separating_sets) == set(map(frozenset, itertools.combinations(ASIA, 2))) - found.graph.skeleton


def gaussian_rows(num_rows: int) -> dict[str, np.ndarray]:
    """a -> c <- b, c -> d, d -> e with the coefficients 1."""
    draws = np.random.default_rng(0)
    a, b, *noise = draws.normal(size=(5, num_rows))
    c = a + b + noise[0]
    d = c + noise[1]
    return {"a": a, "b": b, "c": c, "d": d, "e": d + noise[2]}


def discrete_rows(num_rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """a -> c <- b, c -> d of 2, 2, 3 and 2 states."""
    draws = np.random.default_rng(seed)
    a, b = draws.integers(2, size=(2, num_rows))
    c = a + b
    c = np.where(draws.random(num_rows) < 0.2, draws.integers(3, size=num_rows), c)
    d = np.where(draws.random(num_rows) < 0.2, draws.integers(2, size=num_rows), c > 0)
    return {"a": a, "b": b, "c": c, "d": d}


@pytest.mark.parametrize("rule", RULES)
def test_a_collider_and_what_follows_from_it(rule: str) -> None:
    found = pc(FisherZ(gaussian_rows(2000)), 1e-3, rule)
    assert found.graph.as_json() == cpdag(nx.DiGraph(["ac", "bc", "cd", "de"])).as_json()
    assert found.separating_sets[frozenset("ab")].given == ()
    for test in TESTS.values():
        graph = pc(test(discrete_rows(3000)), 1e-3, rule).graph
        assert graph.as_json() == cpdag(nx.DiGraph(["ac", "bc", "cd"])).as_json()


def confounded(num_rows: int) -> dict[str, np.ndarray]:
    """a -> x <- h -> y <- b."""
    draws = np.random.default_rng(0)
    a, b, h, *noise = draws.normal(size=(5, num_rows))
    return {"a": a, "b": b, "x": a + h + 0.5 * noise[0], "y": b + h + 0.5 * noise[1], "h": h}


def without(rows: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {other: column for other, column in rows.items() if other != name}


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_columns_does_not_matter(rule: str) -> None:
    few = discrete_rows(150)
    draws = np.random.default_rng(1)
    for name in "efg":  # noisy copies of others
        source = few[str(draws.choice(list(few)))]
        few[name] = np.where(draws.random(150) < 0.5, source, draws.integers(3, size=150))
    for test, rows in ((GSquared, few), (FisherZ, without(confounded(500), "h"))):
        first = pc(test(rows), 0.05, rule)
        assert first.contradicted or test is GSquared
        for _ in range(5):
            again = pc(test({name: rows[name] for name in draws.permutation(list(rows))}), 0.05, rule)
            assert again.graph.as_json() == first.graph.as_json()
            assert (again.separating_sets.keys(), again.num_tests) == (first.separating_sets.keys(), first.num_tests)
            assert (again.contradicted, again.ambiguous) == (first.contradicted, first.ambiguous)


def test_an_exclusive_or_is_not_faithful() -> None:
    draws = np.random.default_rng(0)
    a, b = draws.integers(2, size=(2, 2000))
    rows = {"a": a, "b": b, "c": a ^ b}
    test = GSquared(rows)
    assert min(test.p_values("a", ["b", "c"])) > 0.01, "every pair is independent"
    assert test.p_values("a", ["c"], ["b"])[0] < 1e-100
    found = pc(test)
    assert not found.graph.skeleton, "so that all edges are gone before anything is given"
    assert "XOR" in ASSUMPTIONS["faithfulness"]


def test_what_cannot_be_tested_takes_no_edge_away() -> None:
    # e is a or b, which leave nothing of it to test: e -> x has to stand all the same.
    draws = np.random.default_rng(0)
    a, b, noise = draws.random((3, 5000)) < [[0.4], [0.3], [0.1]]
    for test in TESTS.values():
        found = pc(test({"a": a, "b": b, "e": a | b, "x": (a | b) ^ noise}), 1e-3)
        assert found.graph.as_json() == cpdag(nx.DiGraph(["ae", "be", "ex"])).as_json()


def test_a_hidden_common_cause_makes_an_edge_that_is_not_there() -> None:
    # Without h, x - y stays, and both colliders want it to point their own way.
    rows = confounded(2000)
    true = cpdag(nx.DiGraph(["ax", "hx", "hy", "by"]))
    assert pc(FisherZ(rows), 1e-3).graph.as_json() == true.as_json()
    found = pc(FisherZ(without(rows, "h")), 1e-3)
    assert frozenset("xy") in found.graph.skeleton
    assert {("x", "y"), ("y", "x")} & found.graph.directed, "one of them is claimed"
    assert found.contradicted == {("b", "y", "x")}, "and the other is not hidden from the user"


def test_bad_settings() -> None:
    for alpha in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(JensenError, match="alpha is a probability between 0 and 1"):
            pc(Oracle(ASIA), alpha)
    with pytest.raises(JensenError, match="unknown rule 'maxp': did you mean 'max-p'"):
        pc(Oracle(ASIA), 0.1, "maxp")


def test_a_bound_on_what_is_given() -> None:
    dag = nx.DiGraph([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    assert frozenset("ad") in pc(Oracle(dag), max_given=2).separating_sets
    assert frozenset("ad") in pc(Oracle(dag), max_given=1).graph.skeleton
    with pytest.raises(JensenError, match="leave it out for no limit"):
        pc(Oracle(dag), max_given=-1)


def test_too_many_sets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jensen.graphs.discovery.MOST_SETS", 10)
    complete = nx.DiGraph([(a, b) for a, b in itertools.combinations("abcde", 2)])
    with pytest.raises(JensenError, match=r"20 sets of 1 columns would be tried.*max_given to 0"):
        pc(Oracle(complete))


def test_many_rows_of_asia_give_its_class(tmp_path: Path) -> None:
    network = asia(tmp_path)
    torch.manual_seed(1)
    rows = network.sample(50_000)
    found = pc(GSquared(dict(zip(network.nodes, rows.T, strict=True))), alpha=0.01)
    assert found.graph == cpdag(network.graph)
