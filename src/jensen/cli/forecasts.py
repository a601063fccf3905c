"""forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jensen.cli.common import Run, open_run


def forecast(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help=".csv", metavar="FILE")],
    steps: Annotated[int, typer.Option("--steps", help="how many rows ahead")] = 10,
) -> None:
    """Write mean and standard deviation of the rows that follow the last test window of a series."""
    from jensen.reporting.draw import check_name
    from jensen.reporting.forecast import forecast as ahead_of
    from jensen.reporting.forecast import write_forecast

    check_name(out, (".csv",))
    model, split = open_run(run)
    found = ahead_of(model, split.test, steps)
    write_forecast(out, found, split.test)
    of = "differences" if split.options["difference"] else "rows"
    print(f"{out}: {steps} {of} ahead of the last window of {split.test.name}/test")
