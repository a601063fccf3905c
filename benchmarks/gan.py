"""Which of eight Gaussians on a ring a GAN covers, by seed: the preset `ring`, trained and sampled.

    python -m benchmarks.gan [--seeds 0,1,2] [--quick]

A sample is near a mode within 4 scales of its mean, where all but 1 in 3,000 of the mode's own draws lie. A mode is
covered where at least 2.5 % of all samples are near it: a fifth of its share of an eighth.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from torch import Tensor

import jensen
from benchmarks.figures.common import markdown
from jensen.evaluation.samples import kernel_two_sample
from jensen.registry import entry

RADIUS, SCALE = 2.0, 0.1  # of `jensen.data.toy.density("eight-gaussians")`
NEAR, SHARE, SAMPLES = 4 * SCALE, 0.025, 10_000


@dataclass(frozen=True)
class Found:
    """Of one seed: the share of samples near each mode (8,), the kernel test's p-value, seconds of the processor."""

    seed: int
    shares: Tensor
    p_value: float
    seconds: float

    @property
    def covered(self) -> int:
        """How many modes are covered."""
        return int((self.shares >= SHARE).sum())


def shares(x: Tensor) -> Tensor:
    """The share of samples x (N, 2) near each of the modes, (8,)."""
    angles = torch.arange(8) * (torch.pi / 4)
    distance, mode = torch.cdist(x, RADIUS * torch.stack([angles.cos(), angles.sin()], 1)).min(1)
    return mode[distance < NEAR].bincount(minlength=8) / len(x)


def measure(seed: int, quick: bool) -> Found:
    preset = entry("gan").preset("ring")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(seed)
    model = jensen.create("gan", split.spec, **preset.model)
    start = time.process_time()
    steps = preset.training["steps"] // (40 if quick else 1)
    jensen.fit(model, split, threads=1, **{**preset.training, "seed": seed, "steps": steps})
    seconds = time.process_time() - start
    x = model.sample(SAMPLES)
    return Found(seed, shares(x), kernel_two_sample(split.test.all().x[:2000], x[:2000]).p_value, seconds)


def table(found: list[Found]) -> str:
    rows = [
        (
            str(one.seed),
            f"{one.covered} of 8",
            f"{float(one.shares.min()):.3f} to {float(one.shares.max()):.3f}",
            f"{float(one.shares.sum()):.3f}",
            f"{one.p_value:.3f}",
            f"{one.seconds:.0f}",
        )
        for one in found
    ]
    columns = ("seed", "covered", "share near a mode, of 0.125", "near any", "kernel test, p", "seconds")
    return markdown(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gan", description=__doc__)
    parser.add_argument("--seeds", default="0,1,2", help="each a run of its own")
    parser.add_argument("--quick", action="store_true", help="a fortieth of the steps: shows that everything works")
    options = parser.parse_args()
    print(table([measure(int(seed), options.quick) for seed in options.seeds.split(",")]))


if __name__ == "__main__":
    main()
