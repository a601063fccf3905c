"""Drawing from `transformer` with keys and values kept, against a whole pass for each token.

    python -m benchmarks.transformer_speed --threads 1

Four blocks of width 256 over 256 tokens, weights as they start. Sequences of 64, 128, 256 and 512 tokens are drawn; a
whole pass costs the same at every token of a sequence, so that of the shorter ones four are timed. At the longest both
draw whole sequences from the same noise: their tokens are compared, and the logits of all places.
"""

from __future__ import annotations

import time
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from benchmarks import harness
from jensen.data import Spec
from jensen.models.autoregressive.base import Autoregressive
from jensen.registry import create

LENGTHS = (64, 128, 256, 512)
PASSES = 4


def main() -> None:
    options = harness.arguments(__doc__, sequences=1, width=256, quick={"width": 32})
    rows = []
    for length in LENGTHS:
        torch.manual_seed(0)
        spec = Spec((length,), "categorical", levels=256)
        model: Any = create("transformer", spec, width=options.width, depth=4, heads=4, positions="rotary").eval()
        kept, drawn = timed(model, options.sequences)
        model.walk = MethodType(Autoregressive.walk, model)
        if length < LENGTHS[-1]:
            x = torch.zeros(options.sequences, length, dtype=torch.int64)
            start = time.process_time()
            with torch.no_grad():
                for _ in range(PASSES):
                    model.conditionals(x)
            whole = (time.process_time() - start) / PASSES
        else:
            seconds, again = timed(model, options.sequences)
            whole, same = seconds / length, float((drawn == again).double().mean())
        rows.append((length, kept / length, whole))
    del model.walk
    difference = largest_difference(model, drawn)
    lines = ["| tokens | ms a token, kept | ms a token, whole passes | ratio |", "|---|---|---|---|"]
    lines += [f"| {n} | {a * 1e3:.2f} | {b * 1e3:.2f} | {b / a:.0f} |" for n, a, b in rows]
    said = (
        f"{options.sequences} at a time, milliseconds of a core. Of the {LENGTHS[-1]} tokens {same:.4%} are the same; "
        f"logits differ by {difference:.1e} at most."
    )
    values = {"rows": rows, "same": same, "difference": difference}
    harness.publish("transformer-speed", "Drawing from a transformer", ["\n".join(lines), said], values, options.quick)


def timed(model: Any, sequences: int) -> tuple[float, Tensor]:
    """Seconds of a core for as many sequences, and the draws."""
    torch.manual_seed(1)
    start = time.process_time()
    drawn = model.sample(sequences)
    return time.process_time() - start, drawn


@torch.no_grad()
def largest_difference(model: Any, x: Tensor) -> float:
    """Between the logits of one pass and those of the walk along the same x."""
    logits, walk, differences = model.conditionals(x).logits, model.walk(len(x)), []
    conditional = next(walk)
    for place in range(x.shape[1]):
        differences.append(float((conditional.logits - logits[:, place]).abs().max()))
        if place + 1 < x.shape[1]:
            conditional = walk.send(x[:, place])
    return max(differences)


if __name__ == "__main__":
    main()
