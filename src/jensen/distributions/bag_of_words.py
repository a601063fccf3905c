"""Counts of the words of a document."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints


class BagOfWords(Distribution):
    """Counts x (V,): as many words N as `length` draws, each of them word v with probability p_v.

    log P(x) = log P(N) + log N! - Σ_v log x_v! + Σ_v x_v log p_v, N = Σ_v x_v.

    Args:
        probs: p (..., V), rows that sum to 1.
        length: of N, batch_shape ().
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol
    support = constraints.independent(constraints.nonnegative_integer, 1)

    def __init__(self, probs: Float[Tensor, "*batch words"], length: Distribution) -> None:
        self.probs, self.length = probs, length
        super().__init__(probs.shape[:-1], probs.shape[-1:], validate_args=False)

    def log_prob(self, value: Float[Tensor, "*shape words"]) -> Float[Tensor, "*found"]:
        """(..., V) -> (...), nats."""
        total = value.sum(-1)
        orders = (total + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return self.length.log_prob(total) + orders + value.xlogy(self.probs).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Floating point counts, (*sample_shape, *batch_shape, V)."""
        shape = self._extended_shape(torch.Size(sample_shape))
        probs = self.probs.expand(shape).reshape(-1, shape[-1])
        totals = self.length.sample(torch.Size([len(probs)])).long()
        most = max(int(totals.max()), 1)
        words = torch.multinomial(probs, most, replacement=True)
        kept = torch.arange(most, device=probs.device) < totals[:, None]
        return torch.zeros_like(probs).scatter_add_(1, words, kept.to(probs)).view(shape)

    @property
    def mean(self) -> Tensor:
        """E N p, (..., V)."""
        return self.length.mean * self.probs
