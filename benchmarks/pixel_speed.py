"""Drawing images of 28 x 28 bits pixel by pixel, what was found before being kept, against a whole pass for each pixel.

    python -m benchmarks.pixel_speed --threads 1
    python -m benchmarks.pixel_speed --models row-lstm,diagonal-bilstm --threads 1

The networks have the settings that their presets "binarized-mnist" have, and weights as they start. Drawing 64 images
by the walk is timed whole; a whole pass of the 64 is timed a few times, and 784 of them is what the naive way takes.
Both ways draw a few images from one seed, and their bits are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch

import jensen
from benchmarks import harness
from jensen.models.autoregressive.base import Autoregressive
from jensen.registry import create, entry

MODELS = ("pixelcnn", "gated-pixelcnn", "row-lstm", "diagonal-bilstm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--preset", default="binarized-mnist", help="whose settings of the network are taken")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--passes", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--compared", type=int, default=4, help="images that are drawn both ways, to the end")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(images=2, passes=1, compared=1)
    torch.set_num_threads(options.threads)
    split = jensen.data.load("binarized-mnist")
    lines = [
        "| model | walk, s of a core | a whole pass, s | naive, s | times as fast | the same bits |",
        "|---|---|---|---|---|---|",
    ]
    found: dict[str, dict[str, float]] = {}
    for name in options.models:
        torch.manual_seed(0)
        model: Any = create(name, split.spec, **entry(name).preset(options.preset).model).eval()
        model.initialize(split.train.batch(torch.arange(1000)).x)
        walk = seconds(model.sample, options.images)
        x = model.sample(options.images)
        with torch.no_grad():
            model.conditionals(x)
            whole = statistics.median(seconds(model.conditionals, x) for _ in range(options.passes))
        same = compared(model, options.compared)
        naive = whole * split.spec.num_dims
        found[name] = {"walk": walk, "pass": whole, "naive": naive, "times": naive / walk, "same": same}
        lines.append(f"| `{name}` | {walk:.2f} | {whole:.3f} | {naive:.0f} | {naive / walk:.0f} | {same:.4%} |")
        print(lines[-1], flush=True)
    said = (
        f"{options.images} images of 28 x 28 bits, settings of the presets {options.preset}; bits compared over "
        f"{options.compared} images."
    )
    harness.publish("pixel-speed", "Drawing images pixel by pixel", ["\n".join(lines), said], found, options.quick)


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Seconds of a core."""
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def compared(model: Any, num_images: int) -> float:
    """The share of bits that are the same whichever way they are drawn."""
    drawn = []
    for walk in (type(model).walk, Autoregressive.walk):
        model.walk = MethodType(walk, model)
        torch.manual_seed(1)
        drawn.append(model.sample(num_images))
    return float((drawn[0] == drawn[1]).double().mean())


if __name__ == "__main__":
    main()
