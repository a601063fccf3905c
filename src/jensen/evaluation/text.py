"""Bits per byte of a text, whatever its tokens are."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.data.text import Tokeniser
from jensen.evaluation.results import Kind, Metric


def text_metrics(model: nn.Module, data: Dataset, log_prob: Float[np.ndarray, "windows"]) -> list[Metric]:
    """-log2 p of the windows over the bytes that they stand for: each window by itself, and in context.

    Under byte pairs p(text) is the sum over all ways to write it in tokens, of which p of the tokens is one: the figure
    is then an upper bound.

    Args:
        model: an exact one.
        data: windows of tokens; those of a part lie end to end.
        log_prob: of each window, nats.
    """
    x = data.all().x.cpu()
    tokeniser = Tokeniser(data.spec.merges or "")
    num_bytes = tokeniser.lengths[x.numpy()].sum(1)
    kind: Kind = "upper bound" if tokeniser.merges else "exact"
    metrics = [per_byte("bits_per_byte", log_prob, num_bytes, kind)]
    if _reads_in_order(model):
        metrics.append(per_byte("bits_per_byte_in_context", in_context(model, data), num_bytes, kind))
    return metrics


def per_byte(
    name: str, log_prob: Float[np.ndarray, "windows"], num_bytes: Int64[np.ndarray, "windows"], kind: Kind
) -> Metric:
    """The ratio of sums, in bits, and its standard error over windows by the delta method."""
    bits = -log_prob / math.log(2)
    ratio = bits.sum() / num_bytes.sum()
    residuals = (bits - ratio * num_bytes) / num_bytes.mean()
    error = float(residuals.std(ddof=1)) / math.sqrt(len(bits)) if len(bits) > 1 else None
    return Metric(name, float(ratio), kind, "bits/byte", error)


@torch.no_grad()
def in_context(model: nn.Module, data: Dataset, batch_size: int = 16) -> Float[np.ndarray, "windows"]:
    """log p of each window given what comes before it in the text, as far as the model can look back, (N,) nats.

    A window has T tokens and h = floor(T / 2) of them are its first half. The first half is scored at the end of a
    window of the model's that begins h tokens before it, the rest at the end of the window itself: each token is given
    the T - h to T - 1 tokens before it in the first case, and the h to T - 1 in the second. Where no window precedes,
    as for the first, it is scored by itself. Which tokens a conditional looks back to depends on its place alone, so
    that exp of the sum over consecutive windows is a probability of their tokens: it sums to 1 over all of them.
    """
    half = data.spec.num_dims // 2
    follows = np.diff(data.rows.numpy()) == 1
    values = []
    for start in range(0, len(data), batch_size):
        index = torch.arange(start, min(start + batch_size, len(data)))
        x = data.batch(index).x
        own = _log_probs(model, x)
        before = data.batch((index - 1).clamp_min(0)).x
        moved = _log_probs(model, torch.cat([before[:, half:], x[:, :half]], 1))[:, len(x[0]) - half :]
        has_before = torch.from_numpy(np.insert(follows, 0, False))[index].to(x.device)
        first = torch.where(has_before[:, None], moved, own[:, :half])
        values.append(first.double().sum(1) + own[:, half:].double().sum(1))
    return torch.cat(values).cpu().numpy()


def _reads_in_order(model: nn.Module) -> bool:
    """Whether it gives each token given those before it in the text, and not in another order, or in several."""
    order = getattr(model, "order", torch.empty(0, 0))
    return hasattr(model, "conditionals") and order.dim() == 1 and order.equal(torch.arange(len(order)).to(order))


def _log_probs(model: nn.Module, x: Tensor) -> Float[Tensor, "windows tokens"]:
    return model.conditionals(x).log_prob(x)  # type: ignore[operator]
