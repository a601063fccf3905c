"""Tests of x independent of y given some z: by counts, by partial correlation, and by a graph that is known.

Each is asked of one x and z and several y at once, and answers with p-values: the probability of a statistic at least
as large as the one that came, were they independent.

Sources: Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search; Fisher (1924), The distribution of the
partial correlation coefficient; Bishop, Fienberg & Holland (1975), Discrete Multivariate Analysis (degrees of freedom).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import networkx as nx
import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import chdtrc, ndtr, xlogy

from jensen.errors import JensenError, unknown
from jensen.graphs.network import check_acyclic
from jensen.graphs.separation import moves

# Rows to each cell of a table of two columns that the law of the statistic is trusted at (Cochran 1954).
ROWS_PER_CELL = 5
# Of the variance of a column, what is left of it where others determine it.
DETERMINED = 1e-10


@runtime_checkable
class IndependenceTest(Protocol):
    """What `pc` asks."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of what is tested."""
        ...

    def p_values(self, x: str, ys: Sequence[str], given: Sequence[str]) -> Float64[np.ndarray, "ys"]:
        """The p-value of x independent of y given `given`, for each y; NaN where that cannot be tested."""
        ...


class _Counts(ABC):
    """A test by counts n_zxy of rows, against those expected were x and y independent: n_zx n_zy / n_z.

    The statistic is summed over the configurations z that some row has. Each adds (r - 1)(c - 1) degrees of freedom,
    with r and c the states that x and y take among its rows: a state that does not occur there can tell nothing. Where
    no configuration adds any, as where z determines x or y, there is nothing to test, and the p-value is NaN.

    Args:
        data: a column of states by name, of whatever values: a mapping, or a frame of polars or pandas.

    Errors: a missing value, a constant column, fewer than 5 rows for each cell of the table of two columns.
    """

    def __init__(self, data: Any) -> None:
        columns = _columns(data)
        self.nodes = tuple(columns)
        self._place = {name: place for place, name in enumerate(columns)}
        self._codes = [np.unique(column, return_inverse=True)[1] for column in columns.values()]
        self._states = [int(codes.max()) + 1 for codes in self._codes]
        self._strata: list[tuple[int, np.ndarray, int]] = []
        self.num_rows = len(self._codes[0])
        self._check_rows()

    def p_values(self, x: str, ys: Sequence[str], given: Sequence[str] = ()) -> Float64[np.ndarray, "ys"]:
        """The p-value of x independent of y given `given`, for each y."""
        statistic, degrees = self.statistics(x, ys, given)
        return np.where(degrees > 0, chdtrc(np.maximum(degrees, 1), statistic), np.nan)

    def statistics(
        self, x: str, ys: Sequence[str], given: Sequence[str] = ()
    ) -> tuple[Float64[np.ndarray, "ys"], Int64[np.ndarray, "ys"]]:
        """The statistic and its degrees of freedom, for each y."""
        (at_x, *at_ys), at_z = _places(self._place, [x, *ys], given)
        counts = self._count(at_x, at_ys, at_z)
        of_x, of_y = counts[0].sum(-1), counts.sum(2)  # (strata, x), (ys, strata, y)
        degrees = (((of_x > 0).sum(-1) - 1) * ((of_y > 0).sum(-1) - 1)).sum(-1)
        return self._statistic(counts, of_x, of_y, of_x.sum(-1)), degrees

    @abstractmethod
    def _statistic(
        self,
        of_xy: Int64[np.ndarray, "ys strata x y"],
        of_x: Int64[np.ndarray, "strata x"],
        of_y: Int64[np.ndarray, "ys strata y"],
        of_z: Int64[np.ndarray, "strata"],
    ) -> Float64[np.ndarray, "ys"]: ...

    def _count(self, x: int, ys: list[int], given: list[int]) -> Int64[np.ndarray, "ys strata x y"]:
        """The rows of each configuration; y has as many states as the largest of all y."""
        codes, strata = self._stratify(given)
        width = max(self._states[y] for y in ys)
        shape = (strata, self._states[x], width)
        cell = (codes * self._states[x] + self._codes[x]) * width
        cells = strata * self._states[x] * width
        return np.stack([np.bincount(cell + self._codes[y], minlength=cells) for y in ys]).reshape(-1, *shape)

    def _stratify(self, given: list[int]) -> tuple[np.ndarray, int]:
        """The number of each row's configuration of `given`, counted through those that occur, and how many they are.

        One column is taken in after another, and what the last call had of the same ones is kept.
        """
        kept = 0
        while kept < min(len(given), len(self._strata)) and self._strata[kept][0] == given[kept]:
            kept += 1
        del self._strata[kept:]
        for column in given[kept:]:
            codes, strata = self._strata[-1][1:] if self._strata else (0, 1)
            codes = codes * self._states[column] + self._codes[column]
            occurs = np.bincount(codes, minlength=strata * self._states[column]) > 0
            strata = int(occurs.sum())
            if strata < len(occurs):
                codes = (occurs.cumsum() - 1)[codes]
            self._strata.append((column, codes, strata))
        return self._strata[-1][1:] if self._strata else (np.zeros(1, np.intp), 1)

    def _check_rows(self) -> None:
        widest = sorted(range(len(self.nodes)), key=self._states.__getitem__)[-2:]
        cells = int(np.prod([self._states[place] for place in widest]))
        if self.num_rows < ROWS_PER_CELL * cells:
            named = " and ".join(f"'{self.nodes[place]}' ({self._states[place]} states)" for place in widest)
            raise JensenError(
                f"{self.num_rows:,} rows are too few to test {named}, expected {ROWS_PER_CELL} for each of {cells:,} "
                "cells: merge states, leave a column out, or take fisher-z where columns are numbers"
            )


class ChiSquare(_Counts):
    """Pearson's test: Σ (n_zxy - e_zxy)² / e_zxy with e_zxy = n_zx n_zy / n_z, chi-square distributed in the limit."""

    def _statistic(self, of_xy: Any, of_x: Any, of_y: Any, of_z: Any) -> np.ndarray:
        # Σ (n - e)² / e = Σ n² / e - N; where n_zx or n_zy is 0, so is n_zxy.
        scaled = of_xy / np.maximum(of_x, 1)[:, :, None]
        scaled *= of_xy
        of_each = (scaled.sum(2) / np.maximum(of_y, 1)).sum(-1)
        return np.maximum(of_each @ of_z - self.num_rows, 0)


class GSquared(_Counts):
    """The likelihood-ratio test: 2 Σ n_zxy log(n_zxy / e_zxy), 2 N times the conditional mutual information in nats."""

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        counts = np.arange(self.num_rows + 1.0)
        self._n_log_n = xlogy(counts, counts)

    def _statistic(self, of_xy: Any, of_x: Any, of_y: Any, of_z: Any) -> np.ndarray:
        # Counts are whole numbers up to N: all logarithms are taken once.
        take = self._n_log_n.take
        joint = take(of_xy).sum((1, 2, 3)) + take(of_z).sum()
        return np.maximum(2 * (joint - take(of_x).sum() - take(of_y).sum((1, 2))), 0)


class FisherZ:
    """The test of a partial correlation r: sqrt(N - |z| - 3) |atanh r| is normal in the limit, for Gaussian columns.

    Where z determines x or y, there is nothing to test, and the p-value is NaN.

    Args:
        data: a column of numbers by name: a mapping, or a frame of polars or pandas.

    Errors: a missing value, a constant column, text; fewer than |z| + 4 rows.
    """

    def __init__(self, data: Any) -> None:
        columns = _columns(data)
        self.nodes = tuple(columns)
        self._place = {name: place for place, name in enumerate(columns)}
        self.num_rows = len(columns[self.nodes[0]])
        self._correlation = np.corrcoef(np.stack([_numbers(name, column) for name, column in columns.items()]))

    def p_values(self, x: str, ys: Sequence[str], given: Sequence[str] = ()) -> Float64[np.ndarray, "ys"]:
        """The p-value of x independent of y given `given`, for each y."""
        xy, z = _places(self._place, [x, *ys], given)
        if self.num_rows < len(z) + 4:
            raise JensenError(
                f"{self.num_rows} rows are too few for Fisher's z given {len(z)} columns, expected at least "
                f"{len(z) + 4}: gather more rows, or leave columns out"
            )
        r = self._correlation
        across = r[np.ix_(xy, z)]
        left = r[np.ix_(xy, xy)] - across @ np.linalg.pinv(r[np.ix_(z, z)], hermitian=True) @ across.T
        variance = left.diagonal()
        free = (variance[1:] > DETERMINED) & (variance[0] > DETERMINED)
        partial = left[0, 1:] / np.sqrt(np.where(free, variance[0] * variance[1:], 1))
        with np.errstate(divide="ignore"):
            z_score = np.sqrt(self.num_rows - len(z) - 3) * np.arctanh(np.minimum(abs(partial), 1))
        return np.where(free, 2 * ndtr(-z_score), np.nan)


class Oracle:
    """The answers of a graph that is known: p-value 1 where it d-separates x from y, else 0.

    Errors: a cycle.
    """

    def __init__(self, dag: nx.DiGraph) -> None:
        check_acyclic(dag)
        self.nodes = tuple(dag)
        self._dag = dag
        self._place = {name: place for place, name in enumerate(dag)}

    def p_values(self, x: str, ys: Sequence[str], given: Sequence[str] = ()) -> Float64[np.ndarray, "ys"]:
        """1 for each y that x is d-separated from given `given`, else 0."""
        _places(self._place, [x, *ys], given)
        opened = set(given).union(*(nx.ancestors(self._dag, node) for node in given))
        reached = {(x, False)}
        waiting = [(x, False)]
        while waiting:
            new = [state for state in moves(self._dag, waiting.pop(), given, opened) if state not in reached]
            reached.update(new)
            waiting += new
        connected = {node for node, _ in reached}
        return np.array([float(y not in connected) for y in ys])


def _columns(data: Any) -> dict[str, np.ndarray]:
    """The columns of a table; raises where it is not complete."""
    names = data.keys() if isinstance(data, Mapping) else data.columns
    columns = {str(name): np.asarray(data[name]) for name in names}
    if len(columns) < 2:
        raise JensenError(f"a test of independence wants two columns, got {len(columns)}: give at least two")
    for (name, column), (after, other) in pairwise(columns.items()):
        if column.shape != other.shape:
            raise JensenError(f"'{name}' has {len(column)} rows and '{after}' {len(other)}: give columns of one length")
    for name, column in columns.items():
        missing = _missing(column)
        if missing.any():
            raise JensenError(
                f"'{name}' has no value in row {int(missing.argmax()) + 1}, {int(missing.sum()):,} are missing: leave "
                "such rows out or fill them in"
            )
        if column.dtype == object:
            columns[name] = column.astype(str)
        if (columns[name] == columns[name][:1]).all():
            raise JensenError(f"'{name}' is constant, and so independent of everything: leave it out")
    return columns


def _missing(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "O":
        return np.array([value is None or value != value or value == "" for value in column.tolist()])
    if column.dtype.kind == "U":
        return column == ""
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def _numbers(name: str, column: np.ndarray) -> np.ndarray:
    try:
        return column.astype(np.float64)
    except ValueError as error:
        raise JensenError(f"'{name}' has text, fisher-z wants numbers: choose g-squared or chi-square") from error


def _places(place: Mapping[str, int], names: Sequence[str], given: Sequence[str]) -> tuple[list[int], list[int]]:
    """The numbers of columns, which may not be among those given."""
    try:
        tested, known = [place[name] for name in names], [place[name] for name in given]
    except KeyError as error:
        raise unknown("column", error.args[0], place) from None
    both = set(names) & set(given)
    if both or names[0] in names[1:]:
        raise JensenError(f"'{next(iter(both), names[0])}' is on two sides of the test: name it once")
    return tested, known
