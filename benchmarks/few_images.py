"""Distribution augmentation against augmentation alone and none, on few images.

    python -m benchmarks.few_images --threads 1

One network, the gated PixelCNN of `distaug`'s preset `digits`, is trained on the same 500 digits (8 x 8, 17 levels) in
three ways: told which transformation each image went through (`distaug`), on transformed images without being told, and
on the images as they are. Each keeps the weights that were best on the validation part. A seed is another draw of the
training images and of the weights. Printed is log p(x) of the test part in nats, exact, and by how much `distaug` is
ahead: of each seed paired over the test images, over the seeds with the standard error over them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.data import Split
from jensen.evaluation.results import mean_metric, paired_difference
from jensen.models.autoregressive import distaug, gated_pixelcnn
from jensen.registry import entry
from jensen.training import Training

NETWORK = {"width": 32, "layers": 4, "kernel_size": 5, "output_width": 64}
WAYS = {
    "told": lambda spec: distaug.build(spec, **NETWORK),
    "augmentation alone": lambda spec: distaug.build(spec, told=False, **NETWORK),
    "none": lambda spec: gated_pixelcnn.build(spec, **NETWORK),
}


def of_few(seed: int, count: int) -> Split:
    """The digits, with so many of the training images."""
    split = jensen.data.load("digits", as_levels=True)
    chosen = torch.randperm(len(split.train), generator=torch.Generator().manual_seed(seed))[:count]
    return Split(split.train.subset(chosen), split.validation, split.test, split.source, split.options)


def run(way: str, seed: int, options: argparse.Namespace) -> np.ndarray:
    """log p of each test image, (N,), nats; prints a line."""
    settings = {**entry("distaug").preset("digits").training, "seed": seed}
    if options.quick:
        settings |= {"steps": 10, "validate_every": 5}
    split = of_few(seed, options.images)
    start = time.process_time()
    torch.manual_seed(seed)
    result = jensen.fit(WAYS[way](split.spec), split, progress=False, training=Training(**settings))
    scores = [(row["log_prob"], row["step"]) for row in result.history if row["part"] == "validation"]
    values = jensen.evaluate(result.model, split.test).examples["log_prob"]
    seconds = time.process_time() - start
    print(f"seed {seed}, {way}: {values.mean():.2f}, best at step {max(scores)[1]}, {seconds:.0f} s", flush=True)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=500, help="for training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seeds = options.seeds[:2] if options.quick else options.seeds
    values = {way: [run(way, seed, options) for seed in seeds] for way in WAYS}
    lines = ["| seed | " + " | ".join(WAYS) + " | ahead of augmentation alone | ahead of none |", "|---" * 6 + "|"]
    ahead: dict[str, list[float]] = {"augmentation alone": [], "none": []}
    for place, seed in enumerate(seeds):
        cells = [f"{seed}"]
        for way in WAYS:
            found = mean_metric("log_prob", values[way][place], "exact")
            cells.append(f"{found.value:.2f} ± {found.standard_error:.2f}")
        for way, differences in ahead.items():
            difference, error = paired_difference(values["told"][place], values[way][place])
            differences.append(difference)
            cells.append(f"{difference:.2f} ± {error:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    over = [mean_metric("ahead", np.array(differences), "exact") for differences in ahead.values()]
    lines.append(
        "| over seeds | | | | " + " | ".join(f"{one.value:.2f} ± {one.standard_error:.2f}" for one in over) + " |"
    )
    said = f"digits/test, {options.images} training images, {len(seeds)} seeds."
    kept = {way: [float(each.mean()) for each in found] for way, found in values.items()}
    title = "Distribution augmentation on few images"
    harness.publish("few-images", title, ["\n".join(lines), said], {"log_prob": kept, "ahead": ahead}, options.quick)


if __name__ == "__main__":
    main()
