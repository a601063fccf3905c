"""Likelihoods p(x | z): modules that return a Distribution when called with z."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.distributions import Independent, Normal

from jensen.distributions.bernoulli import IndependentBernoulli
from jensen.distributions.heads import full_precision


def last_linear(net: nn.Module) -> nn.Linear | None:
    """The network's last linear layer: where a data-dependent start is written."""
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    return linears[-1] if linears else None


class Bernoulli(nn.Module):
    """p(x | z) = prod_d Bernoulli(x_d; sigmoid(f_d(z))).

    On bits this is a probability. On grey values in [0, 1] the same formula is a loss that trains but is no
    likelihood, since it does not sum or integrate to one; `evaluate` reports it as kind `objective`.

    Args:
        net: (..., Z) -> (..., D), the logits.
        event_shape: the shape of x; its product is D.
        start_from_data: whether `initialize` does anything.
    """

    def __init__(self, net: nn.Module, event_shape: Sequence[int], start_from_data: bool = False) -> None:
        super().__init__()
        self.net = net
        self.event_shape = tuple(event_shape)
        self.start_from_data = start_from_data

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Independent:
        """batch_shape (..., B), event_shape of x."""
        logits = full_precision(self.net(z)).unflatten(-1, self.event_shape)
        return IndependentBernoulli(
            BernoulliDistribution(logits=logits, validate_args=False), len(self.event_shape), validate_args=False
        )

    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Sets the output bias to the data's log-odds, so that training starts from the best constant."""
        layer = last_linear(self.net)
        if self.start_from_data and layer is not None:
            mean = x.flatten(1).mean(0).clamp(1e-3, 1 - 1e-3)
            layer.bias.data.copy_(mean.logit())


class Gaussian(nn.Module):
    """p(x | z) = prod_d N(x_d; f_d(z), gamma^2), with gamma = 1 or one learned scalar.

    The constant (D/2) log 2 pi gamma^2 is part of the density and is never dropped.

    Args:
        net: (..., Z) -> (..., D), the mean.
        event_shape: the shape of x; its product is D.
        scale: "unit" (gamma = 1) or "learned" (gamma = exp of a parameter).
        start_from_data: whether `initialize` does anything.
    """

    log_scale: Tensor

    def __init__(
        self,
        net: nn.Module,
        event_shape: Sequence[int],
        scale: Literal["unit", "learned"] = "learned",
        start_from_data: bool = False,
    ) -> None:
        super().__init__()
        self.net = net
        self.event_shape = tuple(event_shape)
        self.start_from_data = start_from_data
        if scale == "learned":
            self.log_scale = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("log_scale", torch.zeros(()), persistent=False)

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Independent:
        """batch_shape (..., B), event_shape of x."""
        loc = full_precision(self.net(z)).unflatten(-1, self.event_shape)
        scale = self.log_scale.exp().expand_as(loc)
        return Independent(Normal(loc, scale, validate_args=False), len(self.event_shape), validate_args=False)

    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Sets the output bias to the data's mean, and a learned gamma to the data's spread about it."""
        if not self.start_from_data:
            return
        flat = x.flatten(1)
        layer = last_linear(self.net)
        if layer is not None:
            layer.bias.data.copy_(flat.mean(0))
        if isinstance(self.log_scale, nn.Parameter):
            variance = float(flat.var(0, correction=0).mean())
            self.log_scale.data.fill_(0.5 * math.log(max(variance, 1e-12)))
