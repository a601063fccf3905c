"""Readers of tables: .csv, .tsv, .parquet. Imported where used, for it imports polars."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from jensen.data.columns import encoded
from jensen.data.raw import Raw
from jensen.data.spec import Column
from jensen.errors import JensenError, unknown

# Cells that say that nothing was measured.
ABSENT = ("", "NA", "?")
_GAPS = "fill it in, drop such rows, or keep them with missing=true"


def read_table(
    path: Path,
    target: str | None,
    target_required: bool,
    columns: str | Mapping[str, Column] | None = None,
    missing: bool = False,
) -> Raw:
    """The columns of a table as float64, and its labels where `target` names their column.

    Labels that are text become 0, 1, ... in the order of their names. `columns` is None where every column is a
    number, and otherwise as `jensen.data.columns.encoded` takes it. Where cells may be `missing`, those become NaN.

    Errors: a missing header, ragged rows (which line), text or nothing where a number is expected (which column and
    line), an unknown target.
    """
    if path.suffix.lower() == ".parquet":
        frame = _read_parquet(path)
    else:
        frame = _read_separated(path, target, target_required, columns is not None, missing)
    y, classes = None, None
    if target is not None and target in frame.columns:
        y, classes = _labels(path, frame[target])
        frame = frame.drop(target)
    elif target is not None and target_required:
        raise unknown(f"target in {path.name}: column", target, frame.columns)
    if frame.width == 0:
        raise JensenError(f"{path}: no columns besides the target: give at least one")
    names = tuple(frame.columns)
    if columns is None:
        return Raw(_numbers(path, frame, missing), path.name, y, columns=names, classes=classes)
    x, types = encoded(path, _texts(path, frame), columns)
    return Raw(x, path.name, y, "mixed", columns=names, classes=classes, types=types)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise JensenError(f"{path}: not a complete parquet file: write it again") from error


def _read_separated(path: Path, target: str | None, target_required: bool, mixed: bool, missing: bool) -> pl.DataFrame:
    separator = _separator(path)
    header = _header(path, separator)
    if target is not None and target_required and target not in header:
        raise unknown(f"target in {path.name}: column", target, header)
    try:
        frame = pl.read_csv(path, separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        _explain(path, separator, target, mixed, missing)
        raise JensenError(f"{path}: not a table that can be read: check for stray quotes or odd characters") from error
    cells = pl.exclude(target or "").str.strip_chars()
    # An empty cell is null in both.
    frame = frame.with_columns(cells.replace("", None) if mixed else cells.cast(pl.Float64, strict=False))
    if missing:
        frame = frame.with_columns(pl.exclude(target or "").fill_nan(None))
    if frame.height == 0 or any(column.null_count() for column in frame):
        _explain(path, separator, target, mixed, missing)
        # Nothing wrong but blank lines, and cells that may be missing.
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    return max(",;\t", key=first.count) if path.suffix.lower() == ".csv" else "\t"


def _header(path: Path, separator: str) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file, delimiter=separator), [])
    if all(_is_number(name) for name in header):
        raise JensenError(
            f"{path}: no header: the first line is all numbers ({separator.join(header[:3])} ...): "
            "put the names of the columns in a first line"
        )
    doubled = next((name for name in header if header.count(name) > 1), None)
    if doubled is not None:
        raise JensenError(f"{path}: two columns are named '{doubled}': give each its own name")
    return header


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _explain(path: Path, separator: str, target: str | None, mixed: bool, missing: bool) -> None:
    """Raises what is wrong with the first line that is; lines are counted from 1, as an editor counts them."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=separator)
        header = next(lines)
        count = 0
        for cells in lines:
            if not cells:
                continue
            count += 1
            if len(cells) != len(header):
                raise JensenError(
                    f"{path}: line {lines.line_num} has {len(cells)} fields, the header has {len(header)}: "
                    "make all lines of one length"
                )
            for name, cell in zip(header, cells, strict=True):
                fine = cell.strip() in ABSENT if missing else mixed and cell.strip()
                if name != target and not _is_number(cell) and not fine:
                    raise JensenError(_not_a_number(path, lines.line_num, name, cell))
        if count == 0:
            raise JensenError(f"{path}: a header and no rows: give at least one row")


def _not_a_number(path: Path, line: int, name: str, cell: str) -> str:
    if not cell.strip():
        return f"{path}: column '{name}' is empty at line {line}: {_GAPS}"
    return (
        f"{path}: column '{name}' holds the text '{cell}' at line {line}, expected a number with a decimal point: "
        f"drop the column, make it the labels with target='{name}', or say columns=mixed"
    )


def _labels(path: Path, column: pl.Series) -> tuple[np.ndarray, tuple[str, ...] | None]:
    if column.null_count():
        raise JensenError(
            f"{path}: the target '{column.name}' is empty at row {column.is_null().arg_max()}: fill it in"
        )
    if column.dtype == pl.String and column.cast(pl.Float64, strict=False).null_count():
        names, codes = np.unique(column.to_numpy().astype(str), return_inverse=True)
        return codes, tuple(names.tolist())
    return column.cast(pl.Float64).to_numpy(), None


def _numbers(path: Path, frame: pl.DataFrame, missing: bool) -> np.ndarray:
    for column in frame:
        if not (column.dtype.is_numeric() or column.dtype == bool):
            raise JensenError(
                f"{path}: column '{column.name}' is of type {column.dtype}, expected numbers: drop the column, make "
                f"it the labels with target='{column.name}', or say columns=mixed"
            )
        if not missing:
            _not_empty(path, column)
    # What is null becomes NaN.
    return frame.cast(pl.Float64).to_numpy(order="c")


def _texts(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    for column in frame:
        if column.dtype.is_nested() or column.dtype.is_temporal():
            raise JensenError(f"{path}: column '{column.name}' is of type {column.dtype}: drop the column")
        _not_empty(path, column)
    return frame.cast({pl.Boolean: pl.UInt8}).cast(pl.String)


def _not_empty(path: Path, column: pl.Series) -> None:
    if column.null_count():
        raise JensenError(
            f"{path}: column '{column.name}' is empty at row {column.is_null().arg_max()} (counted from 0): {_GAPS}"
        )
