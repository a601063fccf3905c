"""What the commands share: their usual arguments, and tables."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import nn

    from jensen.data import Split

WIDTH = 120

Run = Annotated[Path, typer.Argument(help="the folder that fit wrote", metavar="DIR")]
Data = Annotated[str | None, typer.Option("--data", help="a named set, or a path", metavar="SPEC")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Seed = Annotated[int, typer.Option("--seed", help="of what is drawn")]


def open_run(run: Path) -> tuple[nn.Module, Split]:
    """The model of a run, and the data it was trained on."""
    from jensen.evaluation.runs import load_split
    from jensen.training import load

    return load(run), load_split(run)


def plus_minus(value: float, error: float | None) -> str:
    """A figure and its standard error, where it has one."""
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """A table; where it would be wider than the page, the widest columns are wrapped, to no less than 16."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH and max(widths) > 16:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*cells, fillvalue=""):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return "\n".join(lines)
