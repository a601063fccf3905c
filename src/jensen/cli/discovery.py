"""graph equivalence and graph discover: what data can tell of a graph, and which graphs they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jensen.cli.common import Json, table_of
from jensen.errors import JensenError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jensen.graphs import Discovery, PartiallyDirected

Graph = Annotated[Path, typer.Argument(help="a .bif file, or .json with directed edges", metavar="GRAPH")]
Other = Annotated[Path | None, typer.Argument(help="another, to compare it with", metavar="OTHER")]
Table = Annotated[Path | None, typer.Argument(help=".csv, .tsv or .parquet, a column for each node", metavar="TABLE")]


def equivalence(graph: Graph, other: Other = None, as_json: Json = False) -> None:
    """The graphs that say the same of independence as GRAPH, as one partially directed graph; or whether OTHER does."""
    from jensen.graphs import class_size, cpdag, equivalent, read_graph

    dag = read_graph(graph)
    if other is not None:
        found = equivalent(dag, read_graph(other))
        if as_json:
            print(json.dumps({"equivalent": not found, "differs": [vars(one) for one in found]}))
        elif found:
            print(f"{graph} and {other} are not Markov equivalent:")
            print("\n".join(f"  {one}" for one in found))
        else:
            print(f"{graph} and {other} are Markov equivalent: the same edges, the same v-structures")
        return
    shared, size = cpdag(dag), class_size(dag)
    if as_json:
        print(json.dumps({**shared.as_json(), "class_size": size}))
        return
    print(f"{graph}: {size:,} {'graph' if size == 1 else 'Markov equivalent graphs'}")
    _print_edges(shared)


def discover(
    table: Table = None,
    oracle: Annotated[
        Path | None,
        typer.Option("--oracle", help="a graph whose d-separations answer", metavar="GRAPH"),
    ] = None,
    test: Annotated[
        Literal["chi-square", "g-squared", "fisher-z"], typer.Option("--test", help="of independence, on a table")
    ] = "g-squared",
    alpha: Annotated[float, typer.Option("--alpha", help="independent where the p-value is above")] = 0.01,
    rule: Annotated[
        Literal["sepset", "majority", "max-p"], typer.Option("--rule", help="what makes a collider")
    ] = "max-p",
    max_given: Annotated[int | None, typer.Option("--max-given", help="columns given at most  [default: any]")] = None,
    truth: Annotated[Path | None, typer.Option("--truth", help="the graph to compare with", metavar="GRAPH")] = None,
    out: Annotated[Path | None, typer.Option("--out", help=".svg or .png", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """The class of graphs that a table's independences point to, by the PC algorithm."""
    from jensen.graphs import ASSUMPTIONS, Oracle, cpdag, pc, read_graph, structural_hamming_distance
    from jensen.reporting.draw import check_name

    if (table is None) == (oracle is None):
        raise JensenError("give a table to learn from, or --oracle GRAPH, not both and not neither")
    if out is not None:
        check_name(out, (".svg", ".png"))
    true = None if truth is None else cpdag(read_graph(truth))
    if oracle is not None:
        asked: Any = Oracle(read_graph(oracle))
        of = f"PC on {oracle}, whose d-separations answer; rule {rule}"
    else:
        assert table is not None
        asked = _test(table, test)
        of = f"PC on {table}: {asked.num_rows:,} rows; {test} at alpha {alpha:g}, rule {rule}"
    found = pc(asked, alpha, rule, max_given)
    distance = None if true is None else structural_hamming_distance(found.graph, true)
    if out is not None:
        from jensen.reporting.graphs import draw_graph

        write_figure(draw_graph(found.graph, true), out)
    if as_json:
        print(json.dumps(_as_json(found, distance)))
        return
    print(f"{of}; {found.num_tests:,} tests")
    _print_edges(found.graph, true)
    if distance is not None:
        print(f"structural Hamming distance to the class of {truth}: {distance}")
    for a, c, b in sorted(found.contradicted):
        print(f"contradiction: {a} -> {c} <- {b} is left out, for another collider turns one of its edges")
    for a, c, b in sorted(found.ambiguous):
        print(f"ambiguous: {a} - {c} - {b}, where half of the separating sets have {c}")
    print("this assumes")
    print(table_of([(f"  {name}", text) for name, text in ASSUMPTIONS.items()]))
    if out is not None:
        print(out)


def plates(
    name: Annotated[
        Literal["gaussian-mixture", "bayesian-gaussian-mixture", "lda", "vae"], typer.Argument(help="the model")
    ],
    out: Annotated[Path, typer.Option("--out", help=".svg or .png", metavar="FILE")],
) -> None:
    """Draw a model as a plate diagram: observed variables shaded, constants as dots."""
    from jensen.graphs import PLATE_MODELS
    from jensen.reporting.draw import check_name
    from jensen.reporting.plates import draw_plates

    check_name(out, (".svg", ".png"))
    write_figure(draw_plates(PLATE_MODELS[name]()), out)
    print(out)


def _test(path: Path, name: str) -> Any:
    """A table's test; text is taken as states, a number as itself."""
    from jensen.data.tables import read_table
    from jensen.graphs import ChiSquare, FisherZ, GSquared

    raw = read_table(path, None, False, "mixed")
    assert raw.columns is not None
    assert raw.types is not None
    for column, kind in zip(raw.columns, raw.types, strict=True):
        if name == "fisher-z" and kind.kind == "categorical":
            raise JensenError(f"{path}: '{column}' has text, fisher-z wants numbers: choose g-squared or chi-square")
    kinds = {"chi-square": ChiSquare, "g-squared": GSquared, "fisher-z": FisherZ}
    try:
        return kinds[name](dict(zip(raw.columns, raw.x.T, strict=True)))
    except JensenError as error:
        raise JensenError(f"{path}: {error}") from error


def _as_json(found: Discovery, distance: int | None) -> dict[str, Any]:
    from jensen.graphs import ASSUMPTIONS

    separating = [
        {"nodes": sorted(pair), "given": list(one.given), "p_value": one.p_value}
        for pair, one in sorted(found.separating_sets.items(), key=lambda item: sorted(item[0]))
    ]
    return {
        "nodes": list(found.graph.nodes),
        **found.graph.as_json(),
        "tests": found.num_tests,
        "shd": distance,
        "separating_sets": separating,
        "contradicted": sorted(map(list, found.contradicted)),
        "ambiguous": sorted(map(list, found.ambiguous)),
        "assumptions": ASSUMPTIONS,
    }


def _print_edges(graph: PartiallyDirected, true: PartiallyDirected | None = None) -> None:
    edges = _edges(graph)
    if true is None:
        print("\n".join(f"  {edge}" for edge in edges.values()))
        return
    expected = _edges(true)
    rows = [("  found", "true")]
    for pair in sorted({*edges, *expected}):
        same = edges.get(pair) == expected.get(pair)
        rows.append((f"  {edges.get(pair, '')}", "the same" if same else expected.get(pair, "no edge")))
    print(table_of(rows))


def _edges(graph: PartiallyDirected) -> dict[tuple[str, ...], str]:
    edges = {tuple(sorted(edge)): f"{edge[0]} -> {edge[1]}" for edge in graph.directed}
    edges |= {tuple(sorted(edge)): " - ".join(sorted(edge)) for edge in graph.undirected}
    return dict(sorted(edges.items()))


def write_figure(figure: Figure, out: Path) -> None:
    """As .svg or .png, whole or not at all."""
    from jensen.reporting.graphs import svg
    from jensen.reporting.style import png
    from jensen.training.checkpoint import write_atomically

    write_atomically(out, svg(figure) if out.suffix.lower() == ".svg" else png(figure))
