"""Whether what a caption asks for is in the images that `parti` draws, by a classifier of real images.

    python -m benchmarks.captions --threads 1                            # trains the preset, about 25 minutes of a core
    python -m benchmarks.captions --run runs/parti --threads 1           # of a run that is there
    python -m benchmarks.captions --set captioned-digits

The classifier learns what captions of the training images say (shape and colour, or the digit) from those images, and
is itself judged on the test images. Then one image is drawn for each of the first captions of the test part, at every
guidance weight, by the same noise. An image is recognised where the class that the classifier finds likeliest is the
one that its caption asks for. ± is one standard error; gains over the first weight are paired over captions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import jensen
from benchmarks import harness
from jensen.data import Dataset, Split
from jensen.data.captioned import DIGITS, digit, shape_and_color
from jensen.data.captions import decoded
from jensen.data.shapes import COLORS, SHAPES
from jensen.evaluation.proportion import proportion
from jensen.registry import create, entry

JUDGES: dict[str, dict[str, Any]] = {  # of each set, which are presets' names too
    "captioned-shapes": entry("classifier").preset("color-shapes").model,
    "captioned-digits": {"net": "convolutional", "hidden": (32, 64)},
}
AT_ONCE = 100


def class_of(name: str) -> tuple[Callable[[str], int], int]:
    """The class that a caption of a set asks for, and how many there are."""
    if name == "captioned-digits":
        return digit, len(DIGITS)
    number = lambda shape, color: shape * len(COLORS) + color  # noqa: E731
    return lambda caption: number(*shape_and_color(caption)), len(SHAPES) * len(COLORS)


def labelled(split: Split, name: str) -> Split:
    """The same images with the class that their captions ask for."""
    of_caption, count = class_of(name)
    spec = replace(split.spec, caption_length=None, num_classes=count)

    def part(data: Dataset) -> Dataset:
        assert data.y is not None
        return replace(data, y=torch.tensor([of_caption(caption) for caption in decoded(data.y)]), spec=spec)

    return replace(split, train=part(split.train), validation=part(split.validation), test=part(split.test))


@torch.no_grad()
def recognised(judge: Any, model: Any, captions: Tensor, asked: Tensor, guidance: float, seed: int) -> Tensor:
    """Of one image for each caption, whether it is what was asked for, (N,)."""
    torch.manual_seed(seed)
    drawn = [model.given(some, guidance).sample(1)[0] for some in captions.split(AT_ONCE)]
    return torch.cat([judge.classify(x).argmax(1) for x in drawn]) == asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=tuple(JUDGES), default="captioned-shapes")
    parser.add_argument("--run", help="a run of parti, in place of the preset")
    parser.add_argument(
        "--guidance", type=lambda text: [float(w) for w in text.split(",")], default=[0.0, 1.0, 2.0, 4.0]
    )
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--judge-steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.quick:
        options.captions, options.judge_steps = 20, 5
    preset = entry("parti").preset(options.set)
    split = jensen.data.load(**preset.data)
    start = time.process_time()
    if options.run:
        model: Any = jensen.load(options.run)
    else:
        torch.manual_seed(options.seed)
        model = create("parti", split.spec, **preset.model)
        training = {**preset.training, "seed": options.seed, **({"steps": 5} if options.quick else {})}
        model = jensen.fit(model, split, **training).model
    trained = time.process_time() - start
    classes = labelled(split, options.set)
    torch.manual_seed(options.seed)
    judge: Any = create("classifier", classes.spec, **JUDGES[options.set])
    judge = jensen.fit(
        judge, classes, steps=options.judge_steps, learning_rate=2e-3, warmup=0.05, schedule="linear"
    ).model.eval()
    model.eval()
    batch, asked = split.test.batch(torch.arange(options.captions)), classes.test.y[: options.captions]  # type: ignore[index]
    with torch.no_grad():
        real = proportion(judge.classify(batch.x).argmax(1) == asked)
    found = {w: recognised(judge, model, batch.y, asked, w, options.seed) for w in options.guidance}  # type: ignore[arg-type]
    first = next(iter(found.values())).double()
    lines = ["| guidance | recognised | gain over the first |", "|---|---|---|"]
    lines.append(f"| real images | {real.share:.3f} ± {real.standard_error:.3f} | |")
    for weight, right in found.items():
        share, gain = proportion(right), right.double() - first
        paired = f"{gain.mean():.3f} ± {gain.std() / len(gain) ** 0.5:.3f}" if weight != options.guidance[0] else ""
        lines.append(f"| {weight:g} | {share.share:.3f} ± {share.standard_error:.3f} | {paired} |")
    said = f"{options.set}: {options.captions} captions of the test part, one image each. Seed {options.seed}." + (
        f" Of the run {options.run}." if options.run else f" Trained in {trained:.0f} s of a core."
    )
    values = {"real": real._asdict(), "recognised": {w: proportion(right)._asdict() for w, right in found.items()}}
    harness.publish("captions", "What captions ask for", ["\n".join(lines), said], values, options.quick)


if __name__ == "__main__":
    main()
