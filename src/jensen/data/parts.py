"""Which rows are for training, validation and test."""

from __future__ import annotations

import math

import numpy as np

from jensen.data.raw import Raw
from jensen.errors import JensenError


def rows_of_parts(
    raw: Raw, validation: int | float | None, test: int | float | None, seed: int, shuffled: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of train, validation and test, ascending where they were drawn.

    Args:
        raw: where it has parts of its own, `validation` is the end of those two that are not test.
        validation, test: how many rows, or which part of them; None is a tenth, or the set's own.
        seed: of the order of the rows.
        shuffled: else the parts are blocks, train first and test last.
    """
    if raw.parts is None:
        total = len(raw.x)
        order = np.random.default_rng(seed).permutation(total) if shuffled else np.arange(total)[::-1]
        num_test = _count("test", 0.1 if test is None else test, total)
        num_validation = _count("validation", 0.1 if validation is None else validation, total)
        kept = order[num_test + num_validation :]
        parts = np.sort(kept), np.sort(order[num_test : num_test + num_validation]), np.sort(order[:num_test])
    elif test is not None:
        raise JensenError(f"{raw.name} has a test part of its own: leave test out (Dataset.subset takes a part of it)")
    elif validation is None:
        parts = raw.parts
    else:
        pool = np.concatenate(raw.parts[:2])
        cut = len(pool) - _count("validation", validation, len(pool))
        parts = pool[: max(cut, 0)], pool[max(cut, 0) :], raw.parts[2]
    if len(parts[0]) == 0:
        raise JensenError(
            f"{raw.name}: {len(raw.x)} rows leave none for training: make validation and test smaller (0 is allowed)"
        )
    return parts


def _count(what: str, asked: int | float, total: int) -> int:
    if isinstance(asked, float) and 0 <= asked < 1:
        return math.ceil(asked * total)
    if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 0:
        return asked
    raise JensenError(f"{what}={asked!r}: expected a number of rows (0, 1, 2, ...) or a part of them (0 <= part < 1)")
