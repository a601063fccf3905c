"""The recurrence of `nade` against autograd's, an epoch of training, and drawing against a pass for each entry.

    python -m benchmarks.nade_speed --threads 1

D = 784, H = 500. A step is log p of 100 images and its gradient: ours, one cumulative sum (B, D, H) recorded by
autograd, and a loop over the entries recorded by autograd. The epoch is 500 steps on binarised MNIST through the engine
that `fit` drives. Drawing is of 64 images, by the walk that brings one hidden layer forward, and by a whole pass for
each entry; both are given the same noise, and their bits are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor

import jensen
from benchmarks import harness
from jensen.models.autoregressive.base import Autoregressive
from jensen.objectives.maximum_likelihood import MaximumLikelihood
from jensen.registry import create, entry
from jensen.training.config import Training
from jensen.training.engine import GradientEngine

Raw = Callable[..., Tensor]


def cumulative_sum(model: Any, features: Tensor, y: None, ordering: int) -> Tensor:
    """V_i sigmoid(a_i) for all i from all a_i at once, (B, D, H)."""
    steps = features * model.inward.transpose(0, 1)
    into = model.hidden_bias + torch.cat([torch.zeros_like(steps[:, :1]), steps[:, :-1].cumsum(1)], 1)
    return (into.sigmoid() * model.outward.transpose(0, 1)).sum(-1, keepdim=True)


def recorded_loop(model: Any, features: Tensor, y: None, ordering: int) -> Tensor:
    """The recurrence as written, each step recorded by autograd."""
    into, raw = model.hidden_bias.expand(len(features), -1), []
    for i in range(features.shape[1]):
        raw.append(into.sigmoid() @ model.outward[i].T)
        into = into + features[:, i] @ model.inward[i]
    return torch.stack(raw, 1)


def step_contender(model: Any, x: Tensor, raw: Raw | None) -> harness.Contender:
    def run() -> float:
        model.raw = type(model).raw.__get__(model) if raw is None else MethodType(raw, model)
        start = time.perf_counter()
        torch.autograd.grad(-model.log_prob(x).mean(), list(model.parameters()))
        return time.perf_counter() - start

    return run


def main() -> None:
    options = harness.arguments(
        __doc__, rounds=5, images=64, epoch_steps=500, quick={"rounds": 1, "images": 2, "epoch_steps": 5}
    )
    preset = entry("nade").preset("binarized-mnist")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(0)
    model: Any = create("nade", split.spec, **preset.model)
    x = split.train.batch(torch.arange(100)).x
    forms: dict[str, Raw | None] = {"ours": None, "cumulative sum": cumulative_sum, "recorded loop": recorded_loop}
    kept, dropped = harness.alternate({name: step_contender(model, x, raw) for name, raw in forms.items()}, options)
    ratios = [harness.ratio(kept, name, "ours") for name in forms if name != "ours"]

    training = Training(**{**preset.training, "threads": options.threads}).resolved(split.spec, model)
    model.raw = type(model).raw.__get__(model)
    engine = GradientEngine(model, split.train, MaximumLikelihood(), training)
    engine.step(0)
    with harness.Watch() as watch:
        for number in range(options.epoch_steps):
            engine.step(number)
    epoch = watch.load

    drawn, seconds = {}, {}
    for name, walk in (("walk", type(model).walk), ("a pass for each entry", Autoregressive.walk)):
        model.walk = MethodType(walk, model)
        torch.manual_seed(1)
        start = time.process_time()
        drawn[name] = model.sample(options.images)
        seconds[name] = time.process_time() - start
    same = float((drawn["walk"] == drawn["a pass for each entry"]).double().mean())
    times = seconds["a pass for each entry"] / seconds["walk"]
    said = [
        f"{len(kept)} rounds kept, {dropped} dropped. Batches of 100.",
        harness.medians_table(kept, "ms/step"),
        harness.ratios_table(ratios),
        f"{options.epoch_steps} steps of training: {epoch.seconds:.1f} s by the clock, of which this process had "
        f"{epoch.seconds * epoch.share * options.threads:.1f} s of a core.",
        f"Drawing {options.images} images: {seconds['walk']:.3f} s of a core, by a pass for each entry "
        f"{seconds['a pass for each entry']:.1f} s, {times:.0f} times as long; {same:.4%} of the bits are the same.",
    ]
    values = {"rounds": harness.as_json(kept), "ratios": harness.as_json(ratios), "seconds": seconds, "same": same}
    harness.publish(
        "nade-speed",
        "The recurrence of nade, 784 entries, 500 units",
        said,
        {"dropped": dropped, **values},
        options.quick,
    )


if __name__ == "__main__":
    main()
