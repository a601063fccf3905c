"""Do the codes of an adversarial autoencoder match the prior that they are to match?

    python -m benchmarks.prior_matching
    python -m benchmarks.prior_matching --priors swiss-roll --seeds 0
    python -m benchmarks.prior_matching --conditional

For each prior it fits a preset of `aae`, codes held-out images that no code was trained on, and compares 1,000 codes
with as many draws of the prior by the kernel two-sample test. With --conditional it fits the preset `conditional`, and
does so for each class, 500 codes of images with the label y with as many draws of the prior's y-th part.

The images are of the validation part, which was held out from the training images: those of MNIST's test part are by
other writers, and q(z) of other images is another distribution.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

import jensen
from jensen.data import Dataset, Split
from jensen.evaluation.samples import kernel_two_sample
from jensen.registry import create, entry
from jensen.training.mode import evaluating

PRESETS = {"normal": "normal", "ten-gaussians": "mnist", "swiss-roll": "swiss-roll"}
CODES, CODES_OF_A_CLASS = 1000, 500
LEVEL = 0.01

HEADER = "| prior | seed | codes of | MMD² | p-value | rejected at 1% | −log p(x given z), nats | training, s |"


def main() -> None:
    """Prints a row for each prior (or class) and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--priors", nargs="+", default=list(PRESETS), choices=PRESETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--conditional", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few steps: shows that it runs, and nothing else")
    options = parser.parse_args()
    print(HEADER + "\n" + "|---" * HEADER.count(" |") + "|", flush=True)
    for prior in ["ten-gaussians"] if options.conditional else options.priors:
        for seed in options.seeds:
            for row in rows(prior, seed, options.conditional, options.quick):
                print(row, flush=True)


def rows(prior: str, seed: int, conditional: bool, quick: bool) -> list[str]:
    """The table's rows of one model."""
    preset = entry("aae").preset("conditional" if conditional else PRESETS[prior])
    split: Split = jensen.data.load(**preset.data)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = create("aae", split.spec, **preset.model)
    training = {**preset.training, "seed": seed, **({"steps": 20} if quick else {})}
    start = time.perf_counter()
    jensen.fit(model, split, progress=False, **training)
    seconds = time.perf_counter() - start
    of_classes: list[int | None] = list(range(10)) if conditional else [None]
    found = []
    with evaluating(model, torch.device("cpu"), seed):
        for y in of_classes:
            x = some(split.validation, y, CODES if y is None else CODES_OF_A_CLASS)
            codes = model.encode(x, *() if y is None else (torch.full((len(x),), y),))  # type: ignore[operator]
            of_prior = model.prior() if y is None else model.prior(torch.tensor(y))  # type: ignore[operator]
            test = kernel_two_sample(codes, of_prior.sample((len(codes),)))
            distortion = -float(model.likelihood(codes).log_prob(x).mean())  # type: ignore[operator]
            found.append(
                f"| {prior} | {seed} | {'all digits' if y is None else y} | {test.mmd2:.5f} | {test.p_value:.3f} | "
                f"{'yes' if test.p_value <= LEVEL else 'no'} | {distortion:.1f} | {seconds:.0f} |"
            )
    return found


def some(data: Dataset, y: int | None, count: int) -> Tensor:
    """`count` x (of class y), drawn without replacement."""
    assert data.y is not None
    rows = torch.arange(len(data)) if y is None else (data.y == y).nonzero().squeeze(1)
    return data.subset(rows[torch.randperm(len(rows))[:count]]).all().x


if __name__ == "__main__":
    main()
