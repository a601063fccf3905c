"""Which kind of x the stored values become under the options of `load`, and which options do not go with them."""

from __future__ import annotations

from typing import cast

from jensen.data.raw import Raw
from jensen.data.spec import Kind
from jensen.errors import JensenError


def kind_of(
    raw: Raw, binarize: str, dequantize: bool, standardize: bool, as_levels: bool, as_counts: bool
) -> tuple[Kind, str]:
    """The kind of x and what was done to it that cannot be undone."""
    if binarize != "none":
        if raw.form != "grey":
            raise JensenError(
                f"{raw.name}: binarize='{binarize}' needs grey values (8-bit, or real in [0, 1]), got "
                f"{_in_words(raw)}: leave binarize out"
            )
        kind, treatment = "binary", f"{binarize} binarisation"
    elif dequantize:
        if raw.form != "grey" or raw.top == 1:
            raise JensenError(
                f"{raw.name}: dequantize needs 8-bit values (uint8), got {_in_words(raw)}: leave dequantize out"
            )
        kind, treatment = "real", "dequantised"
    elif (as_levels and raw.form != "levels") or (as_counts and raw.form != "counts"):
        name = "as_levels" if as_levels else "as_counts"
        if raw.form != "grey" or raw.top == 1:
            raise JensenError(f"{raw.name}: {name} needs whole numbers, got {_in_words(raw)}: leave {name} out")
        kind, treatment = "count" if as_counts else "8-bit" if raw.top == 255 else "categorical", raw.treatment
    elif standardize and raw.form == "grey" and raw.top == 1:
        kind, treatment = "real", raw.treatment
    else:
        assert raw.form is not None
        kinds = {
            "bits": "binary",
            "grey": "unit",
            "levels": "categorical" if raw.rate is None else "8-bit",
            "real": "real",
            "counts": "count",
            "mixed": "mixed",
        }
        kind, treatment = kinds[raw.form], raw.treatment
    if standardize and kind not in ("real", "mixed"):
        remedy = "dequantize=True makes it so" if raw.form == "grey" else "leave standardize out"
        raise JensenError(f"{raw.name}: standardize needs real values, got {_in_words(raw)}: {remedy}")
    return cast(Kind, kind), treatment


def _in_words(raw: Raw) -> str:
    words = {
        "bits": "bits",
        "levels": "categories",
        "real": "real values",
        "grey": f"grey values in [0, {raw.top}]",
        "counts": "counts",
        "mixed": "columns of mixed type",
    }
    assert raw.form is not None
    return words[raw.form]
