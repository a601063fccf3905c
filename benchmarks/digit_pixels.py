"""Exact test log-likelihoods of digits (8 x 8, 17 levels) at equal time: models of images against `made` and `fvsbn`.

    python -m benchmarks.digit_pixels                                # three minutes of a core for each
    python -m benchmarks.digit_pixels --models transformer --seconds 60

Each model is trained by its preset "digits", for as many steps as take it so many seconds of a core, validation
included, and ends with its best weights on the validation part; `made` and `fvsbn` have that time twice, with levels
entering as indicators and as numbers, and the one that does better on the validation part counts. The test part is
looked at once. Beside each model of images stands its gain over the better of the two, with the standard error of the
paired difference over test examples.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.data import Split
from jensen.registry import create, entry
from jensen.training import Training

MODELS = ("pixelcnn", "gated-pixelcnn", "row-lstm", "diagonal-bilstm", "transformer")
BASELINES: dict[str, list[dict[str, str]]] = {
    name: [{"categories": "indicators"}, {"categories": "numbers"}] for name in ("made", "fvsbn")
}
VALIDATIONS = 50  # in a run


class Run(NamedTuple):
    """What one training reached: log p of each test example, the validation part's mean, what it took."""

    settings: dict[str, str]
    test: np.ndarray
    validation: float
    steps: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds = 1.0 if options.quick else options.seconds
    split = jensen.data.load("digits", as_levels=True)
    found: dict[str, Run] = {}
    for name in dict.fromkeys((*BASELINES, *options.models)):
        runs = [
            run(name, split, settings, seconds, options.seed, options.threads) for settings in BASELINES.get(name, [{}])
        ]
        for one in runs:
            said = ", ".join(f"{key}={value}" for key, value in one.settings.items())
            print(
                f"{name} {said}: test {one.test.mean():.2f}, validation {one.validation:.2f}, {one.steps} steps in "
                f"{one.seconds:.0f} s of a core",
                flush=True,
            )
        found[name] = max(runs, key=lambda one: one.validation)
    best = max(BASELINES, key=lambda name: found[name].validation)
    lines = [f"| model | log p(x), nats | gain over `{best}` | steps | s of a core |", "|---|---|---|---|---|"]
    for name, one in found.items():
        gain = "" if name in BASELINES else mean_and_error(one.test - found[best].test)
        settings = "".join(f", {key} as {value}" for key, value in one.settings.items())
        lines.append(f"| `{name}`{settings} | {mean_and_error(one.test)} | {gain} | {one.steps} | {one.seconds:.0f} |")
    count = len(split.test)
    said = f"{count} test digits of 64 pixels, 17 levels; ± is the standard error over them. Seed {options.seed}."
    values = {name: {**one._asdict(), "test": one.test.tolist()} for name, one in found.items()}
    harness.publish("digit-pixels", "Digits of 17 levels", ["\n".join(lines), said], {"found": values}, options.quick)


def run(name: str, split: Split, settings: dict[str, str], seconds: float, seed: int, threads: int) -> Run:
    """Trains for so many seconds of a core."""
    preset = entry(name).preset("digits")
    training = Training(**{**preset.training, "seed": seed, "threads": threads, "keep": "best", "steps": 3})

    def fitted(training: Training) -> tuple[Any, float]:
        torch.manual_seed(seed)
        model = create(name, split.spec, **{**preset.model, **settings})
        start = time.process_time()
        model = jensen.fit(model, split, training=training, progress=False).model
        return model, time.process_time() - start

    def with_steps(steps: int) -> Training:
        return replace(training, steps=steps, validate_every=max(1, steps // VALIDATIONS))

    # What a step takes, a validation apart, and what a validation takes, by two short runs.
    fitted(with_steps(3))
    short, few = 0.0, 10
    while short < min(2.0, seconds / 10):
        few *= 2
        _, short = fitted(replace(training, steps=few, validate_every=few))
    _, more = fitted(replace(training, steps=few, validate_every=max(1, few // 10)))
    validation = max(0.0, more - short) / 9
    steps = max(1, int((seconds - VALIDATIONS * validation) / (short - validation) * few))
    model, spent = fitted(with_steps(steps))
    validated = jensen.evaluate(model, split.validation)["log_prob"].value
    return Run(settings, jensen.evaluate(model, split.test).examples["log_prob"], validated, steps, spent)


def mean_and_error(values: np.ndarray) -> str:
    """Mean ± standard error."""
    return f"{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}"


if __name__ == "__main__":
    main()
