"""What else can be asked: score (of each row), information (of the latents), verify (of one's own code)."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jensen.cli.common import Data, Json, Run, Seed, open_run, table_of
from jensen.errors import JensenError

if TYPE_CHECKING:
    from jensen.evaluation import Scores


def score(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help=".csv", metavar="FILE")],
    data: Data = None,
    num_samples: Annotated[int, typer.Option("--num-samples", help="importance samples for each row")] = 100,
    seed: Seed = 0,
) -> None:
    """Write log p(x), or its bound, of each row, and its percentile among the training data.

    Without --data the rows are the run's own test data; other data are also told apart from these (AUROC).
    """
    from jensen.data import load_like
    from jensen.evaluation import auroc
    from jensen.evaluation import score as score_rows
    from jensen.evaluation.score import subsample
    from jensen.reporting.draw import check_name
    from jensen.training.checkpoint import located

    check_name(out, (".csv",))
    model, split = open_run(run)
    other = data is not None and located(data) != located(split.source)
    rows = load_like(split, data) if other and data is not None else split.test
    found = score_rows(model, rows, split.train, num_samples, seed=seed)
    found.write(out)
    print(_summary(found))
    if other and min(len(rows), len(split.test)) > 1:
        own = score_rows(model, subsample(split.test, seed), None, num_samples, seed=seed)
        area, error = auroc(own, found)
        print(
            f"AUROC {area:.4f} ± {error:.4f}: the chance that one of {len(own.value):,} rows of {own.split} scores "
            f"higher than a row of {found.split}"
        )
        if area < 0.5:
            print("below 1/2: the model finds the other data likelier than its own; a high score does not say 'alike'")
    print(f"{out}: {len(found.value):,} rows")


def information(
    run: Run,
    num_draws: Annotated[int, typer.Option("--num-draws", help="draws of z from the aggregate posterior")] = 2000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Both sides of E KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)), over all training data."""
    from jensen.evaluation import information as of_latents
    from jensen.evaluation.information import Figure

    model, split = open_run(run)
    found = of_latents(model, split.train, num_draws, seed=seed)
    if as_json:
        print(json.dumps({key: v._asdict() if isinstance(v, Figure) else v for key, v in vars(found).items()}))
        return
    rows = [("figure", "nats", "± over draws", "how")]
    for name, figure, how in (
        ("E KL(q(z|x) || p(z))", found.kl, found.kl_method),
        ("I(x; z)", found.mutual_information, f"{found.num_draws:,} draws"),
        ("KL(q(z) || p(z))", found.aggregate_kl, "the same draws"),
        ("left less right side", found.difference, "0 within its error"),
    ):
        rows.append((name, f"{figure.value:.4f}", f"{figure.standard_error:.4f}", how))
    print(f"{split.train.name}/train: q(z) is the mixture of all {found.num_examples:,} posteriors")
    print(table_of(rows))
    print(f"cap: I(x; z) <= log {found.num_examples:,} = {found.cap:.4f} nats; active units: {found.active_units}")
    if found.mutual_information.value > found.cap - 1:
        print("I(x; z) is within a nat of its cap: z all but names the row, and more rows would show more of it")


def verify(
    file: Annotated[str, typer.Argument(help="your code: a module, or a class in it", metavar="FILE.py[:NAME]")],
    seed: Seed = 0,
) -> None:
    """Hold your own elbo, log_weights, iwae_bound, prior, posterior, likelihood against known answers.

    Exit code 1 where a check fails.
    """
    from jensen.evaluation import verify as held_against_oracles

    checks = held_against_oracles(**_subject(file), seed=seed)
    words = {True: "passed", False: "FAILED", None: "not asked"}
    rows = [("of", "what must hold", "", "found, or the likely mistake")]
    print(table_of([*rows, *((check.of, check.question, words[check.passed], check.said) for check in checks)]))
    failed = sum(check.passed is False for check in checks)
    print(f"{len(checks)} checks, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _summary(found: Scores) -> str:
    import numpy as np

    low, middle, high = np.quantile(found.value, [0.05, 0.5, 0.95])
    drawn = "" if found.num_samples is None else f" of {found.num_samples} importance samples"
    error = found.value.std(ddof=1) / len(found.value) ** 0.5 if len(found.value) > 1 else float("nan")
    lines = [
        f"{found.model} on {found.split}: {len(found.value):,} rows; {found.kind}{drawn}, nats",
        f"measure: {found.measure}",
        f"mean {found.value.mean():.2f} ± {error:.2f}; 5%, 50%, 95% of the rows: {low:.2f}, {middle:.2f}, {high:.2f}",
    ]
    if found.standard_error is not None:
        lines.append(f"standard error of a row over draws: {np.nanmedian(found.standard_error):.2f} (median)")
    if found.percentile is not None:
        shares = [f"{100 * (found.percentile <= level).mean():.1f}%" for level in (1, 5)]
        lines.append(
            f"percentile among {found.num_reference:,} training rows: median {np.median(found.percentile):.0f}; "
            f"at or below the 1st {shares[0]} of the rows, the 5th {shares[1]}"
        )
    return "\n".join(lines)


def _subject(text: str) -> dict[str, Any]:
    """What `verify` takes, by its names: in FILE.py, in the object NAME of it, or in the only class that has any."""
    from jensen.evaluation.verify import BOUNDS, PARTS

    names = (*BOUNDS, *PARTS)
    file, _, name = text.partition(":")
    module = _imported(Path(file))
    if name:
        if not hasattr(module, name):
            raise JensenError(f"{file} has no {name}: give the name of a class or an object in it")
        holder = getattr(module, name)
    else:
        classes = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
        classes = [one for one in classes if any(hasattr(one, known) for known in names)]
        holder = classes[0] if len(classes) == 1 and not any(hasattr(module, known) for known in names) else module
    if inspect.isclass(holder):
        # A method elbo(self, x, num_samples) is a function of a model: self is the oracle.
        found = {bound: getattr(holder, bound) for bound in BOUNDS if hasattr(holder, bound)}
        instance = _made(holder, required=not found)
    else:
        instance = holder
        owner = holder if inspect.ismodule(holder) else type(holder)
        found = {bound: getattr(owner, bound) for bound in BOUNDS if hasattr(owner, bound)}
    if hasattr(instance, "prior") and hasattr(instance, "likelihood"):
        found["model"] = instance
    if not found:
        raise JensenError(f"nothing to verify in {text}: define {', '.join(BOUNDS)}, or prior and likelihood")
    return found


def _made(kind: type, required: bool) -> Any:
    try:
        return kind()
    except Exception as error:  # the user's own code may raise anything
        if required:
            reason = f"{kind.__name__}() raised {type(error).__name__}: {error}"
            raise JensenError(f"{reason}: give its arguments defaults, of a small size") from None
        return None


def _imported(path: Path) -> Any:
    if path.suffix != ".py" or not path.is_file():
        raise JensenError(f"{path} is no Python file: verify takes FILE.py or FILE.py:NAME")
    spec = importlib.util.spec_from_file_location("_verified", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their own module
    sys.path.insert(0, str(path.parent.resolve()))  # as `python FILE.py` does
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code may raise anything
        raise JensenError(f"{path} cannot be imported: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    return module
