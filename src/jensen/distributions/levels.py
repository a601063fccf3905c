"""Numbered categories."""

from __future__ import annotations

from torch import Tensor, arange
from torch.distributions import Categorical


class Levels(Categorical):
    """torch's Categorical over 0, 1, ..., L - 1, whose mean and variance are those of the number.

    They mean something where the levels are intensities, as the 256 of an 8-bit image are.

    >>> from torch import zeros
    >>> Levels(logits=zeros(3)).mean
    tensor(1.)
    """

    @property
    def mean(self) -> Tensor:
        """sum_k k P(k)."""
        return self.probs @ self._numbers()

    @property
    def variance(self) -> Tensor:
        """sum_k k^2 P(k) - mean^2."""
        return self.probs @ self._numbers().square() - self.mean.square()

    def _numbers(self) -> Tensor:
        return arange(self.probs.shape[-1], dtype=self.probs.dtype, device=self.probs.device)
