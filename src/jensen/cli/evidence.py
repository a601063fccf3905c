"""Numbers: evaluate and compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jensen.cli.common import Data, Json, Run, plus_minus, table_of

if TYPE_CHECKING:
    from jensen.evaluation import Evaluation


def evaluate(
    run: Run,
    data: Data = None,
    num_samples: Annotated[int, typer.Option("--num-samples", help="importance samples for each example")] = 1000,
    annealed: Annotated[
        int | None, typer.Option("--annealed", help="also anneal N of the rows, chosen by a seed", metavar="N")
    ] = None,
    refine: Annotated[
        int | None, typer.Option("--refine", help="also find the best q of each of N rows", metavar="N")
    ] = None,
    as_json: Json = False,
) -> None:
    """Every figure the model's kind allows, with its kind, unit and errors."""
    from jensen.evaluation.runs import evaluate_run, run_data, seeds_of
    from jensen.evaluation.subset import evaluate_annealed, evaluate_refined
    from jensen.training import load

    seeds = seeds_of(run)
    folders = seeds or [run]
    more = {
        name: [evaluate_some(load(folder), run_data(folder, data), asked, num_samples) for folder in folders]
        for name, asked, evaluate_some in (
            ("annealed", annealed, evaluate_annealed),
            ("refined", refine, evaluate_refined),
        )
        if asked is not None
    }
    whole = [evaluate_run(folder, data, num_samples, progress=None) for folder in folders]
    public, table = (_seeds_public, _seeds_table) if seeds else (_public_of_one, _table_of_one)
    if as_json:
        print(json.dumps(public(whole) | {name: public(found) for name, found in more.items()}))
    else:
        print("\n\n".join(table(found) for found in (whole, *more.values())))


def compare(
    runs: Annotated[list[Path], typer.Argument(help="evaluated runs", metavar="DIR DIR ...")], as_json: Json = False
) -> None:
    """Rank runs by log-likelihood, where they share data and measure; say so where they do not."""
    from jensen.evaluation import compare as rank
    from jensen.evaluation import read_evaluation

    found = rank({str(run): read_evaluation(run) for run in runs})
    if as_json:
        print(json.dumps(found.to_json()))
        return
    for title, rows in found.tables.items():
        what = "log p(y | x), nats" if rows[0].metric.name == "log_prob_y" else "log p(x), nats"
        table = [("run", "model", what, "kind", "behind the first")]
        for row in rows:
            metric = row.metric
            behind = "" if row is rows[0] else "not paired: other examples"
            if row.behind is not None:
                behind = f"{row.behind:.2f} ± {row.behind_standard_error:.2f} (paired)"
            table.append((row.run, row.model, plus_minus(metric.value, metric.standard_error), metric.kind, behind))
        print(f"{title}\n{table_of(table)}\n")
    if len(found.tables) > 1:
        print("not ranked against each other: the tables differ in data or in measure")
    for run, reason in found.refused.items():
        print(f"not ranked: {run}: {reason}")


def _public(found: Evaluation) -> dict[str, Any]:
    return {key: value for key, value in found.to_json().items() if key != "data"}


def _public_of_one(found: list[Evaluation]) -> dict[str, Any]:
    return _public(found[0])


def _seeds_public(found: list[Evaluation]) -> dict[str, Any]:
    from jensen.evaluation.runs import over_seeds

    return {"runs": [_public(one) for one in found], "spread": [vars(spread) for spread in over_seeds(found)]}


def _table_of_one(evaluations: list[Evaluation]) -> str:
    (found,) = evaluations
    rows: list[Sequence[str]] = [("figure", "value", "± over examples", "± over draws", "kind", "unit", "samples")]
    for m in found.metrics:
        errors = [("" if error is None else f"{error:.4f}") for error in (m.standard_error, m.mc_standard_error)]
        rows.append((m.name, f"{m.value:.4f}", *errors, m.kind, m.unit, str(m.num_samples or "")))
    return f"{found.model} on {found.split}: {found.n:,} examples; measure: {found.measure}\n{table_of(rows)}"


def _seeds_table(found: list[Evaluation]) -> str:
    from jensen.evaluation.runs import over_seeds

    first = found[0]
    rows = [("figure", "mean", "sd over seeds", "kind", "unit")]
    for spread in over_seeds(found):
        deviation = "" if spread.standard_deviation is None else f"{spread.standard_deviation:.3f}"
        rows.append((spread.name, f"{spread.mean:.3f}", deviation, spread.kind, spread.unit))
    said = f"{first.model} on {first.split}: {first.n:,} examples, seeds: {len(found)}; measure: {first.measure}"
    return f"{said}\n{table_of(rows)}"
