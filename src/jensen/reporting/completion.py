"""Rows of which a part is known: "alcohol=12.5,ash=2" as the model sees it."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.data.audio import beginning
from jensen.errors import JensenError, unknown
from jensen.models.base import Conditional


def completes(model: nn.Module) -> bool:
    """Whether it draws the rest of a row: of no y, but of any entries of x that come first in its ordering."""
    sample = getattr(model, "sample", None)
    return sample is not None and not isinstance(model, Conditional) and "given" in inspect.signature(sample).parameters


def known_entries(given: str, data: Dataset) -> Float64[Tensor, "*event"]:
    """The entries that are named, as the model sees them, and NaN elsewhere.

    Args:
        given: entries by the names of their columns, "alcohol=12.5,ash=2", in the data's own units; or "x0=1,x3=0" by
            their place in the flattened x where columns have no names; or the name of a .wav file, the beginning of a
            sound.
        data: those that the model was trained on.
    """
    spec, treatment = data.spec, data.treatment
    if given.lower().endswith(".wav"):
        return torch.from_numpy(beginning(Path(given), spec.rate)).double()
    names = spec.columns or tuple(f"x{place}" for place in range(spec.num_dims))
    known = torch.full((spec.num_dims,), math.nan, dtype=torch.float64)
    for pair in given.split(","):
        name, _, value = (part.strip() for part in pair.partition("="))
        if name not in names and spec.columns is None:
            raise JensenError(f"no entry of x is called '{name}': they are x0 to x{spec.num_dims - 1}, in raster order")
        if name not in names:
            raise unknown("entry of x", name, names)
        try:
            known[names.index(name)] = float(value)
        except ValueError as error:
            raise JensenError(f"--given takes NAME=NUMBER, got '{pair.strip()}'") from error
    known = known.view(spec.event_shape)
    if treatment.shift is None or treatment.scale is None:
        return known
    return (known - treatment.shift) / treatment.scale
