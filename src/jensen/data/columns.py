"""Tables whose columns are of several kinds: what each column is, and its values as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl

from jensen.data.raw import LARGEST_COUNT
from jensen.data.spec import Column, ColumnKind
from jensen.errors import JensenError, unknown

# More than so many different values are names of rows rather than categories.
MOST_CATEGORIES = 256


def asked(columns: str, names: list[str]) -> dict[str, Column]:
    """The columns of "mixed,NAME=KIND,..."; a KIND may list the categories themselves, "yes|no"."""
    first, *rest = columns.split(",")
    if first.strip() != "mixed":
        raise unknown("value of columns", first, ("mixed", "mixed,NAME=KIND,..."))
    kinds: dict[str, Column] = {}
    for item in rest:
        name, equals, kind = (part.strip() for part in item.rpartition("="))
        if "|" in item:  # a category may have a sign of equality in it
            name, equals, kind = (part.strip() for part in item.partition("="))
        if not equals:
            raise JensenError(f"columns takes mixed,NAME=KIND,..., got '{item.strip()}': KIND is {_either()}")
        if name not in names:
            raise unknown("column", name, names)
        if "|" in kind:
            kinds[name] = Column("categorical", tuple(map(_name, kind.split("|"))))
        elif kind not in get_args(ColumnKind):
            raise unknown("kind of a column", kind, get_args(ColumnKind))
        else:
            kinds[name] = Column(kind)  # type: ignore[arg-type]
    return kinds


def encoded(
    path: Path, frame: pl.DataFrame, columns: str | Mapping[str, Column]
) -> tuple[np.ndarray, tuple[Column, ...]]:
    """The table as float64 (N, D) and what each column is; `columns` says so in words, or as it was found before.

    Errors: a value that its column's kind does not have, or a column of more than 256 categories.
    """
    known = columns if isinstance(columns, Mapping) else asked(columns, frame.columns)
    values, types = [], []
    for series in frame:
        column = known.get(series.name) or Column(_looks_like(path, series))
        if column.kind == "categorical":
            column, codes = _categories(path, series, column)
            values.append(codes)
        else:
            values.append(_numbers(path, series, column.kind))
        types.append(column)
    return np.stack(values, 1).astype(np.float64), tuple(types)


def _looks_like(path: Path, series: pl.Series) -> ColumnKind:
    numbers = series.cast(pl.Float64, strict=False)
    missing = numbers.null_count()
    if missing:
        if 2 * missing < len(numbers):
            row = int(numbers.is_null().arg_max() or 0)
            raise JensenError(
                f"{path}: column '{series.name}' holds the text '{series[row]}' at row {row} (counted from 0) and "
                f"numbers elsewhere: mend it, or say columns=mixed,{series.name}=categorical"
            )
        return "categorical"
    values = numbers.unique().to_numpy()
    if len(values) == 2:
        return "binary" if set(values.tolist()) == {0.0, 1.0} else "categorical"
    return "count" if _whole(values).all() else "real"


def _whole(values: np.ndarray) -> np.ndarray:
    return (values >= 0) & (values <= LARGEST_COUNT) & (values == np.floor(values))


def _numbers(path: Path, series: pl.Series, kind: ColumnKind) -> np.ndarray:
    numbers = series.cast(pl.Float64, strict=False)
    values = numbers.fill_null(np.nan).to_numpy()
    fits = {
        "real": ~numbers.is_null().to_numpy(),
        "binary": (values == 0) | (values == 1),
        "count": _whole(values),
    }[kind]
    if not fits.all():
        row = int(np.argmin(fits))
        said = {"real": "a number", "binary": "0 or 1", "count": "a whole number from 0 up"}[kind]
        other = "categorical" if numbers[row] is None else "real"
        raise JensenError(
            f"{path}: column '{series.name}' is {kind} and holds '{series[row]}' at row {row} (counted from 0), "
            f"expected {said}: mend it, or say columns=mixed,{series.name}={other}"
        )
    return values


def _categories(path: Path, series: pl.Series, column: Column) -> tuple[Column, np.ndarray]:
    texts, codes = np.unique(series.to_numpy().astype(str), return_inverse=True)
    names = [_name(text) for text in texts.tolist()]
    categories = column.categories or tuple(sorted(set(names), key=_order))
    strange = sorted(set(names) - set(categories))
    if strange:
        raise JensenError(
            f"{path}: column '{series.name}' holds '{strange[0]}', which is none of its categories "
            f"({', '.join(categories)}): mend it, or leave such rows out"
        )
    if len(categories) > MOST_CATEGORIES:
        raise JensenError(
            f"{path}: column '{series.name}' holds {len(categories):,} different values, expected at most "
            f"{MOST_CATEGORIES} categories: drop the column"
        )
    return Column("categorical", categories), np.array([categories.index(name) for name in names])[codes]


def _name(text: str) -> str:
    """5, 5.0 and 5.00 are one category."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return np.inf, name


def _either() -> str:
    return ", ".join(get_args(ColumnKind))
