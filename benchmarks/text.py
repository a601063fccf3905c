"""Bits per byte of held-out docstrings: a transformer against Kneser-Ney counts and compressors.

    python -m benchmarks.text                              # fits the preset, 50 minutes of a core, or
    python -m benchmarks.text --run runs/text              # takes the run that is there already
    python -m benchmarks.text --run runs/bytes --set tokens=bytes

The text is that of `python-docstrings`, split by file. All are asked about the same bytes of the test part. The
transformer is scored twice: windows end to end, each by itself, and in context, where every token beyond the first
window is predicted given at least half a window before it. Kneser-Ney is interpolated, of contexts of 5 bytes, with
one discount for each length (Chen & Goodman 1999), fitted to the training part and scored on one byte after another.
gzip and xz compress the test bytes alone, at their highest level; "xz, primed" is what the test bytes add to the
training bytes.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.data import Dataset
from jensen.data.text import Tokeniser
from jensen.evaluation.runs import load_split
from jensen.settings import configure, fit_run
from jensen.training.checkpoint import CONFIG

PRESET = "python-docstrings"
CONTEXT = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs") / PRESET, help="a run of transformer, fitted if new")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of the preset")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run = Path(tempfile.mkdtemp()) / "run" if options.quick else options.run
    said = ""
    if not (run / CONFIG).exists():
        quick = ["steps=3", "width=32", "depth=1", "heads=1"] if options.quick else []
        settings = configure("transformer", PRESET, None, [*options.set, *quick, f"threads={options.threads}"])
        start, used = time.perf_counter(), time.process_time()
        fit_run(settings, run, False, PRESET)
        said = (
            f" Fitted in {(time.perf_counter() - start) / 60:.1f} minutes by the clock and "
            f"{(time.process_time() - used) / 60:.1f} minutes of a core, by {options.threads} threads."
        )
    model, split = jensen.load(run), load_split(run)
    found = jensen.evaluate(model, split.test)
    train, test = text_of(split.train), text_of(split.test)
    name = f"transformer, {split.options['tokens'] or 'bytes'}"
    lines = {
        f"{name}, in context": found["bits_per_byte_in_context"].value,
        f"{name}, windows of {split.spec.num_dims} tokens by themselves": found["bits_per_byte"].value,
        **baselines(train, test),
    }
    error = found["bits_per_byte_in_context"].standard_error or math.nan
    table = ["| | bits per byte |", "|---|---|", *(f"| {name} | {value:.3f} |" for name, value in lines.items())]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    said = (
        f"{len(train):,} bytes of training text, {len(test):,} of test text; {parameters:,} parameters. The "
        f"transformer's standard error over test windows is {error:.3f}.{said}"
    )
    harness.publish("text", "Held-out docstrings", ["\n".join(table), said], {"bits_per_byte": lines}, options.quick)


def text_of(data: Dataset) -> bytes:
    """The text that the windows of a part are of."""
    x = data.all().x if data.part != "train" else data.batch(torch.arange(0, len(data), data.spec.num_dims)).x
    return Tokeniser(data.spec.merges or "").decode(x.flatten().numpy())


def baselines(train: bytes, test: bytes) -> dict[str, float]:
    bits = 8 / len(test)
    together = len(lzma.compress(train + test, preset=9 | lzma.PRESET_EXTREME))
    return {
        f"Kneser-Ney, contexts of {CONTEXT} bytes": kneser_ney(train, test, CONTEXT),
        "gzip": bits * len(gzip.compress(test, 9)),
        "xz": bits * len(lzma.compress(test, preset=9 | lzma.PRESET_EXTREME)),
        "xz, primed": bits * (together - len(lzma.compress(train, preset=9 | lzma.PRESET_EXTREME))),
    }


def kneser_ney(train: bytes, test: bytes, context: int) -> float:
    """Bits per byte of `test` under interpolated Kneser-Ney fitted to `train`.

    p(w | h) = max(c(h w) - D, 0) / c(h) + D N(h) / c(h) p(w | h'), h' being h without its first byte, and c(h) and N(h)
    the sum and the number of the c(h w) above 0; p(w | h') where c(h) = 0. c are counts for the longest h, and for
    shorter ones the number of different bytes that come before h w. D = n1 / (n1 + 2 n2), n_k being how many h w have
    c = k. Below the empty h is 1/256.
    """
    train_grams, test_grams = grams(train, context + 1), grams(test, context + 1)
    p = np.full(len(test), 1 / 256)
    for order in range(context + 1):
        size = 256 ** (order + 1)
        seen = train_grams % size
        if order < context:
            seen = np.unique(train_grams % (256 * size)) % size
        grown, counts = np.unique(seen, return_counts=True)
        histories, first = np.unique(grown // 256, return_index=True)
        total, kinds = np.add.reduceat(counts, first), np.diff(np.append(first, len(grown)))
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        discount = once / (once + 2 * twice)
        asked = test_grams % size
        count = looked_up(asked, grown, counts)
        sums, spread = (looked_up(asked // 256, histories, values) for values in (total, kinds))
        known = sums > 0
        p[known] = ((count - discount).clip(0) / sums.clip(1) + discount * spread / sums.clip(1) * p)[known]
    return float(-np.log2(p).mean())


def grams(text: bytes, length: int) -> np.ndarray:
    """Each byte with the length - 1 before it, as one number, the byte itself last; zeros stand before the text."""
    padded = np.frombuffer(bytes(length - 1) + text, dtype=np.uint8).astype(np.int64)
    return sum(padded[i : i + len(text)] * 256 ** (length - 1 - i) for i in range(length))


def looked_up(asked: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values of these keys, which are sorted; 0 where one is not there."""
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


if __name__ == "__main__":
    main()
