"""The columns of x as the nodes of a graph."""

from __future__ import annotations

import networkx as nx

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.graphs.network import graph_of


def graph_over(spec: Spec, text: str) -> nx.DiGraph:
    """The graph that a text stands for, its nodes in the order of the entries of x.

    Args:
        spec: what x is; entries without a name are "0", "1", ...
        text: as `jensen.graphs.structure` writes it.

    Errors: no text, or one of another form; a node that is no column, and a column that is no node.
    """
    if not text:
        raise JensenError("a graph is needed: set graph=[a][b|a][c|a:b], each column with its parents")
    columns, given = column_names(spec), graph_of(text)
    for node in given:
        if node not in columns:
            raise unknown("column (a node of the graph)", node, columns)
    for name in columns:
        if name not in given:
            raise JensenError(f"column '{name}' is no node of the graph: drop it, or add [{name}] to the graph")
    graph = nx.DiGraph()
    graph.add_nodes_from(columns)
    graph.add_edges_from((parent, node) for node in given for parent in given.predecessors(node))
    return graph


def column_names(spec: Spec) -> tuple[str, ...]:
    """The names of the entries of x."""
    return spec.columns or tuple(map(str, range(spec.num_dims)))


def states_of(spec: Spec) -> dict[str, tuple[str, ...]] | None:
    """The states of each column, where all of them have some; None where all are real.

    Errors: columns of other kinds, or of both.
    """
    names = column_names(spec)
    if spec.column_types is None:
        kinds, levels = {spec.kind}, [spec.levels or {"binary": 2}.get(spec.kind, 0)] * len(names)
        states = [tuple(map(str, range(count))) for count in levels]
    else:
        kinds = {column.kind for column in spec.column_types}
        states = [column.categories or ("0", "1") for column in spec.column_types]
    if kinds <= {"real", "unit"}:
        return None
    if kinds <= {"binary", "categorical", "8-bit"} and all(states):
        return dict(zip(names, states, strict=True))
    raise JensenError(
        f"a graph's columns are all real or all have states, got {', '.join(sorted(kinds))}: load the table with "
        "columns=mixed,NAME=categorical, or cut real columns into bins"
    )
