"""Captions as numbers: the bytes of a text, and 0 after its end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from jensen.errors import JensenError


def encoded(captions: Sequence[str], length: int | None = None) -> Int64[np.ndarray, "captions bytes"]:
    """The UTF-8 bytes of each caption, (N, L), 0 after its end; L is the longest's where `length` does not say.

    Raises:
        JensenError: a caption longer than that, or one that holds a byte 0.

    >>> encoded(["a 3", ""]).tolist()
    [[97, 32, 51], [0, 0, 0]]
    """
    rows = [np.frombuffer(caption.encode("utf-8", "replace"), np.uint8) for caption in captions]
    longest = max((len(row) for row in rows), default=0)
    if length is not None and longest > length:
        caption = max(captions, key=lambda text: len(text.encode("utf-8", "replace")))
        raise JensenError(
            f"a caption of {longest} bytes, '{caption[:20]}...', and the model's have up to {length}: shorten it"
        )
    found = np.zeros((len(rows), length or max(longest, 1)), np.int64)
    for place, row in enumerate(rows):
        if not row.all():
            raise JensenError(f"caption {place} (counted from 0) holds a byte 0, which ends captions: take it out")
        found[place, : len(row)] = row
    return found


def decoded(y: Tensor | np.ndarray) -> list[str]:
    """The captions that these bytes (N, L) are.

    >>> import torch
    >>> decoded(torch.tensor([[97, 32, 51], [0, 0, 0]]))
    ['a 3', '']
    """
    return [bytes(row).split(b"\0")[0].decode("utf-8", "replace") for row in y.tolist()]
