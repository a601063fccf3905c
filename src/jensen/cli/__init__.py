"""The command line: fit, evaluate, sample, encode, reconstruct, report, compare, and what there is to choose from.

Whatever is slow to import is imported by the command that needs it, so that `jensen --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn, cast

import typer

from jensen.cli import (
    bracket,
    checks,
    classify,
    disentanglement,
    evidence,
    forecasts,
    graph,
    judge,
    listing,
    pictures,
    training,
)
from jensen.errors import JensenError

app = typer.Typer(
    name="jensen",
    help="Generative models, and the bounds that train them: every number in nats, with its kind and its error.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    training.fit,
    evidence.evaluate,
    evidence.compare,
    bracket.bracket,
    checks.score,
    classify.classify,
    checks.information,
    checks.verify,
    disentanglement.disentangle,
    judge.judge,
    pictures.sample,
    forecasts.forecast,
    pictures.encode,
    pictures.reconstruct,
    pictures.report,
    listing.models,
    listing.datasets,
    listing.describe,
):
    app.command()(command)
app.add_typer(graph.app, name="graph")

# typer brings its own copy of click, or imports it, by its version.
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


def main() -> None:
    """Runs the command line; what the user can mend is one line and exit code 2."""
    try:
        # Without the frame that typer puts around a command: it swallows what a KeyboardInterrupt says.
        with typer.main.get_command(app).make_context("jensen", sys.argv[1:] or ["--help"]) as context:
            context.command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as leaving:
        raise SystemExit(leaving.exit_code) from None
    except UsageError as error:
        _fail(f"{error.format_message()} (see {error.ctx.command_path if error.ctx else 'jensen'} --help)")
    except JensenError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _fail(f"{what}{error.strerror or error}: check the path, its permissions and the space left on the disk")
    except KeyboardInterrupt as error:
        print(f"jensen: {error or 'stopped'}", file=sys.stderr)
        raise SystemExit(130) from None


def _fail(line: str) -> NoReturn:
    print("jensen: " + " ".join(line.split()), file=sys.stderr)
    raise SystemExit(2) from None
