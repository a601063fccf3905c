"""Which states of a Markov chain lead to which, and in how many steps: the graph of what is possible."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np


class CommunicatingClass(NamedTuple):
    """States that all lead to one another.

    states: in the chain's order. closed: whether no way leads out. period: the greatest common divisor of the numbers
    of steps in which a state can return to itself, the same for all of them; 0 of a state that cannot.
    """

    states: tuple[Hashable, ...]
    closed: bool
    period: int


class Members(NamedTuple):
    """The same by places: `members`, in order."""

    members: list[int]
    closed: bool
    period: int


def classes_of(edges: np.ndarray) -> list[Members]:
    """The strongly connected components of `edges` (S, S), True where a step is possible, by their first states."""
    from scipy.sparse.csgraph import connected_components

    labels = connected_components(edges, connection="strong")[1]
    found = []
    for label in dict.fromkeys(labels.tolist()):
        inside = labels == label
        members = np.flatnonzero(inside)
        found.append(
            Members(members.tolist(), not edges[inside][:, ~inside].any(), _period(edges[np.ix_(members, members)]))
        )
    return found


def _period(edges: np.ndarray) -> int:
    """gcd of the lengths of all closed walks in a strongly connected graph.

    With l(i) the distance from the first state, it is the gcd over steps i -> j of l(i) + 1 - l(j) (Denardo 1977).
    """
    level = np.full(len(edges), -1)
    level[0] = distance = 0
    frontier = level == 0
    while frontier.any():
        distance += 1
        frontier = edges[frontier].any(0) & (level < 0)
        level[frontier] = distance
    start, end = edges.nonzero()
    return int(np.gcd.reduce(level[start] + 1 - level[end], initial=0))


def hits_surely(edges: np.ndarray, target: int) -> np.ndarray:
    """The states, other than the target, from which a chain comes to the target with probability 1: (S,)."""
    aim = np.arange(len(edges)) == target
    lost = ~_leads_to(edges, aim)
    avoiding = edges & ~aim[:, None]
    return ~_leads_to(avoiding, lost) & ~aim


def _leads_to(edges: np.ndarray, states: np.ndarray) -> np.ndarray:
    """`states` (S,), and those from which a way leads to one of them."""
    frontier = reached = states
    while frontier.any():
        frontier = edges[:, frontier].any(1) & ~reached
        reached = reached | frontier
    return reached
