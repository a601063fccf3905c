"""factor-vae against beta-vae on rendered shapes, at equal reconstruction.

    python -m benchmarks.disentangle --out runs/disentangle

Both have the nets, the data and the steps of the preset `shapes`. beta-vae is fitted at each of --betas, factor-vae at
each of --gammas, once for each seed. A smaller weight reconstructs better and separates less, so scores are compared
where E_q log p(x | z) of the test images is the same: beta-vae's score is read off the line between its two nearest
betas of the same seed. Runs and their scores are kept in --out, and those that are there are not made again: several
processes may share the work, such as one for each seed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import jensen
from benchmarks import harness
from benchmarks.figures.common import markdown
from jensen.evaluation.disentangle import disentangle
from jensen.evaluation.runs import load_split
from jensen.settings import configure, fit_run
from jensen.training.checkpoint import MODEL, read_json, write_json

SCORES = (
    "factor_vae_score", "mig", "beta_vae_score", "disentanglement", "completeness", "informativeness", "sap",
)  # fmt: skip
DRAWS = 10


@dataclass(frozen=True)
class Found:
    """One run: test figures in nats, and scores."""

    model: str
    weight: float
    seed: int
    reconstruction: float
    kl: float
    scores: dict[str, float]


def fitted(name: str, preset: str, source: str | None, assignments: Sequence[str], folder: Path) -> Path:
    """The folder of a run, which is made where it is not there."""
    if not (folder / MODEL).exists():
        print(f"fitting {folder}", flush=True)
        fit_run(
            configure(name, preset, source, assignments),
            folder,
            resume=(folder / "config.json").exists(),
            preset=preset,
        )
    return folder


def run(name: str, weight: float, seed: int, options: argparse.Namespace) -> Found:
    key = {"beta-vae": "beta", "factor-vae": "gamma"}[name]
    steps = [] if options.steps is None else [f"steps={options.steps}"]
    folder = options.out / f"{name}-{weight:g}" / f"seed-{seed}"
    fitted(name, "shapes", None, [f"{key}={weight}", f"seed={seed}", "validate_every=0", *steps], folder)
    kept = folder / f"disentangle-{options.repeats}-{options.num_votes}.json"
    if not kept.exists():
        model, split = jensen.load(folder), load_split(folder)
        test = jensen.evaluate(model, split.test, DRAWS)
        metrics = disentangle(model, split, repeats=options.repeats, num_votes=options.num_votes)
        write_json(kept, {metric.name: metric.value for metric in (test["reconstruction"], test["kl"], *metrics)})
    values = read_json(kept)
    print(f"{name} {weight:g}, seed {seed}: {json.dumps({k: round(v, 3) for k, v in values.items()})}", flush=True)
    scores = {score: values[score] for score in SCORES}
    return Found(name, weight, seed, values["reconstruction"], values["kl"], scores)


def mean_and_error(values: Sequence[float]) -> str:
    """Over seeds."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / math.sqrt(len(values)):.3f}"


def table(found: list[Found]) -> str:
    rows = []
    for name, weight in dict.fromkeys((one.model, one.weight) for one in found):
        those = [one for one in found if (one.model, one.weight) == (name, weight)]
        nats = [mean_and_error([getattr(one, figure) for one in those]) for figure in ("reconstruction", "kl")]
        scores = [mean_and_error([one.scores[score] for one in those]) for score in SCORES]
        rows.append((f"{name}, {'beta' if name == 'beta-vae' else 'gamma'} = {weight:g}", *nats, *scores))
    return markdown(("model", "reconstruction", "KL", *SCORES), rows)


def at_equal_reconstruction(found: list[Found]) -> str:
    """factor-vae's score less beta-vae's at its reconstruction, the mean over the seeds of each gamma."""
    rows = []
    for gamma in dict.fromkeys(one.weight for one in found if one.model == "factor-vae"):
        differences: dict[str, list[float]] = {score: [] for score in SCORES}
        outside = 0
        for one in found:
            if one.model != "factor-vae" or one.weight != gamma:
                continue
            others = [other for other in found if other.model == "beta-vae" and other.seed == one.seed]
            others.sort(key=lambda other: other.reconstruction)
            at = [other.reconstruction for other in others]
            outside += not at[0] <= one.reconstruction <= at[-1]
            for score in SCORES:
                theirs = np.interp(one.reconstruction, at, [other.scores[score] for other in others])
                differences[score].append(one.scores[score] - float(theirs))
        said = "between betas" if not outside else f"{outside} outside the betas, held against the nearest"
        rows.append((f"{gamma:g}", *(mean_and_error(differences[score]) for score in SCORES), said))
    return markdown(("gamma", *(f"{score}, above beta-vae's" for score in SCORES), "reconstruction"), rows)


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=Path("runs/disentangle"))
    parser.add_argument("--betas", type=numbers, default=[2.0, 4.0, 8.0, 16.0])
    parser.add_argument("--gammas", type=numbers, default=[10.0, 35.0])
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="in place of the preset's")
    parser.add_argument("--repeats", type=int, default=3, help="of each score, on fresh images")
    parser.add_argument("--num-votes", type=int, default=800)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(betas=[1.0, 4.0], gammas=[10.0], seeds=[0], steps=30, repeats=2, num_votes=40)
    torch.set_num_threads(options.threads)
    asked = [("beta-vae", beta) for beta in options.betas] + [("factor-vae", gamma) for gamma in options.gammas]
    found = [run(name, weight, seed, options) for seed in options.seeds for name, weight in asked]
    harness.publish(
        "disentangle",
        "factor-vae against beta-vae on rendered shapes",
        [table(found), "At equal reconstruction, paired by seed:", at_equal_reconstruction(found)],
        {"found": harness.as_json(found)},
        options.quick,
    )


if __name__ == "__main__":
    main()
