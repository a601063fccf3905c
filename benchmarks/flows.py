"""Flows on a table or a toy: held-out log p(x) of `nsf`, of `maf`, and of one Gaussian with full covariance.

    python -m benchmarks.flows --data winequality-white.csv
    python -m benchmarks.flows --data winequality-white.csv --jitter
    python -m benchmarks.flows --data pinwheel

The presets are `wine` of a table, `tiny` of a toy. Each flow is fitted once for each seed, its best weights chosen on
the validation part where the preset says so; log p(x) of every test row is the mean over the seeds' models, in the
data's own units. Printed are the paired differences over the test rows between each model and the next, in nats, with
their standard errors.

A table holds rounded numbers, and a density may pile up on the grid that they were rounded to. --jitter adds
uniform noise as wide as the grid of each column, in all three parts, under which that gains nothing: the log-density
then bounds the log-probability of the cell that a row was rounded from (Theis, van den Oord & Bethge 2016).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.data import NAMES, Split
from jensen.evaluation.results import paired_difference
from jensen.registry import create, entry
from jensen.training import Training

MODELS = ("nsf", "maf", "gaussian")
HEADER = "| model | log p(x) | above the next | standard errors | training, s |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Found:
    """log p(x) of each test row (N,), nats, the mean over seeds; seconds of training, over all seeds."""

    name: str
    log_prob: list[float]
    of_seeds: list[float]
    seconds: float


def fitted(name: str, split: Split, options: argparse.Namespace) -> Found:
    """The model's preset, once for each seed; a closed form once."""
    preset = entry(name).preset("tiny" if name == "gaussian" or options.data in NAMES else "wine")
    training = {**preset.training, **({"steps": 20} if options.quick and name != "gaussian" else {})}
    values, start = [], time.perf_counter()
    for seed in options.seeds if name != "gaussian" else options.seeds[:1]:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            model = create(name, split.spec, **preset.model)
        jensen.fit(model, split, training=Training(**{**training, "seed": seed}), progress=False)
        values.append(jensen.evaluate(model, split.test).examples["log_prob"])
        print(f"{name}, seed {seed}: {values[-1].mean():.3f} nats", flush=True)
    seconds = time.perf_counter() - start
    return Found(name, np.mean(values, 0).tolist(), [float(value.mean()) for value in values], seconds)


def jittered(split: Split) -> Split:
    """The rows, split anew, plus uniform noise as wide as the grid of each column, the commonest gap of its values."""
    parts = [part.to(dtype=torch.float64).all().x.numpy() for part in (split.train, split.validation, split.test)]
    rows = np.concatenate(parts)
    gaps = [np.diff(np.unique(column)).round(8) for column in rows.T]
    grid = np.array([np.bincount(np.unique(gap, return_inverse=True)[1]).argmax() for gap in gaps])
    width = np.array([np.unique(gap)[place] for gap, place in zip(gaps, grid, strict=True)])
    print("grid of each column:", ", ".join(f"{one:g}" for one in width))
    noisy = rows + width * np.random.default_rng(0).uniform(-0.5, 0.5, rows.shape)
    return jensen.data.load(noisy, validation=len(parts[1]), test=len(parts[2]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, help="winequality-white.csv, the red one, or a toy in the plane")
    parser.add_argument("--jitter", action="store_true", help="noise as wide as the grid that values were rounded to")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = jensen.data.load(options.data, target=None if options.data in NAMES else "quality")
    split = jittered(split) if options.jitter else split
    found = [fitted(name, split, options) for name in MODELS]
    lines = [HEADER]
    for one, other in zip(found, [*found[1:], None], strict=True):
        said = "| |"
        if other is not None:
            difference, error = paired_difference(one.log_prob, other.log_prob)
            said = f"| {difference:.3f} ± {error:.3f} | {difference / error:.1f}"
        lines.append(f"| {one.name} | {np.mean(one.log_prob):.3f} {said} | {one.seconds:.0f} |")
    what = f"{Path(options.data).name}, {len(split.test):,} test rows{', jittered' if options.jitter else ''}"
    seeds = f"seeds {', '.join(map(str, options.seeds))}, the mean of their models' log p(x)"
    harness.publish(
        f"flows-{Path(options.data).stem}{'-jittered' if options.jitter else ''}",
        "Held-out log p(x) of flows and a Gaussian",
        ["\n".join(lines), f"{what}; {seeds}; nats, in the data's own units."],
        {"seeds": options.seeds, "jitter": options.jitter, "found": harness.as_json(found)},
        options.quick,
    )


if __name__ == "__main__":
    main()
