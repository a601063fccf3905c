"""Tests of independence against scipy's on each stratum, against regression, and at their level."""

from __future__ import annotations

import networkx as nx
import numpy as np
import polars as pl
import pytest
from scipy import stats

from jensen.errors import JensenError
from jensen.graphs.independence import ChiSquare, FisherZ, GSquared, Oracle

COUNTS = {ChiSquare: "pearson", GSquared: "log-likelihood"}


def table(num_rows: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of 2, 3, 4 and 2 states, of which some go together and some configurations do not occur."""
    draws = np.random.default_rng(seed)
    a = draws.integers(2, size=num_rows)
    b = (a + draws.integers(2, size=num_rows)) % 3
    c = np.where(b == 2, 3, draws.integers(3, size=num_rows))
    return {"a": a, "b": b, "c": c, "d": draws.integers(2, size=num_rows)}


def by_scipy(x: np.ndarray, y: np.ndarray, strata: np.ndarray, statistic: str) -> tuple[float, int]:
    total, degrees = 0.0, 0
    for stratum in np.unique(strata):
        rows = strata == stratum
        found = stats.contingency.crosstab(x[rows], y[rows]).count  # of the states that occur
        if min(found.shape) > 1:
            one = stats.chi2_contingency(found, correction=False, lambda_=statistic)
            total, degrees = total + one.statistic, degrees + one.dof
    return total, degrees


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_against_scipy_stratum_by_stratum(kind: type[ChiSquare] | type[GSquared]) -> None:
    data = table()
    test = kind(data)
    for x, ys, given in [("a", "bcd", ""), ("a", "bd", "c"), ("d", "b", "ca"), ("d", "b", "ac"), ("c", "d", "ab")]:
        strata = sum((10**i * data[z] for i, z in enumerate(given)), np.zeros(400, int))
        statistic, degrees = test.statistics(x, list(ys), list(given))
        p_values = test.p_values(x, list(ys), list(given))
        for place, y in enumerate(ys):
            expected = by_scipy(data[x], data[y], strata, COUNTS[kind])
            assert statistic[place] == pytest.approx(expected[0], rel=1e-9, abs=1e-9)
            assert degrees[place] == expected[1]
            assert p_values[place] == pytest.approx(stats.chi2.sf(*expected), rel=1e-9)


def test_g_squared_is_twice_the_mutual_information_of_the_rows() -> None:
    x, y = table()["a"], table()["b"]
    joint = np.histogram2d(x, y, bins=(2, 3))[0] / 400
    information = stats.entropy(joint.sum(1)) + stats.entropy(joint.sum(0)) - stats.entropy(joint.ravel())
    assert GSquared(table()).statistics("a", ["b"])[0][0] == pytest.approx(2 * 400 * information, rel=1e-9)


@pytest.mark.parametrize("kind", COUNTS)
def test_what_is_given_may_leave_nothing_to_tell(kind: type[ChiSquare] | type[GSquared]) -> None:
    data = table() | {"copy": table()["a"] + 5}
    test = kind(data)
    assert test.statistics("a", ["b"], ["copy"])[1][0] == 0
    assert np.isnan(test.p_values("a", ["b", "c"], ["copy"])).all()
    assert test.p_values("a", ["copy"])[0] < 1e-80


@pytest.mark.parametrize("kind", [ChiSquare, GSquared, FisherZ])
def test_a_true_independence_is_refused_as_often_as_the_level_says(kind: type[ChiSquare]) -> None:
    draws = np.random.default_rng(1)
    repeats, refused = 400, 0
    for _ in range(repeats):
        z = draws.integers(2, size=300)
        noise = draws.normal(size=(2, 300))
        x, y = z + noise if kind is FisherZ else (z + (noise > 0.5)) % 2
        data = {"x": x, "y": y, "z": z}
        refused += kind(data).p_values("x", ["y"], ["z"])[0] < 0.05
    assert abs(refused / repeats - 0.05) < 4 * (0.05 * 0.95 / repeats) ** 0.5


def test_fisher_z_against_the_residuals_of_regressions() -> None:
    draws = np.random.default_rng(2)
    z = draws.normal(size=(60, 2))
    columns = np.c_[z, z @ [[1, 0.5], [-1, 2]] + draws.normal(size=(60, 2))]
    data = pl.DataFrame(columns, schema=["u", "v", "x", "y"])
    design = np.c_[np.ones(60), z]
    left = columns[:, 2:] - design @ np.linalg.lstsq(design, columns[:, 2:])[0]
    r = np.corrcoef(left.T)[0, 1]
    expected = 2 * stats.norm.sf((60 - 2 - 3) ** 0.5 * abs(np.arctanh(r)))
    test = FisherZ(data)
    assert test.p_values("x", ["y"], ["u", "v"])[0] == pytest.approx(expected, rel=1e-9)
    assert test.p_values("x", ["u", "y"], ["v"])[1] == test.p_values("y", ["x"], ["v"])[0]


def test_fisher_z_where_columns_are_functions_of_others() -> None:
    draws = np.random.default_rng(3)
    u, v = draws.normal(size=(2, 50))
    test = FisherZ({"u": u, "v": v, "sum": u + v, "more": draws.normal(size=50)})
    assert test.p_values("u", ["sum", "more"], ["v"])[0] < 1e-100
    assert np.isnan(test.p_values("sum", ["more"], ["u", "v"])[0])
    assert np.isnan(test.p_values("more", ["u"], ["v", "sum"])[0])
    assert FisherZ({"u": u, "w": -3 * u}).p_values("u", ["w"])[0] == 0


def test_the_oracle_says_what_networkx_says() -> None:
    dag = nx.DiGraph(["ac", "bc", "cd", "de", "be"])
    test = Oracle(dag)
    for given in [(), ("c",), ("d",), ("c", "e")]:
        ys = sorted(set("bcde").difference(given))
        expected = [nx.is_d_separator(dag, "a", y, set(given)) for y in ys]
        assert test.p_values("a", ys, given).tolist() == expected


def test_states_of_any_kind() -> None:
    rows = {"x": ["no", "yes"] * 50, "y": [True, True, False, False] * 25, "z": [1.5, 2.5] * 50}
    for data in (rows, pl.DataFrame(rows)):
        assert ChiSquare(data).p_values("x", ["y", "z"]).tolist() == pytest.approx([1, stats.chi2.sf(100, 1)])


BINARY = {"x": [0, 1] * 20, "y": [0, 0, 1, 1] * 10}


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (GSquared, BINARY | {"z": ["on"] * 40}, "'z' is constant, and so independent of everything: leave it out"),
        (FisherZ, BINARY | {"z": [2] * 40}, "'z' is constant"),
        (GSquared, BINARY | {"z": ["a", None] * 20}, "'z' has no value in row 2, 20 are missing: leave such rows out"),
        (ChiSquare, BINARY | {"z": ["a", ""] * 20}, "'z' has no value in row 2"),
        (FisherZ, BINARY | {"z": [1.0, 2.0, float("nan"), 3.0] * 10}, "'z' has no value in row 3, 10 are missing"),
        (
            GSquared,
            BINARY | {"z": range(40)},
            r"40 rows are too few .* 'y' \(2 states\) and 'z' \(40 states\), exp",
        ),
        (
            ChiSquare,
            {"x": [0, 1] * 5, "y": [1, 0] * 5},
            "10 rows are too few .* expected 5 for each of 4 cells",
        ),
        (FisherZ, BINARY | {"z": ["low", "high"] * 20}, "'z' has text, fisher-z wants numbers: choose g-squared"),
        (FisherZ, {"x": [0, 1, 2], "y": [2, 1, 0]}, "3 rows are too few for Fisher's z given 0 columns, expected at"),
        (GSquared, {"x": [0, 1] * 20}, "wants two columns, got 1"),
        (GSquared, {"x": [0, 1] * 20, "y": [0, 1] * 19}, "'x' has 40 rows and 'y' 38"),
    ],
)
def test_what_cannot_be_tested(kind: type[ChiSquare], data: dict[str, list[float]], said: str) -> None:
    with pytest.raises(JensenError, match=said):
        kind(data).p_values("x", ["y"])


def test_what_cannot_be_asked() -> None:
    test = GSquared(BINARY)
    with pytest.raises(JensenError, match="unknown column 'yy': did you mean 'y'"):
        test.p_values("x", ["yy"])
    for x, ys, given in [("x", ["x"], []), ("x", ["y"], ["y"]), ("x", ["y"], ["x"])]:
        with pytest.raises(JensenError, match="is on two sides of the test: name it once"):
            test.p_values(x, ys, given)
