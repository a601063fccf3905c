"""A trained model asked about the factors of rendered images: scores of disentanglement, and a pair it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jensen.data import Batch, Split, shapes
from jensen.data.shapes import Shapes
from jensen.errors import JensenError
from jensen.evaluation.disentanglement import Code, disentanglement, draw, linear_probe
from jensen.evaluation.onednn import OneDNNLinear
from jensen.evaluation.results import Metric
from jensen.models.base import Latent, bound_to
from jensen.training.check import like_model
from jensen.training.mode import evaluating

IMAGES = 500  # rendered and encoded together


def disentangle(model: nn.Module, split: Split, *, seed: int = 0, **settings: Any) -> tuple[Metric, ...]:
    """The scores of `disentanglement` for a model of rendered shapes.

    The code is the mean of q(z | x), or `encode(x)` where there is no q. A code without a prior has a scale of its own,
    and none of its dimensions that varies at all counts as collapsed.

    Args:
        model: anything with posterior(x) or encode(x).
        split: the data it was trained on, by whose treatment the rendered images go.
        seed: of all draws.
        **settings: see `disentanglement`.
    """
    rendered = _rendered(split)
    if not isinstance(model, Latent):
        settings = {"collapsed": 0.0, **settings}
    with _coder(model, split, rendered, seed) as code:
        return disentanglement(code, rendered.factors, seed=seed, **settings)


def left_out_pair(
    model: nn.Module, split: Split, *, num_train: int = 10_000, num_test: int = 2000, seed: int = 0
) -> tuple[Metric, ...]:
    """Whether a linear probe of z still reads shape and colour where the two meet as they never did in training.

    The pair is that of "color-shapes-without-pair". A logistic regression for each of the two factors is trained on the
    codes of `num_train` rendered images without the pair, and scored on `num_test` fresh ones without it, and on as
    many of the pair alone.

    Returns:
        shape_seen, shape_left_out, color_seen, color_left_out: accuracies, their standard errors over images.
    """
    rendered = _rendered(split)
    if not rendered.color:
        raise JensenError(
            f"the pair left out is of a shape and a colour, and {split.source} has none: use color-shapes"
        )
    random = np.random.default_rng(seed)
    drawn = draw(rendered.factors, 2 * (num_train + num_test), random)
    seen = drawn[~shapes.is_left_out(rendered, drawn)][: num_train + num_test]
    names = [factor.name for factor in rendered.factors]
    pair = draw(rendered.factors, num_test, random)
    for name, value in shapes.LEFT_OUT.items():
        pair[:, names.index(name)] = value
    metrics = []
    with _coder(model, split, rendered, seed) as code:
        known, unknown = code(seen), code(pair)
    for name in shapes.LEFT_OUT:
        column = names.index(name)
        probe = linear_probe(known[:num_train], seen[:num_train, column])
        asked = ("seen", known[num_train:], seen[num_train:]), ("left_out", unknown, pair)
        for what, codes, rows in asked:
            right = float((probe(codes) == rows[:, column]).mean())
            error = math.sqrt(right * (1 - right) / (len(rows) - 1))
            metrics.append(Metric(f"{name}_{what}", right, "estimate", "accuracy", error))
    return tuple(metrics)


def _rendered(split: Split) -> Shapes:
    if split.source not in shapes.SETS:
        raise JensenError(
            f"disentanglement is measured on images of chosen factors, and {split.source} has no renderer: fit the "
            f"model to {' or '.join(shapes.SETS)}"
        )
    return shapes.SETS[split.source]


@contextmanager
def _coder(model: nn.Module, split: Split, rendered: Shapes, seed: int) -> Iterator[Code]:
    """A context in which factors can be coded: rendered, treated as the training data are, and encoded."""
    if not isinstance(model, Latent) and not hasattr(model, "encode"):
        raise JensenError("this model has no code to be disentangled: choose one with a posterior, such as factor-vae")
    data = like_model(split.train, model)

    def encode(drawn: np.ndarray) -> Tensor:
        stored = torch.from_numpy(rendered.render(drawn)).to(data.device)
        labels = torch.from_numpy(drawn[:, 0]).to(data.device)
        some = replace(data, x=stored, y=labels, rows=torch.arange(len(drawn)))
        batch: Batch = some.all()
        bound = bound_to(model, batch)
        found = bound.posterior(batch.x).mean if isinstance(bound, Latent) else bound.encode(batch.x)
        return found.flatten(1).double().cpu()

    def code(drawn: np.ndarray) -> np.ndarray:
        parts = np.split(drawn, range(IMAGES, len(drawn), IMAGES))
        return torch.cat([encode(part) for part in parts]).numpy()

    with evaluating(model, data.device, seed), OneDNNLinear():
        yield code
