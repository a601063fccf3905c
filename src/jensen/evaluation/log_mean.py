"""The mean of weights whose logarithms arrive in chunks, and how large a chunk is."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.inference.estimate import Estimate

# Entries of x scored at once, over draws and examples: a megabyte or two of logits, which stay in the cache of a CPU.
CPU_ENTRIES = 2**19
GPU_ENTRIES = 2**28


class LogMean:
    """log of a mean of weights, its standard error and the effective sample size, in constant memory."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.count = 0
        self.first = torch.full((batch,), -torch.inf, dtype=torch.float64, device=device)  # log sum w
        self.second = torch.full((batch,), -torch.inf, dtype=torch.float64, device=device)  # log sum w^2

    def add(self, log_weights: Float[Tensor, "chunk batch"]) -> None:
        """A chunk of log-weights (K, B)."""
        self.count += len(log_weights)
        largest = log_weights.amax(0).clamp_min(torch.finfo(torch.float64).min)  # finite where all weights are 0
        weights = (log_weights - largest).exp_()
        self.first = torch.logaddexp(self.first, largest + weights.sum(0).log_())
        self.second = torch.logaddexp(self.second, 2 * largest + weights.square_().sum(0).log_())

    def estimate(self) -> Estimate:
        """log mean w, and sd(w) / (mean(w) sqrt(K)), each (B,)."""
        k = self.count
        value = self.first - math.log(k)
        if k == 1:
            return Estimate(value, torch.full_like(value, torch.nan))
        relative = (self.second - 2 * self.first).exp() * k - 1  # E w^2 / (E w)^2 - 1
        return Estimate(value, (relative.clamp_min(0) / (k - 1)).sqrt())

    def effective_sample_size(self) -> Float[Tensor, "batch"]:
        """(sum w)^2 / sum w^2, between 1 and K (Kong 1992); 0 where all weights are."""
        return (2 * self.first - self.second).exp().nan_to_num(0.0)


def samples_at_once(x: Tensor) -> int:
    """How many draws of a batch are scored together."""
    return max(1, (CPU_ENTRIES if x.device.type == "cpu" else GPU_ENTRIES) // x.numel())
