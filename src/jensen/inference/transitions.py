"""Tables of transition probabilities: checked, and counted from sequences."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jensen.errors import JensenError, unknown

TOLERANCE = 1e-6  # what sums to 1 within this is meant to: single precision, six printed digits


def float64(what: str, values: object) -> Float[Tensor, "..."]:
    """Numbers as a float64 tensor; `what` names them where they are none."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double()
    try:
        return torch.as_tensor(np.array(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise JensenError(f"{what} must be numbers in an array, all rows as long as each other") from None


def checked_table(P: object, symbols: Sequence[Hashable] | None) -> Float[Tensor, "*contexts symbols"]:
    """P in float64, each row divided by its sum.

    Raises:
        JensenError: where it is not S x ... x S, is negative somewhere, or has a row that does not sum to 1.
    """
    table = float64("P", P)
    shape = tuple(table.shape)
    if table.ndim < 2 or len(set(shape)) != 1 or not shape[0]:
        raise JensenError(f"P has one row and one column for each state, (S, S), or (S, S, S) at order 2; got {shape}")
    if symbols is not None and (len(symbols) != shape[0] or len(set(symbols)) != len(symbols)):
        raise JensenError(f"P has {shape[0]} states, and {len(set(symbols))} names for them: give each its own")
    totals = table.sum(-1)
    wrong = ~((table >= 0).all(-1) & ((totals - 1).abs() <= TOLERANCE))
    if wrong.any():
        raise JensenError(_what_is_wrong(table, wrong, symbols))
    return table / totals[..., None]


def _what_is_wrong(table: Tensor, wrong: Tensor, symbols: Sequence[Hashable] | None) -> str:
    context = wrong.nonzero()[0].tolist()
    row = table[tuple(context)]
    name = ", ".join(str(i if symbols is None else symbols[i]) for i in context)
    if not (row >= 0).all():
        return f"row '{name}' of P has the entry {float(row[~(row >= 0)][0]):g}: probabilities are numbers from 0 to 1"
    if table.ndim == 2 and (table >= 0).all() and ((table.sum(0) - 1).abs() <= TOLERANCE).all():
        return "the columns of P sum to 1 and its rows do not: pass P.T, in which P[i, j] is the chance of i -> j"
    return f"row '{name}' of P sums to {float(row.sum()):.6g}, not 1: divide each row by its sum, or find what it lacks"


def places_of(names: Iterable[Hashable], symbols: Sequence[Hashable]) -> Int[Tensor, " steps"]:
    """Where each name stands among the symbols."""
    index = {symbol: place for place, symbol in enumerate(symbols)}
    return torch.tensor([place_of(name, index) for name in names], dtype=torch.long)


def place_of(name: Hashable, index: Mapping[Hashable, int]) -> int:
    """Where a name stands; the error suggests the nearest."""
    if name not in index:
        raise unknown("state", str(name), [str(symbol) for symbol in index])
    return index[name]


def counted_table(
    paths: Sequence[Sequence[Hashable]], order: int, pseudo_count: float | int, symbols: Sequence[Hashable]
) -> Float[Tensor, "*contexts symbols"]:
    """The share of each symbol among those that follow a context of `order` symbols; `pseudo_count` is added to counts.

    Raises:
        JensenError: nothing to count, an unknown state, or a context that nothing follows while nothing is added.
    """
    if order < 1 or pseudo_count < 0:
        raise JensenError(f"order is at least 1 and pseudo_count at least 0; got {order} and {pseudo_count:g}")
    counts = torch.full((len(symbols),) * (order + 1), float(pseudo_count), dtype=torch.float64)
    longer = [path for path in paths if len(path) > order]
    if not longer:
        raise JensenError(f"no sequence is longer than the order, {order}: pass a list of sequences, or a lower order")
    for path in longer:
        steps = places_of(path, symbols).unfold(0, order + 1, 1)
        counts.index_put_(tuple(steps.T), counts.new_ones(len(steps)), accumulate=True)
    totals = counts.sum(-1)
    never = (totals == 0).nonzero().tolist()
    if never:
        context = ", ".join(str(symbols[i]) for i in never[0])
        raise JensenError(
            f"nothing follows '{context}' in the sequences ({len(never)} of {totals.numel()} contexts), so that their "
            "likelihood says nothing of it: pass pseudo_count=1, or a lower order"
        )
    return counts / totals[..., None]
