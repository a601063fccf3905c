"""log p(rest of an image given its lower left quadrant), by a cvae and by a network that has no latents.

    python -m benchmarks.completion --seeds 0

The network without latents, p(rest | given) = prod_d Bernoulli(f_d(given)), has the widths of the preset and keeps
the weights that were best on the validation part. Its log p is exact; that of the cvae is the importance-weighted
bound at K. Both are asked of the same test images, binarised once.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn

import jensen
from benchmarks import harness
from jensen.evaluation.results import paired_difference
from jensen.models.conditions import Part
from jensen.nets import MLP
from jensen.registry import create, entry
from jensen.training import Training


class WithoutLatents(nn.Module):
    """prod_d Bernoulli(x_d; sigmoid(f_d(given))), over the entries that are not given."""

    def __init__(self, part: Part, num_dims: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.part = part
        self.net = MLP([part.num_features, *hidden, num_dims - part.num_features], "elu")

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(rest | given), (B,), nats."""
        is_given = self.part.is_given.flatten()
        flat = x.flatten(1)
        logits = self.net(flat[:, is_given]).float()
        return -nn.functional.binary_cross_entropy_with_logits(logits, flat[:, ~is_given], reduction="none").sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of both, in the preset's place")
    parser.add_argument("--num-samples", type=int, default=1000, help="K of the bound")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    preset = entry("cvae").preset("completion")
    data = {**preset.data, **({"source": "digits"} if options.quick else {})}
    split = jensen.data.load(**data)
    steps = 20 if options.quick else options.steps or preset.training["steps"]
    num_samples = 10 if options.quick else options.num_samples
    rows = []
    for seed in options.seeds:
        training = {**preset.training, "steps": steps, "seed": seed}
        best = {**training, "keep": "best", "validate_every": max(steps // 40, 1)}
        found = {}
        for name in ("cvae", "without latents"):
            start = time.perf_counter()
            torch.manual_seed(seed)
            if name == "cvae":
                model: nn.Module = create("cvae", split.spec, **preset.model)
                model = jensen.fit(model, split, training=Training(**training)).model
            else:
                part = Part(split.spec, preset.model["given"])
                model = WithoutLatents(part, split.spec.num_dims, preset.model["hidden"])
                model = jensen.fit(model, split, training=Training(**best)).model
            seconds = time.perf_counter() - start
            scores = jensen.evaluate(model, split.test, num_samples)
            figure = f"iwae_{num_samples}" if name == "cvae" else "log_prob"
            found[name] = (scores[figure].value, scores[figure].standard_error, scores.examples[figure], seconds)
            print(f"seed {seed}, {name}: {found[name][0]:.3f} nats, {seconds:.0f} s", flush=True)
        difference, error = paired_difference(found["cvae"][2], found["without latents"][2])
        rows.append((seed, *(found[name][:2] for name in found), difference, error))
    lines = [
        "| seed | cvae, bound | without latents, exact | cvae ahead by (paired) | standard errors |",
        "|---|---|---|---|---|",
    ]
    for seed, ours, theirs, difference, error in rows:
        lines.append(
            f"| {seed} | {ours[0]:.2f} ± {ours[1]:.2f} | {theirs[0]:.2f} ± {theirs[1]:.2f} "
            f"| {difference:.2f} ± {error:.2f} | {difference / error:.0f} |"
        )
    said = (
        f"{split.test.name}/{split.test.part}, {len(split.test):,} images, {steps:,} steps of both, K = {num_samples}."
    )
    values = {"steps": steps, "num_samples": num_samples, "rows": rows}
    harness.publish(
        "completion", "The rest of an image given a quadrant", ["\n".join(lines), said], values, options.quick
    )


if __name__ == "__main__":
    main()
