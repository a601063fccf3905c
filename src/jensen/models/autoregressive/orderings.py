"""Orderings of the entries of x, along which an autoregressive model factorises."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from jensen.errors import JensenError, unknown


def orderings(num_dims: int, ordering: str, count: int = 1, seed: int = 0) -> Int64[Tensor, "count dims"]:
    """Orderings o, (K, D): entry o[k, t] of the flattened x is drawn t-th under the k-th.

    Args:
        num_dims: D.
        ordering: "natural" is raster order, "random" a permutation drawn by the seed, "2,0,1" the one that it spells.
        count: K different draws; more than one only of "random".
        seed: of the draws.

    Raises:
        JensenError: where the ordering is no permutation of the entries.

    >>> orderings(3, "2,0,1")
    tensor([[2, 0, 1]])
    """
    if count < 1 or (count > 1 and ordering != "random"):
        raise JensenError(f"num_orderings={count} needs ordering=random, got '{ordering}'; there is one of any other")
    if ordering == "natural":
        return torch.arange(num_dims)[None]
    if ordering == "random":
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([torch.randperm(num_dims, generator=generator) for _ in range(count)])
    if not any(character.isdigit() for character in ordering):
        raise unknown("ordering", ordering, ("natural", "random"))
    places = [part.strip() for part in ordering.strip("()[] ").split(",")]
    if sorted(places) != sorted(map(str, range(num_dims))):
        raise JensenError(
            f"ordering={ordering} is no permutation of the {num_dims} entries: name each of 0 to {num_dims - 1} once, "
            "or set natural or random"
        )
    return torch.tensor([[int(place) for place in places]])
