"""Text that a model draws, as text, and a prompt as the tokens that it begins with."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from jensen.data import Spec
from jensen.data.text import Tokeniser
from jensen.errors import JensenError

RULE = "-" * 80


def texts_of(x: Int64[Tensor, "samples tokens"], spec: Spec) -> list[str]:
    """The text of each; what is no UTF-8, such as a character cut in two by a window's end, shows as U+FFFD."""
    tokeniser = Tokeniser(spec.merges or "")
    return [tokeniser.decode(tokens.numpy()).decode(errors="replace") for tokens in x.cpu()]


def one_after_another(texts: list[str]) -> str:
    """With a line of dashes between them."""
    return f"\n{RULE}\n".join(texts) + "\n"


def known_tokens(prompt: str, spec: Spec) -> Float64[Tensor, "tokens"]:
    """The tokens of a prompt, and NaN where the model is to go on.

    Raises:
        JensenError: where x is no text, or the prompt is none in UTF-8, empty, or longer than the model's context.
    """
    if spec.merges is None:
        raise JensenError("--prompt is the beginning of a text, and this model is of none: leave it out")
    try:
        tokens = Tokeniser(spec.merges).encode(prompt.encode())
    except UnicodeEncodeError as error:
        raise JensenError("the prompt is no UTF-8: give it in the terminal's own encoding, as UTF-8") from error
    (length,) = spec.event_shape
    if not 0 < len(tokens) <= length:
        raise JensenError(
            f"the prompt has {len(tokens)} tokens, the model is of 1 to {length}: give its end alone, or fit with "
            "a larger window"
        )
    known = torch.full((length,), math.nan, dtype=torch.float64)
    known[: len(tokens)] = torch.from_numpy(tokens).double()
    return known
