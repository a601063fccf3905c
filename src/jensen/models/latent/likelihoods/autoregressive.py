"""Bits, each given z and those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.distributions.autoregressive import AutoregressiveBernoulli, Layers, masks
from jensen.errors import JensenError
from jensen.models.latent.likelihoods.base import Likelihood
from jensen.nets.masked import MaskedLinear


class Autoregressive(Likelihood):
    """p(x | z) = prod_i Bernoulli(x_i; sigmoid(l_i(x_<i, z))): MADE given z (Germain et al. 2015).

    l = d + A x + V relu(b + M relu(W x + U f(z) + c)), masked so that l_i sees x_<i alone, and z through the first
    layer. Such a likelihood models x well without z, and then q(z | x) collapses onto the prior (Bowman et al. 2016;
    Chen et al. 2017): set `kl_warmup` or `free_bits`. x is drawn entry by entry, at the cost of one density. E[x | z]
    has no formula: `mean` is an average over 16 draws.

    Args:
        net: (..., Z) -> (..., D), f.
        event_shape: the shape of x; its product is D, and x is flattened in raster order.
        units: of each of the two hidden layers.
        start_from_data: whether `initialize` does anything.
    """

    def __init__(
        self, net: nn.Module, event_shape: Sequence[int], units: int = 500, start_from_data: bool = False
    ) -> None:
        super().__init__(net, event_shape, start_from_data)
        if units < 1:
            raise JensenError(f"autoregressive_units must be at least 1, got {units}")
        dims = math.prod(event_shape)
        allowed = masks(dims, units)
        self.context = nn.Linear(dims, units)
        self.inward, self.middle = MaskedLinear(allowed.inward, bias=False), MaskedLinear(allowed.middle)
        self.outward, self.direct = MaskedLinear(allowed.outward), MaskedLinear(allowed.direct, bias=False)

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> AutoregressiveBernoulli:
        """Of f(z) (..., D)."""
        weights = (layer.mask * layer.weight for layer in (self.inward, self.middle, self.outward, self.direct))
        return AutoregressiveBernoulli(
            self.context(outputs), Layers(*weights), self.middle.bias, self.outward.bias, self.event_shape
        )

    def start(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """Zeros: it is d that is set, to the data's log-odds."""
        chances = x.flatten(1).mean(0).clamp(1e-3, 1 - 1e-3)
        self.outward.bias.data.copy_(chances.logit())
        return torch.zeros_like(chances)
