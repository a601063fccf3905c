"""From x as the data give it to the floating-point numbers that a network takes."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn import functional

from jensen.data.spec import Column, Spec


class Inputs(nn.Module):
    """(B, *event) as the data give it -> what a network takes, in floating point.

    Bits, grey and real values pass as they are; 8-bit x becomes x / 127.5 - 1 and a count log(1 + x), (B, *event);
    categories become indicators, (B, *event, levels). In a row of mixed type each column becomes what its kind does.

    Args:
        spec: of x.
    """

    like: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.kind, self.levels, self.columns = spec.kind, spec.levels, spec.column_types or ()
        self.event_shape = (*spec.event_shape, spec.levels or 1) if spec.kind == "categorical" else spec.event_shape
        if self.columns:
            self.event_shape = (sum(_width(column) for column in self.columns),)
        # Says in which type a network works whose x are whole numbers.
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *features"]:
        """(B, *event_shape of the inputs)."""
        if self.kind == "8-bit":
            return x.to(self.like.dtype) / 127.5 - 1
        if self.kind == "categorical":
            return functional.one_hot(x, self.levels or 1).to(self.like.dtype)
        if self.kind == "count":
            return _log_of_count(x)
        if self.columns:
            return torch.cat([_features(x[:, j], column) for j, column in enumerate(self.columns)], -1)
        return x


def _width(column: Column) -> int:
    return len(column.categories) or 1


def _features(x: Shaped[Tensor, "batch"], column: Column) -> Shaped[Tensor, "batch features"]:
    if column.kind == "categorical":
        return functional.one_hot(x.long(), len(column.categories)).to(x.dtype)
    return (_log_of_count(x) if column.kind == "count" else x)[:, None]


def _log_of_count(x: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    return x.clamp_min(0).log1p()  # pseudo-inputs of a prior may stray below 0
