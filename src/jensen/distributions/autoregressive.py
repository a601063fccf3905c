"""Bits, each given those before it, by a network of masked layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

from jensen.distributions.heads import full_precision

# For the mean, which has no formula.
DRAWS = 16


class Layers(NamedTuple):
    """What maps x (D,) to log-odds (D,) by two layers of H units: weights are (outputs, inputs).

    As weights they are masked; as `masks` they say which weights there are.
    """

    inward: Tensor  # (H, D)
    middle: Tensor  # (H, H)
    outward: Tensor  # (D, H)
    direct: Tensor  # (D, D), from x to the log-odds at once


def degrees(num_dims: int, num_units: int) -> Int[Tensor, "units"]:
    """How many entries, from the first on, each hidden unit sees: 0 .. D - 1, spread evenly and rising."""
    return torch.arange(num_units) * num_dims // num_units


def masks(num_dims: int, num_units: int) -> Layers:
    """The connections by which entry i sees x_<i alone (Germain et al. 2015), as truth values."""
    place, degree = torch.arange(num_dims), degrees(num_dims, num_units)
    rows: tuple[Bool[Tensor, "_ _"], ...] = (
        degree[:, None] > place,
        degree[:, None] >= degree,
        place[:, None] >= degree,
        place[:, None] > place,
    )
    return Layers(*rows)


class AutoregressiveBernoulli(Distribution):
    """p(x) = prod_i Bernoulli(x_i; sigmoid(l_i)), where l_i is a function of x_<i alone.

    l = d + A x + V relu(b + M relu(a + W x)), masked as in MADE (Germain et al. 2015). Any a leaves it so and makes it
    conditional: W x is found once for each x, however many a it is scored under.

    Args:
        hidden: a (*batch, H).
        layers: W, M, V, A, masked by `masks`.
        middle_bias: b (H,).
        bias: d (D,).
        event_shape: of x; its product is D, and x is flattened in raster order.
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol

    def __init__(
        self,
        hidden: Float[Tensor, "*batch units"],
        layers: Layers,
        middle_bias: Float[Tensor, "units"],
        bias: Float[Tensor, "dims"],
        event_shape: Sequence[int],
    ) -> None:
        self.hidden, self.layers, self.middle_bias, self.bias = hidden, layers, middle_bias, bias
        super().__init__(hidden.shape[:-1], torch.Size(event_shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """{0, 1}, for every entry."""
        return constraints.independent(constraints.boolean, len(self.event_shape))

    def conditionals(self, value: Float[Tensor, "..."]) -> Float[Tensor, "... dims"]:
        """l_i = log-odds of x_i given x_<i, for every i at once: (..., *event) -> (..., D)."""
        x = value.flatten(value.ndim - len(self.event_shape))
        first = (self.hidden + F.linear(x, self.layers.inward)).relu()
        second = F.linear(first, self.layers.middle, self.middle_bias).relu()
        return full_precision(F.linear(second, self.layers.outward, self.bias) + F.linear(x, self.layers.direct))

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """sum_i x_i l_i - log(1 + exp l_i), nats."""
        logits = self.conditionals(value)
        x = value.flatten(value.ndim - len(self.event_shape))
        return (x * logits - F.softplus(logits)).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One entry after another, all of them at the cost of one density: (*sample_shape, *batch, *event)."""
        return self._draw(torch.Size(sample_shape))[0]

    @property
    def mean(self) -> Tensor:
        """E x, the average of P(x_i = 1 | x_<i) over 16 draws of x: within 1/8 of it, for no formula is known."""
        return self._draw(torch.Size([DRAWS]))[1].mean(0)

    @torch.no_grad()
    def _draw(self, sample_shape: torch.Size) -> tuple[Tensor, Tensor]:
        """x, and P(x_i = 1 | x_<i) along it; a unit is found once, when the last entry that it sees is there."""
        shape = sample_shape + self.batch_shape
        units, dims = self.layers.inward.shape
        into = self.hidden.expand(*shape, units).reshape(math.prod(shape), units)
        first, second = torch.zeros_like(into), torch.zeros_like(into)
        x = into.new_zeros(len(into), dims)
        chances = torch.zeros_like(x)
        ends = torch.searchsorted(degrees(dims, units), torch.arange(dims), right=True).tolist()
        for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            own = slice(start, end)
            first[:, own] = (into[:, own] + x[:, :i] @ self.layers.inward[own, :i].T).relu()
            second[:, own] = (self.middle_bias[own] + first[:, :end] @ self.layers.middle[own, :end].T).relu()
            logits = (
                self.bias[i] + second[:, :end] @ self.layers.outward[i, :end] + x[:, :i] @ self.layers.direct[i, :i]
            )
            chances[:, i] = logits.sigmoid()
            x[:, i] = torch.bernoulli(chances[:, i])
        return x.view(*shape, *self.event_shape), chances.view(*shape, *self.event_shape)
