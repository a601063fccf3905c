"""disentangle: whether each dimension of the code stands for one factor."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from jensen.cli.common import Json, Run, Seed, open_run, table_of


def disentangle(
    run: Run,
    repeats: Annotated[int, typer.Option("--repeats", help="on fresh images, for the standard error")] = 5,
    num_votes: Annotated[int, typer.Option("--num-votes", help="of the FactorVAE score, 100 images each")] = 800,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Score how a run on shapes or color-shapes codes their factors: FactorVAE and beta-VAE scores, MIG, DCI, SAP."""
    from jensen.evaluation.disentangle import disentangle as scores_of

    model, split = open_run(run)
    found = scores_of(model, split, repeats=repeats, num_votes=num_votes, seed=seed)
    if as_json:
        print(json.dumps({"data": split.source, "repeats": repeats, "metrics": [asdict(metric) for metric in found]}))
        return
    rows = [("score", "value", f"± over {repeats} repeats", "unit")]
    rows += [(m.name, f"{m.value:.3f}", f"{m.mc_standard_error:.3f}", m.unit) for m in found]
    print(f"{split.source}: images rendered from chosen factors\n{table_of(rows)}")
