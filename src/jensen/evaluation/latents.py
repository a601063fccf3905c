"""What the latents of a model do."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.training.collapse import ACTIVE_VARIANCE


class ActiveUnits:
    """Dimensions of z that depend on x: Var_x(E[z | x]) > 0.01 (Burda, Grosse & Salakhutdinov 2016), in batches."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = torch.zeros(())
        self._squares = torch.zeros(())

    def add(self, posterior_mean: Float[Tensor, "batch latent"]) -> None:
        """E[z | x] of a batch of examples (B, Z)."""
        values = posterior_mean.double()
        count, mean = len(values), values.mean(0)
        shift = mean - self._mean
        total = self._count + count
        spread = (values - mean).square().sum(0)
        self._squares = self._squares + spread + shift.square() * (self._count * count / total)
        self._mean = self._mean + shift * (count / total)
        self._count = total

    def variances(self) -> Float[Tensor, "latent"]:
        """Var_x(E[z | x]) of each dimension (Z,)."""
        return self._squares / max(self._count - 1, 1)

    def count(self) -> int:
        """How many dimensions are active."""
        return int((self.variances() > ACTIVE_VARIANCE).sum())
