"""What comes with x: numbers that it is given, and labels that only some examples have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jensen.data.raw import Raw
from jensen.errors import JensenError, unknown

UNLABELLED = -1


def with_conditions(raw: Raw, condition: str | None) -> Raw:
    """The columns named in `condition`, separated by commas, are y: what x, the other columns, is given."""
    if condition is None:
        return raw
    if raw.columns is None:
        raise JensenError(f"{raw.name}: condition='{condition}' names columns of a table: leave it out")
    if raw.y is not None:
        raise JensenError(f"{raw.name}: target and condition exclude each other: choose one of them")
    names = tuple(name.strip() for name in condition.split(",") if name.strip())
    for name in names:
        if name not in raw.columns:
            raise unknown(f"condition in {raw.name}: column", name, raw.columns)
    if raw.types is not None:
        kinds = dict(zip(raw.columns, raw.types, strict=True))
        words = next((name for name in names if kinds[name].kind == "categorical"), None)
        if words is not None:
            raise JensenError(
                f"{raw.name}: column '{words}' holds words, and a condition is of numbers: make it target"
            )
    kept = [place for place, name in enumerate(raw.columns) if name not in names]
    if not kept:
        raise JensenError(f"{raw.name}: no columns besides the condition: leave at least one to be modelled")
    return replace(
        raw,
        x=raw.x[:, kept],
        y=raw.x[:, [raw.columns.index(name) for name in names]],
        columns=tuple(raw.columns[place] for place in kept),
        types=None if raw.types is None else tuple(raw.types[place] for place in kept),
        conditions=names,
    )


def keep_labels(name: str, y: np.ndarray | None, num_classes: int | None, labelled: int, seed: int) -> np.ndarray:
    """y with `labelled` labels left, equally many of each class, and UNLABELLED elsewhere.

    Which are left is a function of the labels and the seed.
    """
    if y is None or num_classes is None:
        raise JensenError(f"{name}: labelled={labelled} needs data with labels, and these have none: leave it out")
    if labelled < num_classes or labelled % num_classes:
        raise JensenError(
            f"{name}: labelled={labelled} gives the {num_classes} classes no equal share: choose a multiple of "
            f"{num_classes}"
        )
    share, random = labelled // num_classes, np.random.default_rng(seed)
    kept = np.full_like(y, UNLABELLED)
    for label in range(num_classes):
        rows = np.flatnonzero(y == label)
        if len(rows) < share:
            raise JensenError(
                f"{name}: {len(rows)} training examples of class {label}, labelled={labelled} needs {share} of each: "
                f"choose labelled={max(len(rows), 1) * num_classes} or less"
            )
        rows = random.choice(rows, share, replace=False)
        kept[rows] = label
    return kept
