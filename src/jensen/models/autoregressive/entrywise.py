"""Autoregressive models whose network gives some numbers for each entry of x, by which its conditional goes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.models.autoregressive.base import Autoregressive, Conditionals, Walk
from jensen.models.autoregressive.heads import Head

# Yields the raw numbers of one entry after another (N, P), and is sent the features of what was drawn of it (N, F).
RawWalk = Generator[Tensor, Tensor, None]


class Entrywise(Autoregressive):
    """p(x_i | x_<i, y) is that of the numbers b_i + R_i y + r_i(x_<i, y), r_i from a network.

    A subclass writes r: `raw` for all entries at once, and `raw_walk` for one after another at the cost of one pass in
    all; density, samples and completions follow.

    Args:
        spec: what x is; the event is flattened in raster order.
        head: how an entry enters, and what its conditional is.
        orders: (K, D), the entries in the order in which they are drawn.
        num_conditions: how many numbers y x is given, 0 where none.
    """

    def __init__(
        self, spec: Spec, head: Head, orders: Int64[Tensor, "orderings dims"], num_conditions: int = 0
    ) -> None:
        super().__init__(spec, orders)
        self.head = head
        self.bias = nn.Parameter(head.start(None, spec.num_dims))
        self.bias_of_condition = nn.Linear(num_conditions, self.bias.numel(), bias=False) if num_conditions else None

    @abstractmethod
    def raw(
        self,
        features: Float[Tensor, "batch dims features"],
        y: Float[Tensor, "batch conditions"] | None,
        ordering: int | Tensor,
    ) -> Float[Tensor, "batch dims parameters"]:
        """r: what the entries before each say of it, (B, D, F) -> (B, D, P)."""

    @abstractmethod
    def raw_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None, ordering: int) -> RawWalk:
        """r_i of one entry after another, along the ordering."""

    def conditionals(
        self,
        x: Shaped[Tensor, "batch *event"],
        y: Float[Tensor, "batch conditions"] | None = None,
        ordering: int | Tensor = 0,
    ) -> Conditionals:
        """p(x_i | x_<i, y) for every i, in one pass: batch_shape (B, *event)."""
        features = self.head.features(x.flatten(1), self.bias.dtype)
        raw = full_precision(self.raw(features, y, ordering)) + self._bias(y)
        return self.head(raw.view(*x.shape, -1))

    def walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None = None, ordering: int = 0) -> Walk:
        """The same for one entry after another."""
        raw_walk, bias = self.raw_walk(num_samples, y, ordering), self._bias(y)
        value: Tensor | None = None
        for i in self.orders[ordering].tolist():
            raw = next(raw_walk) if value is None else raw_walk.send(self.head.features(value, self.bias.dtype))
            value = yield self.head(raw + bias[..., i, :])

    @torch.no_grad()
    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts b where, with nothing before an entry, it says what x has; called once before training."""
        self.bias.copy_(self.head.start(x.flatten(1), self.spec.num_dims))

    def _bias(self, y: Tensor | None) -> Tensor:
        """b, (D, P), or b + R y, (B, D, P)."""
        if self.bias_of_condition is None:
            return self.bias
        return full_precision(self.bias_of_condition(y)).view(-1, *self.bias.shape) + self.bias
