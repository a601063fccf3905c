"""A game between players that one of them has won outright, said in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jensen.models.base import Warns

SETTLED = 500  # steps for which it has to stand: early in training a discriminator often wins for a while
GAME = "game"  # the part of such a row of metrics.jsonl


def lost_game(model: Warns, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """A row of metrics.jsonl with the model's own words, where it has had some for each of the last 500 steps.

    A function of the rows, so that a resumed run says the same.

    Args:
        model: asked of each row of training.
        rows: of metrics.jsonl so far.
    """
    words: str | None = None
    last = rows[-1]["step"]
    for row in reversed(rows):
        if row["part"] != "train":
            continue
        if row["step"] <= last - SETTLED:
            break
        said = model.warning({name: value for name, value in row.items() if name not in ("step", "part")})
        if said is None:
            return None
        words = words or said
    return {"step": last, "part": GAME, "warning": words} if words is not None and last >= SETTLED else None
