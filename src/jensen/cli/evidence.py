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
    as_json: Json = False,
) -> None:
    """Every figure the model's kind allows, with its kind, unit and errors."""
    from jensen.evaluation.runs import evaluate_run, over_seeds, seeds_of

    runs = seeds_of(run)
    found = [evaluate_run(folder, data, num_samples, progress=None) for folder in runs or [run]]
    first = found[0]
    if not runs:
        print(json.dumps(_public(first)) if as_json else _table(first))
        return
    spreads = over_seeds(found)
    if as_json:
        print(json.dumps({"runs": [_public(one) for one in found], "spread": [vars(spread) for spread in spreads]}))
        return
    rows = [("figure", "mean", "sd over seeds", "kind", "unit")]
    for spread in spreads:
        deviation = "" if spread.standard_deviation is None else f"{spread.standard_deviation:.3f}"
        rows.append((spread.name, f"{spread.mean:.3f}", deviation, spread.kind, spread.unit))
    print(f"{first.model} on {first.split}: {first.n:,} examples, seeds: {len(runs)}; measure: {first.measure}")
    print(table_of(rows))


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
        table = [("run", "model", "log p(x), nats", "kind", "behind the first")]
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


def _table(found: Evaluation) -> str:
    rows: list[Sequence[str]] = [("figure", "value", "± over examples", "± over draws", "kind", "unit", "samples")]
    for m in found.metrics:
        errors = [("" if error is None else f"{error:.4f}") for error in (m.standard_error, m.mc_standard_error)]
        rows.append((m.name, f"{m.value:.4f}", *errors, m.kind, m.unit, str(m.num_samples or "")))
    return f"{found.model} on {found.split}: {found.n:,} examples; measure: {found.measure}\n{table_of(rows)}"
