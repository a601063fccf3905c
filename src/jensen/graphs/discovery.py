"""The PC algorithm: from independences to the class of graphs that have them as their d-separations.

Sources: Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search; Colombo & Maathuis (2014),
Order-independent constraint-based causal structure learning (levels, majority); Ramsey (2016), Improving accuracy and
scalability of the PC algorithm by maximizing p-value (max-p).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jensen.errors import JensenError, unknown
from jensen.graphs.equivalence import Edge, PartiallyDirected, Triple, meek
from jensen.graphs.independence import IndependenceTest

RULES = ("sepset", "majority", "max-p")
# Sets of one size that are tried, which takes a minute or two.
MOST_SETS = 30_000
Adjacent = Mapping[str, set[str]]
Pair = frozenset[str]

ASSUMPTIONS = {
    "Markov": "a directed acyclic graph over the columns made each row: d-separated columns are independent",
    "faithfulness": "no other columns are independent: effects do not cancel, and none shows in pairs only, as in XOR",
    "sufficiency": "no common cause of two columns is missing from the table",
}


@dataclass(frozen=True)
class Found:
    """A set given which two columns were called independent, and the p-value."""

    p_value: float
    given: tuple[str, ...]


@dataclass(frozen=True)
class Discovery:
    """What `pc` found.

    Attributes:
        graph: the class of graphs, as its CPDAG where no two decisions contradict each other.
        separating_sets: for each two columns that no edge joins, what they were independent given.
        num_tests: how many were made.
        contradicted: colliders (a, c, b) that were left out, for another directs one of their edges the other way. With
            the three assumptions and tests that are right there are none: a sign of a missing common cause, or of too
            few rows.
        ambiguous: (a, c, b) of which half of the sets that separate a from b have c; the rule "majority" alone has any.
    """

    graph: PartiallyDirected
    separating_sets: Mapping[Pair, Found]
    num_tests: int
    contradicted: frozenset[Triple]
    ambiguous: frozenset[Triple]


def pc(test: IndependenceTest, alpha: float = 0.01, rule: str = "max-p", max_given: int | None = None) -> Discovery:
    """The graphs whose d-separations are the independences that a test finds.

    1. Start with all edges. For |z| = 0, 1, 2, ...: x - y goes where x is independent of y given some z of that size
       among the neighbours of x, or of y, as they were when that size was begun (Colombo & Maathuis 2014).
    2. a - c - b with a and b not joined is a collider a -> c <- b where c is not in what separates a from b.
    3. The rest follows by Meek's rules.

    The result does not depend on the order of the columns: of several separating sets the one with the largest p-value
    counts, and of colliders that would direct an edge both ways the one whose separating set has the larger p-value.

    Args:
        test: `ChiSquare`, `GSquared` or `FisherZ` of a table, or `Oracle` of a graph.
        alpha: x and y are called independent where the p-value is above it; an edge that cannot be tested stays.
        rule: what separates a from b. "sepset": the set that took the edge away. "max-p": of all sets of neighbours of
            a, or of b, in the end, the one with the largest p-value. "majority": all of these with a p-value above
            alpha; c has to be in less than half of them, and where it is in just half the triple is left alone.
        max_given: the most columns z that are tried; None is no limit. Columns that determine each other keep many
            neighbours, since nothing can be tested given them, and their sets are too many to be tried.

    Errors: alpha outside (0, 1); max_given below 0; a size with more than 30,000 sets; those of the test.
    """
    if not 0 < alpha < 1:
        raise JensenError(f"alpha is a probability between 0 and 1, got {alpha:g}: .01 is usual")
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if max_given is not None and max_given < 0:
        raise JensenError(f"max_given must be at least 0, got {max_given}: leave it out for no limit")
    most = len(test.nodes) if max_given is None else max_given
    counted = _Counted(test)
    adjacent, removed = _skeleton(counted, alpha, most)
    separating = removed if rule == "sepset" else _of_neighbours(counted, adjacent, removed, alpha, most)
    colliders, ambiguous = _colliders(adjacent, separating, rule)
    arrows, contradicted = _arrows(colliders)
    skeleton = {frozenset((x, y)) for x in adjacent for y in adjacent[x]}
    graph = meek(test.nodes, skeleton, arrows, ambiguous | {triple[::-1] for triple in ambiguous})
    separating_sets = {pair: _best(sets) for pair, sets in removed.items()}
    return Discovery(graph, separating_sets, counted.num_tests, contradicted, ambiguous)


class _Counted:
    """A test, and how often it was asked."""

    def __init__(self, test: IndependenceTest) -> None:
        self.nodes, self._test, self.num_tests = test.nodes, test, 0

    def __call__(self, x: str, ys: list[str], given: tuple[str, ...]) -> np.ndarray:
        self.num_tests += len(ys)
        return self._test.p_values(x, ys, given)


def _skeleton(test: _Counted, alpha: float, most: int) -> tuple[dict[str, set[str]], dict[Pair, list[Found]]]:
    """Step 1: the neighbours of each node, and all sets that separated the others when their edge went."""
    adjacent = {x: set(test.nodes) - {x} for x in test.nodes}
    separating: dict[Pair, list[Found]] = {}
    size = 0
    while size <= most and any(len(neighbours) > size for neighbours in adjacent.values()):
        _check_count(adjacent, size)
        found = defaultdict(list)
        for x, ys, given in _level(adjacent, size):
            p_values = test(x, ys, given)
            for place in np.flatnonzero(p_values > alpha):
                found[frozenset((x, ys[place]))].append(Found(float(p_values[place]), given))
        for x, y in found:
            adjacent[x].discard(y)
            adjacent[y].discard(x)
        separating |= found
        size += 1
    return adjacent, separating


def _check_count(adjacent: Adjacent, size: int) -> None:
    count = sum(math.comb(len(neighbours), size) for neighbours in adjacent.values())
    if count > MOST_SETS:
        x = max(sorted(adjacent), key=lambda name: len(adjacent[name]))
        raise JensenError(
            f"{count:,} sets of {size} columns would be tried, at most {MOST_SETS:,} are: '{x}' keeps "
            f"{len(adjacent[x])} neighbours, which columns do that determine each other; leave some out, or set "
            f"max_given to {size - 1}"
        )


def _level(adjacent: Adjacent, size: int) -> Iterator[tuple[str, list[str], tuple[str, ...]]]:
    """All (x, ys, given) with `given` of this size among the neighbours of x; no x, y, given twice."""
    asking: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for x in sorted(adjacent):
        for given in itertools.combinations(sorted(adjacent[x]), size):
            asking[given].append(x)
    for given in sorted(asking):  # so that sets with the same first columns follow each other
        done: set[str] = set()
        for x in asking[given]:
            ys = sorted(adjacent[x].difference(given, done))
            if ys:
                yield x, ys, given
            done.add(x)


def _of_neighbours(
    test: _Counted, adjacent: Adjacent, removed: Mapping[Pair, list[Found]], alpha: float, most: int
) -> dict[Pair, list[Found]]:
    """What separates the ends of each a - c - b among the sets of neighbours of a, and of b, in the end."""
    separating = defaultdict(list)
    for a in sorted(adjacent):
        ends = sorted(set().union(*(adjacent[c] for c in adjacent[a])) - adjacent[a] - {a})
        for size in range(min(len(adjacent[a]), most) + 1 if ends else 0):
            _check_count({a: adjacent[a]}, size)
            for given in itertools.combinations(sorted(adjacent[a]), size):
                # Sets of neighbours of both were asked of b already.
                bs = [b for b in ends if b > a or not adjacent[b].issuperset(given)]
                for b, p_value in zip(bs, test(a, bs, given) if bs else (), strict=True):
                    if p_value > alpha:
                        separating[frozenset((a, b))].append(Found(float(p_value), given))
    return {pair: separating.get(pair) or sets for pair, sets in removed.items()}


def _colliders(
    adjacent: Adjacent, separating: Mapping[Pair, list[Found]], rule: str
) -> tuple[dict[Triple, float], frozenset[Triple]]:
    """Step 2: the colliders, each with the p-value of what separates its ends; and the triples that stay undecided."""
    colliders, ambiguous = {}, set()
    for c in adjacent:
        for a, b in itertools.combinations(sorted(adjacent[c]), 2):
            if b in adjacent[a]:
                continue
            sets = separating[frozenset((a, b))]
            if rule != "majority":
                sets = [_best(sets)]
            share = sum(c in found.given for found in sets) / len(sets)
            if share < 0.5:
                colliders[a, c, b] = _best(sets).p_value
            elif share == 0.5:
                ambiguous.add((a, c, b))
    return colliders, frozenset(ambiguous)


def _arrows(colliders: Mapping[Triple, float]) -> tuple[set[Edge], frozenset[Triple]]:
    """The edges of the colliders, and the colliders that contradict one with a larger p-value, which have none."""
    arrows: set[Edge] = set()
    contradicted = set()
    for a, c, b in sorted(colliders, key=lambda triple: (-colliders[triple], triple)):
        if (c, a) in arrows or (c, b) in arrows:
            contradicted.add((a, c, b))
        else:
            arrows |= {(a, c), (b, c)}
    return arrows, frozenset(contradicted)


def _best(sets: list[Found]) -> Found:
    """The set with the largest p-value; of equals the smallest."""
    return min(sets, key=lambda found: (-found.p_value, len(found.given), found.given))
