"""A run on disk, evaluated: evaluation.json, and the per-example values that pair one run with another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from jensen.data import Dataset, Split, load, load_like
from jensen.errors import JensenError
from jensen.evaluation.evaluate import evaluate
from jensen.evaluation.results import Evaluation
from jensen.training import checkpoint
from jensen.training import load as load_model

EVALUATION, EXAMPLES = "evaluation.json", "evaluation.safetensors"


def load_split(run: str | Path) -> Split:
    """The data that a run was trained on, loaded again as config.json says."""
    config = checkpoint.read_config(Path(run))["data"]
    if config["source"] == "array":
        raise JensenError(f"the run in {run} was fitted to an array, which is not on disk: call jensen.evaluate on it")
    split = load(config["source"], **config["options"])
    if split.train.fingerprint != config["fingerprint"]:
        raise JensenError(f"{config['source']} has changed since {run} was trained on it: restore it, or fit again")
    return split


def run_data(run: str | Path, source: str | None = None) -> Dataset:
    """The run's own test data, or other data under the run's treatment; never the rows that it was trained on."""
    split = load_split(run)
    if source is None or checkpoint.located(source) == checkpoint.located(split.source):
        return split.test
    return load_like(split, source)


def evaluate_run(
    run: str | Path,
    source: str | None = None,
    num_samples: int = 1000,
    progress: bool | None = False,
) -> Evaluation:
    """Evaluates a run; figures on its own test data are kept in its folder, for `report` and `compare`."""
    model = load_model(run)
    found = evaluate(model, run_data(run, source), num_samples, progress=progress)
    if source is None:
        write_evaluation(Path(run), found)
    return found


def write_evaluation(folder: Path, found: Evaluation) -> None:
    """Per-example values first, so that evaluation.json never speaks of values that are not there."""
    examples = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in found.examples.items()}
    checkpoint.write_tensors(folder / EXAMPLES, examples, {"data": found.data, "weights": _weights_of(folder)})
    checkpoint.write_json(folder / EVALUATION, found.to_json())


def _weights_of(folder: Path) -> str:
    path = folder / checkpoint.MODEL
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def read_evaluation(run: str | Path) -> Evaluation:
    """What `evaluate` last wrote into a run's folder; refused where the model has been trained further since."""
    folder = Path(run)
    checkpoint.read_config(folder)
    if not (folder / EVALUATION).exists() or not (folder / EXAMPLES).exists():
        raise JensenError(f"{folder} is not evaluated yet: run jensen evaluate {folder}")
    try:
        found = Evaluation.from_json(checkpoint.read_json(folder / EVALUATION))
        examples, position = checkpoint.read_tensors(folder / EXAMPLES)
    except (JensenError, KeyError, TypeError) as error:
        raise JensenError(f"the evaluation in {folder} is damaged: run jensen evaluate {folder}") from error
    if position.get("weights") != _weights_of(folder):
        raise JensenError(f"{folder} was evaluated with other weights: run jensen evaluate {folder}")
    if position.get("data") == found.data:
        found.examples.update({name: tensor.numpy() for name, tensor in examples.items()})
    return found


def seeds_of(run: str | Path) -> list[Path]:
    """The runs of a folder that `fit --seeds` wrote, by seed; empty for a single run."""
    folder = Path(run)
    runs = [path for path in folder.glob("seed-*") if (path / checkpoint.CONFIG).exists() and path.name[5:].isdigit()]
    return sorted(runs, key=lambda path: int(path.name.removeprefix("seed-")))


@dataclass(frozen=True)
class Spread:
    """A figure over seeds: its mean, its standard deviation (None of a single seed), and each seed's value."""

    name: str
    mean: float
    standard_deviation: float | None
    values: tuple[float, ...]
    kind: str
    unit: str


def over_seeds(evaluations: list[Evaluation]) -> list[Spread]:
    """Each figure's mean and standard deviation over evaluations of the same model under different seeds."""
    kinds = sorted({f"{found.model} on {found.split}, {found.measure}" for found in evaluations})
    if len(kinds) > 1:
        raise JensenError(f"the seeds are not of one experiment ({'; '.join(kinds)}): evaluate each run alone")
    spreads = []
    for metric in evaluations[0].metrics:
        values = [found[metric.name].value for found in evaluations if metric.name in found]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        spreads.append(Spread(metric.name, float(np.mean(values)), deviation, tuple(values), metric.kind, metric.unit))
    return spreads
