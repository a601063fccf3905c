"""What a reader hands over: values as stored, before any treatment, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jensen.data.captions import encoded
from jensen.data.dataset import chunks
from jensen.data.spec import Column
from jensen.data.treatment import Form
from jensen.errors import JensenError

# Every whole number up to it is a number of single precision.
LARGEST_COUNT = 2**24


@dataclass(frozen=True)
class Raw:
    """Stored values x (N, *event) and labels y (N,), and what is known of them.

    `form` None is to be inferred by `checked`. `parts` are the rows of train, validation and test where the set
    comes with a split of its own. `treatment` is what was done to x before it was stored. `types` are the columns of
    form "mixed". `conditions` are the names of y's columns where y are numbers (N, Y) that x is given, and no labels.
    `caption_length` is L where y are captions: text (N,), or when checked its bytes (N, L), 0 after their end.
    `ends` are those of the documents of a text, whose bytes, or tokens by `merges`, are the rows (N, 1) of x.
    `rate` is that of a sound, samples a second, where x are windows of its mu-law levels, in the order of time.
    """

    x: np.ndarray
    name: str
    y: np.ndarray | None = None
    form: Form | None = None
    top: int = 1
    treatment: str = "none"
    columns: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    parts: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    num_classes: int | None = None
    types: tuple[Column, ...] | None = None
    conditions: tuple[str, ...] | None = None
    caption_length: int | None = None
    rate: int | None = None
    ends: np.ndarray | None = None
    merges: str | None = None


def checked(raw: Raw, as_levels: bool = False, as_counts: bool = False, missing: bool = False) -> Raw:
    """`raw` with its form settled, its values found to agree with it, images channels first and labels int64.

    Errors: no rows, a type that is not numeric, infinity or, unless entries may be `missing`, NaN (at the first row and
    entry), labels that are not whole numbers from 0 up, one for each row.
    """
    raw = _typed(raw)
    low, high, whole = _scan(raw, missing)
    if missing and raw.form is None and not (whole and low >= 0 and high <= 1):
        raw = replace(raw, form="real")
    if raw.form is None:
        raw = _inferred(raw, low, high, whole, as_levels, as_counts)
    elif raw.form not in ("real", "mixed") and (low < 0 or high > raw.top):
        raise JensenError(f"{raw.name}: values in [{low:g}, {high:g}], expected [0, {raw.top}]: get the file again")
    return _labelled(_channels_first(raw))


def _typed(raw: Raw) -> Raw:
    x = raw.x
    if x.ndim == 0 or x.size == 0:
        raise JensenError(f"{raw.name}: no rows (shape {x.shape}): give at least one example, rows first")
    if x.dtype == object:
        raise JensenError(f"{raw.name}: examples of unequal length, or no numbers: cut them to one length")
    if x.dtype.kind not in "biuf":
        raise JensenError(f"{raw.name}: values of type {x.dtype}, expected numbers: convert them to floats or integers")
    return replace(raw, x=x[:, None]) if x.ndim == 1 else raw


def _scan(raw: Raw, missing: bool) -> tuple[float, float, bool]:
    """The smallest and largest value, and whether all are whole numbers."""
    low, high, whole = np.inf, -np.inf, True
    for part in chunks(len(raw.x), raw.x[0].size):
        values = np.asarray(raw.x[part])
        if values.dtype.kind == "f":
            expected = np.isfinite(values) | (missing & np.isnan(values))
            if not expected.all():
                row, *entry = np.argwhere(~expected)[0]
                found = str(values[row, *entry])
                raise JensenError(_not_finite(raw, part.start + int(row), [int(i) for i in entry], found))
            values = values[~np.isnan(values)] if missing else values
            whole = whole and bool((values == np.floor(values)).all())
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low > high:
        raise JensenError(f"{raw.name}: every entry is missing: give rows with values")
    return low, high, whole


def _not_finite(raw: Raw, row: int, entry: list[int], value: str) -> str:
    if raw.columns is not None:
        where = f"column '{raw.columns[entry[0]]}'"
    else:
        where = "entry " + (str(entry[0]) if len(entry) == 1 else f"({', '.join(str(i) for i in entry)})")
    keep = ", or keep them with missing=true" if value == "nan" else " before loading"
    return f"{raw.name}: {value} at row {row} (counted from 0), {where}: drop such rows, fill them in{keep}"


def _inferred(raw: Raw, low: float, high: float, whole: bool, as_levels: bool, as_counts: bool) -> Raw:
    x, table = raw.x, raw.columns is not None
    if as_counts:
        if not whole or low < 0 or high > LARGEST_COUNT:
            raise JensenError(
                f"{raw.name}: as_counts needs whole numbers from 0 to {LARGEST_COUNT:,}, got "
                f"{'values' if whole else 'fractions'} in [{low:g}, {high:g}]: leave as_counts out"
            )
        return replace(raw, form="counts")
    if as_levels and (table or x.dtype != np.uint8):
        if not whole or low < 0 or high >= 2**31:
            raise JensenError(f"{raw.name}: as_levels needs whole numbers from 0 up, got values in [{low:g}, {high:g}]")
        return replace(raw, x=x if x.dtype.kind in "iu" else x.astype(np.int32), form="levels", top=int(high))
    if whole and low >= 0 and high <= 1 and not as_levels:
        return replace(raw, form="bits")
    if x.dtype == np.uint8 and not table:
        return replace(raw, form="grey", top=255)
    if x.dtype.kind == "f" and not table and low >= 0 and high <= 1:
        return replace(raw, form="grey", top=1)
    return replace(raw, form="real")


def _channels_first(raw: Raw) -> Raw:
    # Images are channels first. Only pixels are touched: a real (N, time, channel) array keeps its axes.
    x = raw.x
    if raw.form in ("real", "levels", "counts", "mixed") or raw.columns is not None:
        return raw
    if x.ndim == 3:
        return replace(raw, x=x[:, None])
    if x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        return replace(raw, x=np.moveaxis(x, 3, 1))
    return raw


def _labelled(raw: Raw) -> Raw:
    if raw.y is None:
        return raw
    y = np.asarray(raw.y)
    if y.dtype.kind == "U" and y.shape == (len(raw.x),):
        y = encoded(y.tolist())
        return replace(raw, y=y, caption_length=y.shape[1])
    if y.ndim == 2 and len(y) == len(raw.x) and y.dtype.kind in "biuf":
        if not np.isfinite(y).all():
            raise JensenError(
                f"{raw.name}: y is not finite at row {np.argwhere(~np.isfinite(y))[0][0]}: drop such rows"
            )
        names = raw.conditions or tuple(f"y{place}" for place in range(y.shape[1]))
        return replace(raw, y=y.astype(np.float32), conditions=names)
    if y.shape != (len(raw.x),):
        raise JensenError(
            f"{raw.name}: labels of shape {y.shape} for {len(raw.x)} rows: give one integer for each row, "
            "numbers (rows, columns) that x is given, or a text for each"
        )
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all())
    if not whole or y.min() < 0:
        row = int(np.argmax(~((y >= 0) & (y == np.floor(y))))) if y.dtype.kind in "iuf" else 0
        raise JensenError(
            f"{raw.name}: label {y[row]!r} at row {row}: labels are whole numbers 0, 1, ...: encode them so"
        )
    count = len(raw.classes) if raw.classes is not None else int(y.max()) + 1
    return replace(raw, y=y.astype(np.int64), num_classes=raw.num_classes or count)
