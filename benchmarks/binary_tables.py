"""Test log-likelihoods of the exact models on binary tables, each by its preset, with standard errors.

    python -m benchmarks.binary_tables                       # every model on dna, mushrooms and nips
    python -m benchmarks.binary_tables --models made --data dna --seeds 0,1,2

A preset has the data's name. Its settings were chosen on the validation part, and so are the weights that a run keeps;
the test part is looked at once, here. Of several seeds the mean over runs is printed, with the standard error over test
examples of the examples' means over runs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.registry import create, entry
from jensen.training import Training

MODELS = ("bernoulli-mixture", "fvsbn", "nade", "made")
DATA = ("dna", "mushrooms", "nips")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--data", type=lambda text: text.split(","), default=DATA)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name in options.models:
        for data in options.data:
            values, validation, seconds = zip(
                *(run(name, data, seed, options.quick, options.threads) for seed in options.seeds), strict=True
            )
            examples = np.mean(values, 0)
            mean, error = float(examples.mean()), float(examples.std(ddof=1) / np.sqrt(len(examples)))
            found.setdefault(name, {})[data] = (mean, error, float(np.mean(validation)))
            print(
                f"{name} on {data}: test {mean:.3f} ± {error:.3f}, validation {np.mean(validation):.3f}, "
                f"{np.mean(seconds):.0f} s of a core",
                flush=True,
            )
    lines = ["| model | " + " | ".join(options.data) + " |", "|---" * (len(options.data) + 1) + "|"]
    for name, row in found.items():
        lines.append(
            f"| `{name}` | " + " | ".join(f"{mean:.2f} ± {error:.2f}" for mean, error, _ in row.values()) + " |"
        )
    said = f"Mean log p(x) of the test part, nats, ± over its examples; seeds {', '.join(map(str, options.seeds))}."
    harness.publish("binary-tables", "Binary tables", ["\n".join(lines), said], {"found": found}, options.quick)


def run(name: str, data: str, seed: int, quick: bool, threads: int) -> tuple[np.ndarray, float, float]:
    """log p of each test example, the validation part's mean, and seconds of a core."""
    preset = entry(name).preset(data)
    split = jensen.data.load(**preset.data)
    steps = {"steps": 3} if quick else {}
    training = Training(**{**preset.training, **steps, "seed": seed, "threads": threads})
    start = time.process_time()
    torch.manual_seed(seed)
    model = create(name, split.spec, **preset.model)
    model = jensen.fit(model, split, training=training, progress=False).model
    seconds = time.process_time() - start
    validation = jensen.evaluate(model, split.validation)["log_prob"].value
    return jensen.evaluate(model, split.test).examples["log_prob"], validation, seconds


if __name__ == "__main__":
    main()
