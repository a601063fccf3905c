"""One training step of the cs236 preset against the plain loop and against pythae's trainer, and its floor."""

from __future__ import annotations

import itertools
import time

import torch
from torch import nn

from benchmarks import harness, jensens, mnist, peers_pythae, plain
from jensen.objectives.elbo import ELBO
from jensen.training.config import Training, has_bf16
from jensen.training.engine import GradientEngine

BASELINES = ("plain", "pythae")
OURS: dict[str, dict[str, str]] = {"jensen, f32": {"precision": "32"}}
FLOORS = {"products, f32": torch.float32}
if has_bf16("cpu"):
    OURS["jensen, bf16"] = {"precision": "bf16"}
    OURS["jensen, bf16, compiled"] = {"precision": "bf16", "compile": "yes"}
    FLOORS["products, bf16"] = torch.bfloat16


def plain_contender(images: torch.Tensor, num_steps: int) -> harness.Contender:
    steps = plain.train(plain.VAE(), images)

    def run() -> float:
        next(steps)
        start = time.perf_counter()
        plain.take(steps, num_steps)
        return (time.perf_counter() - start) / num_steps

    return run


def pythae_contender(images: torch.Tensor, num_steps: int) -> harness.Contender:
    training = peers_pythae.Training(peers_pythae.DynamicVAE(), images)
    return lambda: training.step_seconds(num_steps)


def jensen_contender(num_steps: int, settings: dict[str, str]) -> harness.Contender:
    preset, split = jensens.preset("cs236")
    model = jensens.create(preset, split)
    training = Training(**{**preset.training, **settings}).resolved(split.spec, model)
    engine = GradientEngine(model, split.train, ELBO(), training)
    numbers = itertools.count()

    def run() -> float:
        for number in itertools.islice(numbers, 2):  # the first is eager where the rest is compiled
            engine.step(number)
        start = time.perf_counter()
        for number in itertools.islice(numbers, num_steps):
            engine.step(number)
        return (time.perf_counter() - start) / num_steps

    return run


def floor_contender(num_steps: int, dtype: torch.dtype) -> harness.Contender:
    """The step's matrix products alone: for each layer x W', then g' x, and g W for all layers but the first."""
    layers = [layer for net in (plain.encoder(), plain.decoder()) for layer in net if isinstance(layer, nn.Linear)]
    operands = []
    for layer in layers:
        x = torch.randn(plain.BATCH_SIZE, layer.in_features, dtype=dtype)
        g = torch.randn(plain.BATCH_SIZE, layer.out_features, dtype=dtype)
        operands.append((x, g, layer.weight.detach().to(dtype)))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(num_steps):
            for place, (x, g, weight) in enumerate(operands):
                x @ weight.t()
                g.t() @ x
                if place:
                    g @ weight
        return (time.perf_counter() - start) / num_steps

    return run


def main() -> None:
    options = harness.arguments(__doc__, rounds=15, steps=200, quick={"rounds": 2, "steps": 20})
    steps = options.steps
    images, _ = mnist.images()
    torch.manual_seed(0)
    contenders = {
        "plain": plain_contender(images, steps),
        "pythae": pythae_contender(images, steps),
        **{name: jensen_contender(steps, settings) for name, settings in OURS.items()},
        **{name: floor_contender(steps, dtype) for name, dtype in FLOORS.items()},
    }
    kept, dropped = harness.alternate(contenders, options)
    floors = [(slow, fast) for slow, fast in itertools.product(OURS, FLOORS) if fast.split(", ")[1] in slow]
    pairs = [("pythae", "plain"), *itertools.product(BASELINES, OURS), *floors]
    ratios = [harness.ratio(kept, slow, fast) for slow, fast in pairs]
    note = f"{len(kept)} rounds of {steps} steps kept, {dropped} dropped. Batches of {plain.BATCH_SIZE}."
    harness.publish(
        "training-step",
        "Training step, cs236 network, MNIST",
        [note, harness.medians_table(kept, "ms/step"), harness.ratios_table(ratios)],
        {"steps": steps, "dropped": dropped, "rounds": harness.as_json(kept), "ratios": harness.as_json(ratios)},
        options.quick,
    )


if __name__ == "__main__":
    main()
