"""Bayesian networks on disk, in the Interchange Format for Bayesian networks (.bif).

    network unknown { }
    variable rain { type discrete [ 2 ] { yes, no }; }
    variable wet { type discrete [ 2 ] { yes, no }; }
    probability ( rain ) { table 0.2, 0.8; }
    probability ( wet | rain ) { (yes) 0.9, 0.1; (no) 0.05, 0.95; }

Source: Cozman (1998), The Interchange Format for Bayesian Networks, version 0.15.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import numpy as np

from jensen.errors import JensenError, unknown
from jensen.graphs.network import DiscreteNetwork, check_acyclic, check_size, rounded_to_one

_TOKEN = re.compile(r'"[^"\n]*"|[^\s{}()\[\];|,"]+|[{}()\[\];|,]')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PUNCTUATION = "{}()[];|,"


def read_bif(path: str | Path) -> DiscreteNetwork:
    """The network of a .bif file, its nodes in the order of the file.

    Errors, with the line of the file: a name that was not declared (and the nearest that was), a cycle, a variable
    without a table, a row that is missing, doubled, of the wrong length or that does not sum to 1.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise JensenError(f"{path}: no text, expected a network in the .bif format: check the file") from error
    return _Reader(path, text).network()


def write_bif(network: DiscreteNetwork, path: str | Path) -> None:
    """Writes a .bif file that `read_bif` reads to the same network, bit by bit.

    Errors: a name that the format cannot hold.
    """
    Path(path).write_text(bif_text(network), encoding="utf-8")


def bif_text(network: DiscreteNetwork) -> str:
    """The network in the .bif format."""
    for name in itertools.chain(network.nodes, *network.states.values()):
        if not _TOKEN.fullmatch(name) or name in _PUNCTUATION:
            raise JensenError(f"the .bif format has no place for the name '{name}': use letters, digits, _ and -")
    lines = ["network unknown {", "}"]
    for node in network.nodes:
        states = network.states[node]
        lines += [f"variable {node} {{", f"  type discrete [ {len(states)} ] {{ {', '.join(states)} }};", "}"]
    for node in network.nodes:
        parents, table = network.parents(node), network.tables[node]
        lines.append(f"probability ( {node}{' | ' if parents else ''}{', '.join(parents)} ) {{")
        for place in np.ndindex(*table.shape[:-1]):
            given = ", ".join(network.states[parent][i] for parent, i in zip(parents, place, strict=True))
            numbers = ", ".join(repr(float(number)) for number in table[place])
            lines.append(f"  ({given}) {numbers};" if parents else f"  table {numbers};")
        lines.append("}")
    return "\n".join(lines) + "\n"


def read_graph(path: str | Path) -> nx.DiGraph:
    """The directed acyclic graph of a .bif file, or of a .json file {"directed": [[from, to], ...]}.

    Such JSON is what `jensen graph discover --json` prints; "nodes" may name those without arrows.

    Errors: those of `read_bif`; JSON of another form, edges without a direction, a cycle.
    """
    if Path(path).suffix.lower() != ".json":
        return read_bif(path).graph
    try:
        held = json.loads(Path(path).read_text())
        graph = nx.DiGraph()
        graph.add_nodes_from(map(str, held.get("nodes", [])))
        graph.add_edges_from([(str(start), str(end)) for start, end in held["directed"]])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JensenError(f'{path}: no graph: expected {{"directed": [["cause", "effect"], ...]}}') from error
    if held.get("undirected"):
        start, end = held["undirected"][0]
        raise JensenError(f"{path}: the edge {start} - {end} has no direction: put it among those that are directed")
    try:
        check_acyclic(graph)
    except JensenError as error:
        raise JensenError(f"{path}: {error}") from error
    return graph


class _Token(NamedTuple):
    text: str
    line: int


class _Reader:
    """One pass over the tokens of a file."""

    def __init__(self, path: str | Path, text: str) -> None:
        self.path = path
        blanked = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
        self.tokens = [
            _Token(found[0].strip('"'), number)
            for number, line in enumerate(blanked.splitlines(), 1)
            for found in _TOKEN.finditer(line)
        ]
        self.at = 0
        self.declared: dict[str, int] = {}
        self.states: dict[str, tuple[str, ...]] = {}
        self.tables: dict[str, np.ndarray] = {}
        self.graph = nx.DiGraph()

    def network(self) -> DiscreteNetwork:
        blocks = {"network": self._skip, "variable": self._variable, "probability": self._probability}
        while self.at < len(self.tokens):
            keyword = self._next("a block")
            if keyword.text not in blocks:
                raise self._error(keyword.line, str(unknown("block", keyword.text, blocks)))
            blocks[keyword.text]()
        if not self.states:
            raise JensenError(f"{self.path}: no variables: expected a network in the .bif format")
        for node, line in self.declared.items():
            if node not in self.tables:
                raise self._error(line, f"variable {node} has no table: add probability ( {node} ) {{ ... }}")
        return DiscreteNetwork(self.graph, self.states, self.tables)

    def _skip(self) -> None:
        while self._next("{").text != "{":
            pass
        while self._next("}").text != "}":
            pass

    def _variable(self) -> None:
        name = self._next("a name")
        if name.text in self.states:
            raise self._error(
                name.line, f"variable {name.text} was declared at line {self.declared[name.text]}: leave one out"
            )
        self._expect("{")
        states: tuple[str, ...] = ()
        while (token := self._next("}")).text != "}":
            if token.text == "property":
                self._until(";")
                continue
            for text in ("type", "discrete", "["):
                self._expect(text, token if text == "type" else None)
            count = self._next("the number of states")
            self._expect("]")
            self._expect("{")
            states = tuple(state.text for state in self._until("}"))
            self._expect(";")
            if str(len(states)) != count.text or len(set(states)) < len(states):
                raise self._error(
                    count.line,
                    f"variable {name.text} lists the states {', '.join(states)}, expected {count.text} different",
                )
        if not states:
            raise self._error(name.line, f"variable {name.text} has no states: add type discrete [ 2 ] {{ yes, no }};")
        self.states[name.text] = states
        self.declared[name.text] = name.line
        self.graph.add_node(name.text)

    def _probability(self) -> None:
        self._expect("(")
        node = self._next("a name")
        names = [node]
        while (token := self._next(")")).text != ")":
            if token.text not in "|,":
                names.append(token)
        for name in names:
            if name.text not in self.states:
                raise self._error(name.line, str(unknown("node", name.text, self.states)))
        if node.text in self.tables:
            raise self._error(node.line, f"{node.text} has two tables: leave one out")
        parents = names[1:]
        self._add_edges(node, parents)
        shape = tuple(len(self.states[name.text]) for name in (*parents, node))
        check_size(shape, f"{self.path}: line {node.line}: the table of {node.text}")
        table = np.full(shape, np.nan)
        self._expect("{")
        while (token := self._next("}")).text != "}":
            if token.text == "property":
                self._until(";")
                continue
            place = self._place(token, node, [parent.text for parent in parents])
            if not np.isnan(table[place]).all():
                raise self._error(token.line, f"{node.text} has this row twice: leave one out")
            table[place] = self._row(token, node.text, shape[-1])
        empty = np.argwhere(np.isnan(table[..., 0]))
        if len(empty):
            row = ", ".join(self.states[parent.text][i] for parent, i in zip(parents, empty[0], strict=True))
            what = f"no row ({row})" if parents else "no table"
            raise self._error(node.line, f"{node.text} has {what}: add its probabilities")
        self.tables[node.text] = table

    def _add_edges(self, node: _Token, parents: list[_Token]) -> None:
        for parent in parents:
            if self.graph.has_edge(parent.text, node.text):
                raise self._error(parent.line, f"{parent.text} is twice a parent of {node.text}: leave one out")
            self.graph.add_edge(parent.text, node.text)
        try:
            check_acyclic(self.graph)
        except JensenError as error:
            raise self._error(node.line, str(error)) from error

    def _place(self, token: _Token, node: _Token, parents: list[str]) -> tuple[int, ...]:
        """Which row of the table the entry that begins with this token is."""
        if token.text == "table":
            if parents:
                raise self._error(
                    token.line, f"{node.text} has parents: give a row for each of their states, (yes) ...;"
                )
            return ()
        self._expect("(", token)
        states = self._until(")")
        if len(states) != len(parents):
            raise self._error(token.line, f"{node.text} has {len(parents)} parents, the row names {len(states)} states")
        for parent, state in zip(parents, states, strict=True):
            if state.text not in self.states[parent]:
                raise self._error(state.line, str(unknown(f"state of {parent}", state.text, self.states[parent])))
        return tuple(self.states[parent].index(state.text) for parent, state in zip(parents, states, strict=True))

    def _row(self, start: _Token, node: str, count: int) -> np.ndarray:
        tokens = self._until(";")
        try:
            row = np.array([float(token.text) for token in tokens])
        except ValueError as error:
            raise self._error(start.line, f"a row of {node} holds no number: {error}") from error
        if len(row) != count:
            raise self._error(
                start.line, f"a row of {node} has {len(row)} numbers, expected {count}, one for each state"
            )
        try:
            return rounded_to_one(row)
        except JensenError as error:
            raise self._error(start.line, f"a row of {node} {error}") from error

    def _next(self, expected: str) -> _Token:
        if self.at >= len(self.tokens):
            raise self._error(self.tokens[-1].line, f"the file ends where {expected} was expected: get it again")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, text: str, token: _Token | None = None) -> None:
        token = token or self._next(f"'{text}'")
        if token.text != text:
            raise self._error(token.line, f"'{token.text}' where '{text}' was expected")

    def _until(self, end: str) -> list[_Token]:
        """The tokens before `end`, without commas."""
        found = []
        while (token := self._next(f"'{end}'")).text != end:
            if token.text in _PUNCTUATION and token.text != ",":
                raise self._error(token.line, f"'{token.text}' where '{end}' was expected")
            if token.text != ",":
                found.append(token)
        return found

    def _error(self, line: int, what: str) -> JensenError:
        return JensenError(f"{self.path}: line {line}: {what}")
