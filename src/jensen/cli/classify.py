"""classify: which class each row is of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from jensen.cli.common import Data, Run, Seed, open_run


def classify(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help=".csv", metavar="FILE")],
    data: Data = None,
    num_samples: Annotated[
        int, typer.Option("--num-samples", help="importance samples for each row and class, where it is Bayes' rule")
    ] = 100,
    seed: Seed = 0,
) -> None:
    """Write log p(y | x) of each row: what the model says, or Bayes' rule over its p(x | y).

    Without --data the rows are the run's own test data.
    """
    import polars

    from jensen.data import load_like
    from jensen.evaluation.classification import figures
    from jensen.evaluation.classify import classify as class_of
    from jensen.reporting.draw import check_name
    from jensen.training.checkpoint import write_atomically

    check_name(out, (".csv",))
    model, split = open_run(run)
    rows = split.test if data is None else load_like(split, data)
    log_probs = class_of(model, rows, num_samples, seed=seed)
    names = split.train.classes or tuple(map(str, range(log_probs.shape[1])))
    columns = {"row": rows.rows.numpy(), "class": [names[place] for place in log_probs.argmax(1).tolist()]}
    columns |= {f"log_p_{name}": log_probs[:, place].numpy() for place, name in enumerate(names)}
    content = io.BytesIO()
    polars.DataFrame(columns).write_csv(content)
    write_atomically(out, content.getvalue())
    if rows.y is not None:
        for metric in figures(log_probs, rows.y.cpu())[0]:
            error = "" if metric.standard_error is None else f" ± {metric.standard_error:.4f}"
            print(f"{metric.name} {metric.value:.4f}{error} ({metric.unit})")
    print(f"{out}: {len(log_probs):,} rows")
