"""Series: rows in the order of time, cut into windows that a model sees as one x (T, C)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from jensen.data.dataset import Dataset
from jensen.data.raw import Raw
from jensen.data.spec import Spec
from jensen.data.text import WINDOW
from jensen.errors import JensenError


def window_of(rate: int | None, is_text: bool, window: int | None) -> int | None:
    """The rows of a window where data are to be cut into such: always of text; None of sound, which its reader cuts."""
    if is_text and window is None:
        return WINDOW
    return None if rate is not None else window


def in_order(raw: Raw, window: int | None, difference: bool) -> Raw:
    """`raw`, checked to be a series where windows are asked for, and its rows replaced by differences x_t - x_{t-1}.

    The first row has no difference and is dropped.
    """
    if window is None:
        if difference:
            raise JensenError(f"{raw.name}: difference is for series: give window, the number of rows of one x")
        return raw
    if window < 1:
        raise JensenError(f"window={window}: expected a number of rows, 1 or more")
    if raw.x.ndim != 2 or raw.form == "mixed":
        found = "columns of mixed type" if raw.form == "mixed" else f"rows of shape {tuple(raw.x.shape[1:])}"
        raise JensenError(f"{raw.name}: window cuts rows of numbers in the order of time, got {found}: leave it out")
    if raw.y is not None:
        raise JensenError(f"{raw.name}: a window of {window} rows has no label: leave labels and target out")
    if not difference:
        return replace(raw, x=np.asarray(raw.x))
    if raw.form == "levels":
        raise JensenError(f"{raw.name}: categories have no difference: leave difference out")
    if raw.parts is not None:
        train, validation, test = (rows[rows > 0] - 1 for rows in raw.parts)
        raw = replace(raw, parts=(train, validation, test))
    return replace(raw, x=np.diff(raw.x.astype(np.float64), axis=0), form="real", top=1)


def described(treatment: str, window: int | None, difference: bool) -> str:
    """What windows and differences add to the treatment that a likelihood is named with."""
    if window is None:
        return treatment
    words = [] if treatment == "none" else [treatment]
    return ", ".join([*words, *(["differences"] if difference else []), f"windows of {window}"])


def in_windows(rows: Dataset, window: int, spec: Spec) -> Dataset:
    """The rows (T, C) of one part as windows (N, window, C): overlapping in training, end to end otherwise.

    Training sees every window, each a row after the last. Validation and test have windows that share no row, so that
    an error bar over them counts no row twice; rows that do not fill a last window are left out. Windows never reach
    into another part. Memory is that of the rows.

    Args:
        rows: a part, with everything drawn that is drawn once.
        window: rows of each.
        spec: of a window.
    """
    assert isinstance(rows.x, torch.Tensor)
    if 0 < len(rows) < window:
        raise JensenError(
            f"{rows.name}: {len(rows)} rows in the {rows.part} part hold no window of {window}: choose a window of at "
            f"most {len(rows)}, or make that part larger"
        )
    step = 1 if rows.part == "train" else window
    if len(rows):
        x = rows.x.unfold(0, window, step).movedim(-1, 1).view(-1, *spec.event_shape)
    else:
        x = rows.x.new_empty((0, *spec.event_shape))
    return replace(rows, x=x, spec=spec, rows=torch.arange(len(x)))


def no_array(source: Sequence[Any]) -> JensenError:
    """Why a list of examples is no data set."""
    lengths = sorted({len(one) for one in source if hasattr(one, "__len__")})
    if len(lengths) > 1:
        return JensenError(
            f"series of unequal length ({lengths[0]} to {lengths[-1]}): cut them to one length, and give one array "
            "(series, time, channels)"
        )
    return JensenError("a list is no data set: give one array with examples first, as numpy.stack makes it")
