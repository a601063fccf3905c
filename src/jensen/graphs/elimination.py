"""Exact marginals and conditionals of a discrete network, by summing its variables out one after another.

Source: Zhang and Poole (1994), A simple approach to Bayesian network computations; Dechter (1996), Bucket elimination.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import networkx as nx
import numpy as np

from jensen.errors import JensenError
from jensen.graphs.network import DiscreteNetwork, check_nodes, check_size


class Factor(NamedTuple):
    """A table over some variables, an axis each, times exp(log_scale); its largest entry is near 1."""

    names: tuple[str, ...]
    values: np.ndarray
    log_scale: float = 0.0


def query(
    network: DiscreteNetwork, targets: str | Sequence[str], evidence: Mapping[str, str] | None = None
) -> np.ndarray:
    """p(targets | evidence), by variable elimination.

    Args:
        network: the network.
        targets: a node, or several, of which the joint law is found.
        evidence: the states of other nodes, by name: {"dysp": "yes"}.

    Returns:
        float64, an axis for each target, in their order; it sums to 1.

    Errors: an unknown node or state (the nearest), a target whose state is given, evidence of probability 0.

    >>> wet = nx.DiGraph([("rain", "wet")])
    >>> tables = {"rain": np.array([0.2, 0.8]), "wet": np.array([[0.9, 0.1], [0.05, 0.95]])}
    >>> network = DiscreteNetwork(wet, {"rain": ("yes", "no"), "wet": ("yes", "no")}, tables)
    >>> query(network, "rain", {"wet": "yes"}).round(4)
    array([0.8182, 0.1818])
    """
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    check_nodes(network.graph, names)
    if not names or len(set(names)) < len(names):
        raise JensenError(f"query takes different targets, at least one, got {', '.join(names) or 'none'}")
    check_size(tuple(len(network.states[name]) for name in names), "the joint law")
    joint = _eliminated(network, names, evidence or {}).values
    return joint / joint.sum()


def log_evidence(network: DiscreteNetwork, evidence: Mapping[str, str]) -> float:
    """log p(evidence) in nats, all other nodes summed out; errors as of `query`."""
    probability = _eliminated(network, (), evidence)
    return math.log(probability.values) + probability.log_scale


def _eliminated(network: DiscreteNetwork, targets: tuple[str, ...], evidence: Mapping[str, str]) -> Factor:
    """p(targets, evidence), its axes in the order of the targets."""
    numbers = {node: network.state_number(node, state) for node, state in evidence.items()}
    both = next((name for name in targets if name in evidence), None)
    if both is not None:
        raise JensenError(f"'{both}' is both asked for and given: leave it out of one of them")
    # What is no ancestor of these sums to 1 and plays no part.
    kept = set(targets).union(evidence, *(nx.ancestors(network.graph, name) for name in (*targets, *evidence)))
    factors = [_given(network, node, numbers) for node in network.nodes if node in kept]
    hidden = [node for node in network.nodes if node in kept and node not in targets and node not in evidence]
    while hidden:
        node = min(hidden, key=lambda name: _size_without(name, factors))
        hidden.remove(node)
        product = _product([factor for factor in factors if node in factor.names])
        factors = [factor for factor in factors if node not in factor.names] + [_summed(product, node)]
    joint = _product(factors)
    if not joint.values.max() > 0:
        said = ", ".join(f"{name}={state}" for name, state in evidence.items())
        raise JensenError(
            f"{said} has probability 0 in this network, so that nothing follows from it: give other states"
        )
    return joint._replace(names=targets, values=joint.values.transpose([joint.names.index(name) for name in targets]))


def _given(network: DiscreteNetwork, node: str, numbers: Mapping[str, int]) -> Factor:
    """A node's table, of which only what agrees with the evidence is kept."""
    names = (*network.parents(node), node)
    place = tuple(numbers.get(name, slice(None)) for name in names)
    return Factor(tuple(name for name in names if name not in numbers), network.tables[node][place])


def _size_without(node: str, factors: list[Factor]) -> int:
    """The entries of the table that eliminating a node leaves behind: the least is eliminated first."""
    sizes = {
        name: size
        for factor in factors
        if node in factor.names
        for name, size in zip(factor.names, factor.values.shape, strict=True)
    }
    return math.prod(size for name, size in sizes.items() if name != node)


def _summed(factor: Factor, node: str) -> Factor:
    axis = factor.names.index(node)
    return factor._replace(names=factor.names[:axis] + factor.names[axis + 1 :], values=factor.values.sum(axis))


def _product(factors: list[Factor]) -> Factor:
    return reduce(_times, factors, Factor((), np.ones(())))


def _times(a: Factor, b: Factor) -> Factor:
    sizes = dict(zip((*a.names, *b.names), (*a.values.shape, *b.values.shape), strict=True))
    check_size(tuple(sizes.values()), "a table")
    number = {name: place for place, name in enumerate(sizes)}
    sides = [operand for f in (a, b) for operand in (f.values, [number[name] for name in f.names])]
    values = np.einsum(*sides, list(range(len(sizes))))
    # The product of many numbers below 1 would underflow.
    scale = float(values.max()) or 1.0
    return Factor(tuple(sizes), values / scale, a.log_scale + b.log_scale + math.log(scale))
