"""graph: what a directed graph separates, what follows from its tables, its draws, and its fit to data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jensen.cli import discovery
from jensen.cli.common import Json, Seed, table_of
from jensen.errors import JensenError, unknown

if TYPE_CHECKING:
    import networkx as nx

    from jensen.graphs import Trail

Graph = Annotated[Path, typer.Argument(help="a .bif file, or .json with directed edges", metavar="GRAPH")]
Figure = Annotated[Path | None, typer.Option("--out", help="the graph as .svg or .png", metavar="FILE")]
Network = Annotated[Path, typer.Argument(help="a .bif file", metavar="FILE")]

# The model of the registry and the preset that each kind of conditional is fitted by.
CONDITIONALS = {"table": ("dag", None), "linear-gaussian": ("dag", None), "network": ("dag-network", "table")}

app = typer.Typer(help="Directed graphs: separation, queries, draws, fits.", rich_markup_mode=None)


def separation(
    graph: Graph,
    x: Annotated[str, typer.Argument(help="a node, or several: a,b", metavar="X")],
    y: Annotated[str, typer.Argument(help="a node, or several: a,b", metavar="Y")],
    given: Annotated[list[str] | None, typer.Option("--given", help="what is known: a,b", metavar="Z")] = None,
    out: Figure = None,
    as_json: Json = False,
) -> None:
    """Whether X and Y are d-separated given Z; where they are not, a path that is open, step by step."""
    from jensen.graphs import active_trail, read_graph

    dag = read_graph(graph)
    known = _names(given or [])
    trail = active_trail(dag, _names([x]), _names([y]), known)
    if out is not None:
        _draw(dag, out, observed=known, marked=_names([x, y]), trail=() if trail is None else trail.edges)
    if as_json:
        print(json.dumps({"separated": trail is None, "trail": None if trail is None else _steps(trail)}))
        return
    after = f" given {', '.join(known)}" if known else ""
    if trail is None:
        print(f"{x} and {y} are d-separated{after}")
        return
    print(f"{x} and {y} are not d-separated{after}: {trail} is open")
    if trail.steps:
        print(table_of([("step", "is a", "open because"), *_reasons(dag, trail, known)]))


def blanket(
    graph: Graph,
    node: Annotated[str, typer.Argument(help="a node", metavar="NODE")],
    out: Figure = None,
    as_json: Json = False,
) -> None:
    """The Markov blanket of a node: parents, children, and the children's other parents."""
    from jensen.graphs import markov_blanket, read_graph

    dag = read_graph(graph)
    found = markov_blanket(dag, node)
    ordered = [name for name in dag if name in found]
    if out is not None:
        _draw(dag, out, observed=ordered, marked=[node])
    if as_json:
        print(json.dumps({"blanket": ordered}))
        return
    parents, children = set(dag.predecessors(node)), set(dag.successors(node))
    roles = ["parent" if n in parents else "child" if n in children else "parent of a child" for n in ordered]
    if not ordered:
        print(f"the Markov blanket of {node} is empty: it is independent of all other nodes")
        return
    print(f"the Markov blanket of {node}: given these, it is independent of all other nodes")
    print(table_of(list(zip(ordered, roles, strict=True))))


def query(
    network: Network,
    targets: Annotated[str, typer.Argument(help="a node, or several: a,b", metavar="NODE")],
    given: Annotated[
        list[str] | None, typer.Option("--given", help="states that are known", metavar="a=yes,b=no")
    ] = None,
    as_json: Json = False,
) -> None:
    """p(NODE | what is given), exactly, by variable elimination; of several nodes their joint law."""
    import numpy as np

    from jensen.graphs import query as answered
    from jensen.graphs import read_bif

    of = read_bif(network)
    names, evidence = _names([targets]), _evidence(given or [])
    p = answered(of, names, evidence)
    marginal = {
        ",".join(of.states[name][i] for name, i in zip(names, place, strict=True)): float(p[place])
        for place in np.ndindex(*p.shape)
    }
    if as_json:
        print(json.dumps({"marginal": marginal}))
        return
    after = f" | {', '.join(f'{node}={state}' for node, state in evidence.items())}" if evidence else ""
    rows = [(states, f"{value:.6f}") for states, value in marginal.items()]
    print(table_of([(",".join(names), f"p({', '.join(names)}{after})"), *rows]))


def sample(
    network: Network,
    out: Annotated[Path, typer.Option("--out", help=".csv", metavar="FILE")],
    num: Annotated[int, typer.Option("--num", help="how many rows")] = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw rows from a network, each node given its parents, and write their states as a table."""
    import csv
    import io

    import torch

    from jensen.graphs import read_bif
    from jensen.reporting.draw import check_name
    from jensen.training.checkpoint import write_atomically

    check_name(out, (".csv",))
    if num < 1:
        raise JensenError(f"num must be at least 1, got {num}")
    of = read_bif(network)
    torch.manual_seed(seed)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(of.nodes)
    writer.writerows(of.names_of(of.sample(num)).tolist())
    write_atomically(out, text.getvalue().encode())
    if as_json:
        print(json.dumps({"out": str(out), "num": num, "columns": of.nodes}))
    else:
        print(f"{out}: {num:,} rows of {len(of.nodes)} nodes")


def fit(
    graph: Graph,
    data: Annotated[str, typer.Argument(help="a table, a column for each node", metavar="DATA")],
    out: Annotated[Path, typer.Option("--out", help="the run's folder", metavar="DIR")],
    conditionals: Annotated[
        str, typer.Option("--conditionals", help="what each node is, given its parents", metavar="|".join(CONDITIONALS))
    ] = "table",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting, see: jensen describe dag", metavar="KEY=VALUE")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="the run is a function of it")] = None,
    as_json: Json = False,
) -> None:
    """Learn the conditionals of a graph from data: a run like any other, to evaluate, sample, report and compare."""
    from jensen.graphs import bif_text, read_bif, read_graph, structure
    from jensen.settings import configure, fit_run
    from jensen.training import load
    from jensen.training.checkpoint import write_atomically

    if conditionals not in CONDITIONALS:
        raise unknown("value of conditionals", conditionals, CONDITIONALS)
    model, preset = CONDITIONALS[conditionals]
    dag = read_graph(graph)
    kinds = dict.fromkeys(dag, "real" if conditionals == "linear-gaussian" else "categorical")
    if conditionals != "linear-gaussian" and graph.suffix.lower() != ".json":
        kinds = {node: "|".join(states) for node, states in read_bif(graph).states.items()}
    columns = ",".join(["mixed", *(f"{node}={kind}" for node, kind in kinds.items())])
    flags = [] if seed is None else [f"seed={seed}"]
    settings = configure(model, preset, data, [f"columns={columns}", f"graph={structure(dag)}", *(set_ or []), *flags])
    fit_run(settings, out, False, preset)
    fitted = load(out)
    said = {"out": str(out), "model": model, "conditionals": conditionals}
    if hasattr(fitted, "network"):
        write_atomically(out / "network.bif", bif_text(fitted.network()).encode())  # type: ignore[operator]
        said["network"] = str(out / "network.bif")
    if as_json:
        print(json.dumps(said))
        return
    asks = f", jensen graph query {said['network']} NODE" if "network" in said else ""
    print(f"{out}: fitted; next: jensen evaluate {out}{asks}")


for command in (separation, blanket, discovery.equivalence, query, fit, sample, discovery.discover, discovery.plates):
    app.command()(command)


def _names(given: Sequence[str]) -> list[str]:
    """The names in "a,b", over all options of that name."""
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _evidence(given: Sequence[str]) -> dict[str, str]:
    evidence: dict[str, str] = {}
    for item in _names(given):
        node, equals, state = (part.strip() for part in item.partition("="))
        if not equals:
            raise JensenError(f"--given takes NODE=STATE, such as dysp=yes, got '{item}'")
        if evidence.setdefault(node, state) != state:
            raise JensenError(f"--given says both {node}={evidence[node]} and {node}={state}: leave one out")
    return evidence


def _draw(dag: nx.DiGraph, out: Path, **what: Any) -> None:
    """Writes the figure; `what` as of `draw_graph`."""
    from jensen.graphs import PartiallyDirected
    from jensen.reporting.draw import check_name
    from jensen.reporting.graphs import draw_graph

    check_name(out, (".svg", ".png"))
    discovery.write_figure(draw_graph(PartiallyDirected(tuple(dag), frozenset(dag.edges), frozenset()), **what), out)


def _steps(trail: Trail) -> list[dict[str, str | None]]:
    return [{"node": node, "step": step} for node, step in zip(trail.nodes, (None, *trail.steps, None), strict=True)]


def _reasons(dag: nx.DiGraph, trail: Trail, known: Sequence[str]) -> list[tuple[str, str, str]]:
    """Why each node between the ends of an open trail lets it pass."""
    import networkx as nx

    rows: list[tuple[str, str, str]] = []
    for node, step in zip(trail.nodes[1:-1], trail.steps, strict=True):
        why = "it is not given"
        if step == "collider":
            below = next((name for name in known if name in nx.descendants(dag, node)), None)
            why = "it is given" if node in known else f"its descendant {below} is given"
        rows.append((node, step, why))
    return rows
