"""Levels 0, 1, ..., L - 1: categories, and the 256 intensities of an 8-bit image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Independent

from jensen.distributions.discretised_logistic import DiscretisedLogistic as DiscretisedLogisticDistribution
from jensen.distributions.levels import Levels
from jensen.models.latent.likelihoods.base import Likelihood

# Of the discretised logistic, with intensities scaled to [-1, 1]: as its authors had it.
LEAST_LOG_SCALE = -7.0


class Categorical(Likelihood):
    """p(x | z) = prod_d softmax(f_d(z))[x_d], with logits for each of the L levels.

    Args:
        net: (..., Z) -> (..., D L).
        event_shape: the shape of x; its product is D.
        levels: L.
        start_from_data: whether `initialize` does anything.
    """

    def __init__(self, net: nn.Module, event_shape: Sequence[int], levels: int, start_from_data: bool = False) -> None:
        super().__init__(net, event_shape, start_from_data)
        self.per_entry = self.levels = levels

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of the logits (..., D L)."""
        logits = outputs.unflatten(-1, (*self.event_shape, self.levels))
        return Independent(Levels(logits=logits, validate_args=False), len(self.event_shape), validate_args=False)

    def start(self, x: Int[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The log of how often each level was seen in each entry, and half a time more."""
        flat = x.flatten(1)
        dims = flat.shape[1]
        places = flat + self.levels * torch.arange(dims, device=x.device)
        seen = torch.bincount(places.flatten(), minlength=dims * self.levels)
        return ((seen + 0.5) / (len(flat) + 0.5 * self.levels)).log()


class DiscretisedLogistic(Likelihood):
    """p(x | z) = prod_d P(x_d), a logistic distribution cut at the half-way points (Salimans et al. 2017).

    With intensities scaled to [-1, 1] the network gives its location and the log of its scale, which is at least -7.

    Args:
        net: (..., Z) -> (..., 2 D), location and log-scale of each entry.
        event_shape: the shape of x; its product is D.
        levels: L.
        start_from_data: whether `initialize` does anything.
    """

    per_entry = 2

    def __init__(
        self, net: nn.Module, event_shape: Sequence[int], levels: int = 256, start_from_data: bool = False
    ) -> None:
        super().__init__(net, event_shape, start_from_data)
        self.levels = levels
        self.half_range = (levels - 1) / 2

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Independent:
        """Of location and log-scale (..., 2 D)."""
        loc, log_scale = self.entries(outputs)
        scale = self.half_range * log_scale.clamp_min(LEAST_LOG_SCALE).exp()
        law = DiscretisedLogisticDistribution(self.half_range * (loc + 1), scale, self.levels)
        return Independent(law, len(self.event_shape), validate_args=False)

    def start(self, x: Int[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The data's mean and spread in each entry: a logistic's standard deviation is pi / sqrt 3 of its scale."""
        flat = x.flatten(1).float() / self.half_range - 1
        log_scale = (flat.std(0, correction=0) * math.sqrt(3) / math.pi).log()
        return torch.stack([flat.mean(0), log_scale.clamp_min(LEAST_LOG_SCALE + 1)], -1).flatten()
