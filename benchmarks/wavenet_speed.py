"""Drawing sound by `wavenet`'s queues against a pass of the network for each sample.

    python -m benchmarks.wavenet_speed --threads 1

One draw of 16,000 samples of the networks of two presets, as they start: the time that a pass takes is that of its
shapes. The naive way knows that no more than the receptive field is needed: for sample t it passes over the min(t, R)
samples before. Some such passes are timed, at places spread over the draw, and the time of all is their mean times
16,000. The plainest way, a pass over the whole sequence for each sample, is extrapolated from one.

That the queues draw the same bits is checked for the whole draw: one pass over it gives, at every t, the conditional
that the naive way draws from, and drawing from these under the same seed has to give every sample again.
"""

from __future__ import annotations

import time
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from benchmarks import harness
from jensen.data import Spec
from jensen.models.autoregressive.base import Walk, _entry
from jensen.registry import create, entry

NAMES = ("tones", "16khz")


def timed(model: Any, x: Tensor) -> float:
    """Seconds of a core for one pass over x."""
    start = time.process_time()
    model.conditionals(x)
    return time.process_time() - start


def replayed(x: Tensor) -> Any:
    """A walk that yields the conditionals of one pass over x."""

    def walk(model: Any, num_samples: int, y: None, ordering: int) -> Walk:
        conditionals = model.conditionals(x)
        for t in range(x.shape[1]):
            yield _entry(conditionals, t)

    return walk


def measure(name: str, samples: int, passes: int) -> dict[str, float]:
    settings = {**entry("wavenet").preset(name).model, "given": "none"}
    torch.manual_seed(0)
    model: Any = create("wavenet", Spec((samples,), "8-bit", 256, rate=16_000), **settings).eval()
    torch.manual_seed(1)
    start = time.process_time()
    x = model.sample(1)
    queues = time.process_time() - start
    places = torch.linspace(1, samples, passes + 1).long().tolist()
    fields = [x[:, max(0, t - model.receptive_field) : t] for t in places]
    naive = [timed(model, field) for field in fields][1:]  # the first is not counted
    whole = timed(model, x)
    model.walk = MethodType(replayed(x), model)
    torch.manual_seed(1)
    same = float((model.sample(1) == x).double().mean())
    return {
        "receptive_field": model.receptive_field,
        "queues": queues,
        "naive": samples * sum(naive) / passes,
        "whole": samples * whole,
        "same": same,
    }


def main() -> None:
    options = harness.arguments(__doc__, samples=16_000, passes=40, quick={"samples": 300, "passes": 3})
    lines = [
        "| preset | receptive field | queues, s | a pass over it each, s | times as long | a pass over all each, s "
        "| times as long | same bits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    values = {}
    with torch.no_grad():
        for name in NAMES:
            found = values[name] = measure(name, options.samples, options.passes)
            fast = found["queues"]
            lines.append(
                f"| {name} | {found['receptive_field']:,.0f} | {fast:.1f} | {found['naive']:,.0f} | "
                f"{found['naive'] / fast:.0f} | {found['whole']:,.0f} | {found['whole'] / fast:,.0f} | "
                f"{found['same']:.4%} |"
            )
    said = f"Seconds of a core for one draw of {options.samples:,} samples, by queues and from {options.passes} passes."
    harness.publish("wavenet-speed", "Drawing by wavenet", [said, "\n".join(lines)], values, options.quick)


if __name__ == "__main__":
    main()
