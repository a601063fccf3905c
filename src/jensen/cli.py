"""The command line: fit, evaluate, sample, encode, reconstruct, report, compare, and what there is to choose from.

Whatever is slow to import is imported by the command that needs it, so that `jensen --help` answers at once.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from jensen.errors import JensenError

if TYPE_CHECKING:
    from torch import nn

    from jensen.data import Split
    from jensen.evaluation import Evaluation

WIDTH = 120

app = typer.Typer(
    name="jensen",
    help="Generative models, and the bounds that train them: every number in nats, with its kind and its error.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Run = Annotated[Path, typer.Argument(help="the folder that fit wrote", metavar="DIR")]
Data = Annotated[str | None, typer.Option("--data", help="a named set, or a path", metavar="SPEC")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Seed = Annotated[int, typer.Option("--seed", help="of what is drawn")]

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


@app.command()
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


@app.command()
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
    print(_columns(rows))


@app.command()
def sample(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help=".png (a grid), .npy or .csv", metavar="FILE")],
    num: Annotated[int, typer.Option("--num", help="how many")] = 200,
    given: Annotated[str | None, typer.Option("--given", help="a condition", metavar="y=3")] = None,
    per_class: Annotated[int | None, typer.Option("--per-class", help="that many of every class")] = None,
    seed: Seed = 0,
    temperature: Annotated[float, typer.Option("--temperature", help="1 is the model itself")] = 1.0,
) -> None:
    """Draw from the model."""
    from jensen.reporting.draw import check_name, draw, write_examples

    check_name(out)
    model, split = _open(run)
    means = out.suffix == ".png"
    x = draw(
        model, num, spec=split.spec, given=given, per_class=per_class, seed=seed, temperature=temperature, means=means
    )
    write_examples(out, x, split.train)
    what = "E[x | z] of draws of z" if means and hasattr(model, "sample_mean") else "draws"
    print(f"{out}: {len(x)} {what}")


@app.command()
def encode(
    run: Run,
    data: Annotated[str, typer.Option("--data", help="a named set (its test part), or a path", metavar="SPEC")],
    out: Annotated[Path, typer.Option("--out", help=".npy: mean and scale, (2, N, Z)", metavar="FILE")],
) -> None:
    """Write the posterior's mean and scale for each example."""
    from jensen.data import load_like
    from jensen.reporting.draw import check_name, write_array
    from jensen.reporting.draw import encode as posterior_of

    check_name(out, (".npy",))
    model, split = _open(run)
    z = posterior_of(model, load_like(split, data))
    write_array(out, z)
    print(f"{out}: mean and scale of q(z | x), {tuple(z.shape)}")


@app.command()
def reconstruct(
    run: Run,
    data: Annotated[str, typer.Option("--data", help="a named set (its test part), or a path", metavar="SPEC")],
    out: Annotated[Path, typer.Option("--out", help=".png (a grid), .npy or .csv", metavar="FILE")],
) -> None:
    """Write E[x | z] at the posterior's mean of each example."""
    from jensen.data import load_like
    from jensen.reporting.draw import check_name, write_examples
    from jensen.reporting.draw import reconstruct as through_the_model

    check_name(out)
    model, split = _open(run)
    x = through_the_model(model, load_like(split, data), 200 if out.suffix == ".png" else None)
    write_examples(out, x, split.train)
    print(f"{out}: {len(x)} reconstructions")


@app.command()
def report(run: Run) -> None:
    """Write DIR/report.html: one page that needs nothing else."""
    from jensen.reporting import report as write_report

    print(write_report(run))


@app.command()
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
            table.append((row.run, row.model, _plus_minus(metric.value, metric.standard_error), metric.kind, behind))
        print(f"{title}\n{_columns(table)}\n")
    if len(found.tables) > 1:
        print("not ranked against each other: the tables differ in data or in measure")
    for run, reason in found.refused.items():
        print(f"not ranked: {run}: {reason}")


@app.command()
def models(
    as_json: Json = False,
    details: Annotated[bool, typer.Option("--compare", help="how they differ")] = False,
) -> None:
    """What can be fitted."""
    from jensen.registry import MODELS

    columns = ("name", "kind", "prior", "kl", "objective", "samples") if details else ("name", "kind", "summary")
    entries = list(MODELS.values())
    if as_json:
        print(json.dumps([{k: v for k, v in vars(e).items() if k not in ("build", "presets")} for e in entries]))
    else:
        print(_columns([columns, *(tuple(getattr(e, column) for column in columns) for e in entries)]))


@app.command()
def datasets(as_json: Json = False) -> None:
    """What can be loaded by name."""
    from jensen.data import describe as describe_sets

    sets = [vars(one) for one in describe_sets()]
    if as_json:
        print(json.dumps(sets))
        return
    rows = [["name", "shape", "kind", "training", "validation", "test", "classes", "source"]]
    for one in sets:
        shape, sizes = " x ".join(map(str, one["event_shape"])), [f"{size:,}" for size in one["sizes"]]
        rows.append([one["name"], shape, one["kind"], *sizes, str(one["num_classes"] or ""), one["source"]])
    print(_columns(rows))


@app.command()
def describe(name: Annotated[str, typer.Argument(metavar="NAME", help="a model")]) -> None:
    """A model's source, presets, and every setting with its type and default."""
    from jensen.registry import entry
    from jensen.settings import describe_type, keys

    chosen = entry(name)
    print(f"{chosen.name}: {chosen.summary}\n{chosen.source}\nkind: {chosen.kind}; objective: {chosen.objective}\n")
    print(_columns([("preset", ""), *((key, preset.description) for key, preset in chosen.all_presets().items())]))
    rows = [("setting", "of", "type", "default")]
    for key, (section, _, annotation, default) in keys(chosen).items():
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
        rows.append((key, section.replace("hyperparameters", "model"), describe_type(annotation), shown))
    print(f"\n{_columns(rows)}")


def _open(run: Path) -> tuple[nn.Module, Split]:
    from jensen.evaluation.runs import load_split
    from jensen.training import load

    return load(run), load_split(run)


def _public(found: Evaluation) -> dict[str, Any]:
    return {key: value for key, value in found.to_json().items() if key != "data"}


def _table(found: Evaluation) -> str:
    rows: list[Sequence[str]] = [("figure", "value", "± over examples", "± over draws", "kind", "unit", "samples")]
    for m in found.metrics:
        errors = [("" if error is None else f"{error:.4f}") for error in (m.standard_error, m.mc_standard_error)]
        rows.append((m.name, f"{m.value:.4f}", *errors, m.kind, m.unit, str(m.num_samples or "")))
    return f"{found.model} on {found.split}: {found.n:,} examples; measure: {found.measure}\n{_columns(rows)}"


def _plus_minus(value: float, error: float | None) -> str:
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
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


if __name__ == "__main__":
    main()
