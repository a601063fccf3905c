"""Encoders that give a draw z ~ q(z | x), and need no density of it; and the discriminators that judge the draws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision, positive_scale
from jensen.errors import JensenError, unknown
from jensen.nets import MLP, Net, encoder
from jensen.nets.conditional import ConditionalEncoder
from jensen.nets.mlp import activation

Draw = Literal["deterministic", "gaussian", "noise"]

# Numbers that a network other than a dense one says of x; a dense one says as many as its last hidden layer is wide.
FEATURES = 256


class Features(nn.Module):
    """h(x) or h(x, y), (B, H): an encoder's hidden layers, of which heads are then linear functions.

    Args:
        spec: of x.
        net, hidden, nonlinearity: of the encoder; `num_features` H is the width of a dense one's last layer.
        num_conditions: the numbers of y, none without y.
    """

    def __init__(
        self,
        spec: Spec,
        net: Net = "dense",
        hidden: Sequence[int] = (300, 300),
        nonlinearity: str = "elu",
        num_conditions: int = 0,
    ) -> None:
        super().__init__()
        if net == "dense" and not hidden:
            raise JensenError("hidden needs at least one layer, got none: give the widths of the encoder's layers")
        self.num_features, below = (hidden[-1], hidden[:-1]) if net == "dense" else (FEATURES, hidden)
        if num_conditions:
            self.net: nn.Module = ConditionalEncoder(spec, num_conditions, self.num_features, net, below, nonlinearity)
        else:
            self.net = encoder(spec, self.num_features, net, below, nonlinearity)
        self.activation = activation(nonlinearity)

    def forward(self, *inputs: Shaped[Tensor, "..."]) -> Float[Tensor, "batch features"]:
        """x (B, *event), and y (B, Y) where there is one."""
        return self.activation(self.net(*inputs))


class CodeHead(nn.Module):
    """h -> z, one draw of q(z | x).

    Args:
        num_features: H.
        latent_dim: Z.
        draw: "deterministic", z = A h + b; "gaussian", z = mu(h) + sigma(h) eps; "noise", z = g(h, eps) by a network
            with one hidden layer, whose q has no density that could be written down. eps ~ N(0, I).
        nonlinearity: of g.
    """

    def __init__(
        self, num_features: int, latent_dim: int, draw: Draw = "deterministic", nonlinearity: str = "elu"
    ) -> None:
        super().__init__()
        if draw not in get_args(Draw):
            raise unknown("encoder", draw, get_args(Draw))
        self.draw, self.latent_dim = draw, latent_dim
        if draw == "noise":
            self.net: nn.Module = MLP([num_features + latent_dim, num_features, latent_dim], nonlinearity)
        else:
            self.net = nn.Linear(num_features, (2 if draw == "gaussian" else 1) * latent_dim)

    def forward(self, h: Float[Tensor, "batch features"]) -> Float[Tensor, "batch latent"]:
        """(B, H) -> (B, Z)."""
        if self.draw == "deterministic":
            return full_precision(self.net(h))
        noise = torch.randn(len(h), self.latent_dim, dtype=h.dtype, device=h.device)
        if self.draw == "noise":
            return full_precision(self.net(torch.cat([h, noise], -1)))
        loc, raw = self.net(h).chunk(2, dim=-1)
        return full_precision(loc) + positive_scale(raw, "exp-variance") * noise


class Coder(nn.Module):
    """x, or x and y, to a draw z ~ q(z | x), (B, Z).

    Args:
        features: see `Features`.
        head: see `CodeHead`.
    """

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, *inputs: Shaped[Tensor, "..."]) -> Float[Tensor, "batch latent"]:
        """x (B, *event), and y (B, Y) where there is one."""
        return self.head(self.features(*inputs))


class Parallel(nn.Module):
    """N dense networks side by side, each of inputs of its own: (B, N, inputs) -> (B, N, outputs)."""

    def __init__(self, count: int, widths: Sequence[int], nonlinearity: str = "elu") -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        # torch's own start of a linear layer.
        self.weights = nn.ParameterList(
            (2 * torch.rand(count, inward, outward) - 1) / math.sqrt(inward) for inward, outward in pairs
        )
        self.biases = nn.ParameterList(
            (2 * torch.rand(count, 1, outward) - 1) / math.sqrt(inward) for inward, outward in pairs
        )
        self.nonlinearity = activation(nonlinearity)

    def forward(self, x: Float[Tensor, "batch count inputs"]) -> Float[Tensor, "batch count outputs"]:
        """The n-th network at x[:, n]."""
        x = x.movedim(1, 0)
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, self.nonlinearity(x) if place else x, weight)
        return x.movedim(0, 1)


class Discriminator(nn.Module):
    """T(u, z), a logit for each row, by a dense network of [u, z].

    Args:
        num_inputs: of u and z together.
        hidden: widths of the hidden layers.
        nonlinearity: between the layers.
    """

    def __init__(self, num_inputs: int, hidden: Sequence[int], nonlinearity: str = "leaky-relu") -> None:
        super().__init__()
        self.net = MLP([num_inputs, *hidden, 1], nonlinearity)

    def forward(self, *inputs: Float[Tensor, "batch _"]) -> Float[Tensor, " batch"]:
        """(B, inputs) -> (B,), in single precision or better."""
        return full_precision(self.net(torch.cat(inputs, -1)).squeeze(-1))
