"""judge: what can be said of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jensen.cli.common import Json, Run, Seed, open_run, table_of
from jensen.errors import JensenError

if TYPE_CHECKING:
    from jensen.data import Split
    from jensen.evaluation.judge import Figures, Judgement


def judge(
    run: Run,
    classifier: Annotated[Path, typer.Option("--classifier", help="a run of classifier", metavar="DIR")],
    num_samples: Annotated[int, typer.Option("--num-samples", help="at most as many as there are test data")] = 5000,
    means: Annotated[bool, typer.Option("--means", help="compare E[x | z], without the likelihood's noise")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare samples with test data: kernel test, Frechet distance, precision, recall, classes, sharpness."""
    from jensen.evaluation.judge import judge as compared
    from jensen.models.classifier import Classifier

    model, split = open_run(run)
    judging, learned = open_run(classifier)
    if not isinstance(judging, Classifier):
        raise JensenError(f"{classifier} is no run of a classifier: fit one, jensen fit classifier --out DIR")
    features = f"{classifier.resolve().name}, a classifier of {Path(learned.source).name}"
    found = compared(model, split.test, judging, features, num_samples, split.train, seed, means)
    print(json.dumps(found.to_json()) if as_json else _said(run, split, found, means))


def _said(run: Path, split: Split, found: Judgement, means: bool) -> str:
    columns = [found.samples] + ([] if found.training is None else [found.training])
    rows = [("figure", "samples", "training data")[: 1 + len(columns)]]
    named = [_lines(one) for one in columns]
    rows += [(name, *(one[name] for one in named)) for name in named[0]]
    lines = [
        f"{run}: {'means E[x | z] of ' if means else ''}{found.n:,} samples beside {found.n:,} examples of "
        f"{split.test.name}/{split.test.part}, and as many training data; features: {found.features}",
        table_of(rows),
    ]
    if found.sharpness is not None:
        lines.append(f"variance of the Laplacian of the test data: {_pm(*found.sharpness)}")
    names = split.test.classes or tuple(map(str, range(len(found.samples.counts))))
    lines.append(
        "samples of each class: " + ", ".join(f"{a} {b:,}" for a, b in zip(names, found.samples.counts, strict=True))
    )
    if found.accuracy is not None and found.accuracy_of_class is not None:
        of_class = ", ".join(f"{names[y]} {one.share:.4f}" for y, one in found.accuracy_of_class.items())
        lines.append(f"recognised as the class asked for: {_pm(*found.accuracy[:2])}; {of_class}")
        if found.accuracy_of_data is not None:
            lines.append(f"recognised of the test data: {_pm(*found.accuracy_of_data[:2])}")
    return "\n".join(lines)


def _lines(found: Figures) -> dict[str, str]:
    test, distance = found.two_sample, found.frechet
    lines = {
        "kernel test, mmd2": _pm(test.mmd2, test.standard_error),
        "kernel test, p-value": f"{test.p_value:.4f}",
        "frechet2, in the features": _pm(distance.squared, distance.standard_error),
        "frechet2, less its bias": f"{distance.squared - distance.bias:.4f}",
        "precision": _pm(*found.precision_recall.precision[:2]),
        "recall": _pm(*found.precision_recall.recall[:2]),
        "classes present": f"{sum(count > 0 for count in found.counts)} of {len(found.counts)}",
        "share with p(y | x) > 0.9": _pm(*found.confident[:2]),
    }
    if found.sharpness is not None:
        lines["variance of the Laplacian"] = _pm(*found.sharpness)
    return lines


def _pm(value: float, error: float) -> str:
    return f"{value:.4f} ± {error:.4f}"
