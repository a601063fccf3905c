"""Generalisation from an imbalanced set: colour and shape of a pair that training never saw, read off z by a line.

    python -m benchmarks.left_out_pair --out runs/left-out

Each model is fitted to `color-shapes-without-pair` (no green hearts), once for each seed. A logistic regression from
the mean of q(z | x) to shape, and one to colour, is trained on images without the pair, and scored on fresh images of
what was seen and of the pair. Where a code keeps the two factors apart, a line that reads one of them need not have
seen them together. Runs are kept in --out, and those that are there are not made again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

import jensen
from benchmarks import harness
from benchmarks.disentangle import fitted, mean_and_error
from benchmarks.figures.common import markdown
from jensen.evaluation.disentangle import left_out_pair
from jensen.evaluation.runs import load_split

SOURCE = "color-shapes-without-pair"
# vae is beta-vae at beta = 1, so that all three have the preset's nets and steps.
MODELS = {"vae": ("beta-vae", "beta=1"), "beta-vae": ("beta-vae", "beta=4"), "factor-vae": ("factor-vae", "gamma=35")}
FIGURES = ("shape_seen", "shape_left_out", "color_seen", "color_left_out")


@dataclass(frozen=True)
class Found:
    """One run's accuracies, and its bound on test images, which are all of the pair."""

    model: str
    seed: int
    accuracy: dict[str, float]
    elbo: float


def run(name: str, seed: int, options: argparse.Namespace) -> Found:
    builder, weight = MODELS[name]
    steps = [] if options.steps is None else [f"steps={options.steps}"]
    assignments = [weight, f"seed={seed}", "validate_every=0", *steps]
    folder = fitted(builder, "shapes", SOURCE, assignments, options.out / name / f"seed-{seed}")
    model, split = jensen.load(folder), load_split(folder)
    accuracy = {metric.name: metric.value for metric in left_out_pair(model, split)}
    elbo = jensen.evaluate(model, split.test, 10)["elbo"].value
    found = Found(name, seed, accuracy, elbo)
    print(f"{name}, seed {seed}: elbo of the pair {elbo:.1f}; {accuracy}", flush=True)
    return found


def table(found: list[Found]) -> str:
    rows = []
    for name in MODELS:
        those = [one for one in found if one.model == name]
        accuracies = [mean_and_error([one.accuracy[figure] for one in those]) for figure in FIGURES]
        rows.append((name, *accuracies, mean_and_error([one.elbo for one in those])))
    return markdown(("model", *FIGURES, "ELBO of the pair, nats"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=Path("runs/left-out"))
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="in place of the preset's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(seeds=[0], steps=30)
    torch.set_num_threads(options.threads)
    found = [run(name, seed, options) for seed in options.seeds for name in MODELS]
    harness.publish(
        "left-out-pair",
        "A colour and a shape that training never saw together",
        [table(found), "Accuracies of a linear probe of z; ± is the standard error over seeds."],
        {"found": harness.as_json(found)},
        options.quick,
    )


if __name__ == "__main__":
    main()
