"""fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jensen.cli.common import Data
from jensen.errors import JensenError


def fit(
    name: Annotated[str | None, typer.Argument(help="a model, see: jensen models", metavar="NAME")] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option("--out", help="the run's folder", metavar="DIR")] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="see: jensen describe NAME")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="any setting, see: jensen describe NAME", metavar="KEY=VALUE")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="of the optimiser, or iterations of EM")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="examples a step")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="the run is a function of it")] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="several runs, DIR/seed-0 ...", metavar="0,1,2")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in DIR")] = False,
) -> None:
    """Train a model, and keep the run in DIR."""
    from jensen.evaluation.runs import seeds_of
    from jensen.settings import configure, fit_run, folders, resumed

    if out is None:
        raise JensenError("fit needs --out DIR, the folder to keep the run in")
    if seed is not None and seeds is not None:
        raise JensenError("give --seed or --seeds, not both")
    flags = {"steps": steps, "batch_size": batch_size, "seed": seed}
    assignments = [*(set_ or []), *(f"{key}={value}" for key, value in flags.items() if value is not None)]
    begun = seeds_of(out)
    runs = folders(out, seeds, resume, begun)
    for number, folder in runs.items():
        own = [*assignments, *([] if number is None else [f"seed={number}"])]
        if resume:
            # A seed that was not begun has the settings of one that was.
            settings = resumed(folder if folder in begun or not begun else begun[0], name, preset, data, own)
        elif name is None:
            raise JensenError("fit needs a model: jensen fit NAME, see jensen models")
        else:
            settings = configure(name, preset, data, own)
        try:
            fit_run(settings, folder, resume and (folder in begun or not begun), preset)
        except KeyboardInterrupt as stop:
            every = f"; all seeds: jensen fit --resume --out {out} --seeds {','.join(map(str, runs))}"
            raise KeyboardInterrupt(f"{stop or 'stopped'}{every if len(runs) > 1 else ''}") from None
    print(f"{out}: fitted; next: jensen evaluate {out}, jensen report {out}")
