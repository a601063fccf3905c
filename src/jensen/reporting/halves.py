"""Images of which the upper half is given and the lower half drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from jensen.data import Dataset
from jensen.models.autoregressive.base import Autoregressive
from jensen.reporting import images
from jensen.reporting.picture import Picture
from jensen.training.check import like_model

_DRAWN = 4


def of_halves(model: Any, data: Dataset | None, to_image: Callable[[Tensor], Tensor]) -> Iterator[Picture]:
    """The lower halves that a model draws given the upper ones, where it draws the upper entries first."""
    if data is None or not isinstance(model, Autoregressive):
        return
    channels, height, width = model.spec.event_shape
    is_upper = (torch.arange(height) < height // 2)[:, None].expand(channels, height, width)
    first = is_upper.flatten()[model.orders.cpu()][:, : int(is_upper.sum())]
    if not bool(first.all()):
        return
    index = images.one_of_each(data.labels, len(data))
    x = like_model(data, model).batch(index).x
    given = x.double().where(is_upper.to(x.device), math.nan)
    rows = {"originals": to_image(x), "given": to_image(x).where(is_upper.to(x.device), 0.5)}
    for place in range(_DRAWN):
        rows[f"draw {place + 1}"] = to_image(model.sample(len(x), given=given))
    caption = (
        f"{len(index)} examples of the {data.part} part, the upper halves that are given, and {_DRAWN} draws of the "
        "lower halves given them, which are draws from the model's own p(lower | upper)."
    )
    yield Picture("halves", "Samples", caption, images.labelled_rows(rows))
