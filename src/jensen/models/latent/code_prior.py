"""p(c) over a map of codes 0, 1, ..., K - 1, each given those before it, by a masked network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, constraints

from jensen.data.spec import Spec
from jensen.models.autoregressive.base import Autoregressive
from jensen.nets.masked import MaskedLinear


class MaskedCodes(Autoregressive):
    """p(c) = prod_i p(c_i | c_<i) in raster order, by MADE (Germain et al. 2015) over embedded codes.

    Each place has E numbers for its code, and E at the output, from which one matrix makes the logits of every place:
    codes have no order, and K of them have K E parameters at either end, not K times the number of places.

    Args:
        map_shape: (h, w).
        num_codes: K.
        width: E.
        hidden: widths of the masked layers.
    """

    def __init__(self, map_shape: Sequence[int], num_codes: int, width: int, hidden: Sequence[int]) -> None:
        super().__init__(Spec(tuple(map_shape), "categorical", levels=num_codes))
        places = torch.arange(self.spec.num_dims)
        self.embedding = nn.Embedding(num_codes, width)
        below, layers = places.repeat_interleave(width), list[nn.Module]()
        for units in hidden:
            # A unit sees the codes up to its degree; the last code is nobody's input.
            degree = torch.arange(units) * max(len(places) - 1, 1) // units
            layers += [MaskedLinear(degree[:, None] >= below), nn.ReLU()]
            below = degree
        layers.append(MaskedLinear(places.repeat_interleave(width)[:, None] > below))
        self.network = nn.Sequential(*layers)
        self.output = nn.Linear(width, num_codes)
        self.bias = nn.Parameter(torch.zeros(len(places), num_codes))

    def conditionals(self, x: Int[Tensor, "batch *event"], y: Any = None, ordering: Any = 0) -> Categorical:
        """p(c_i | c_<i) for every i, in one pass: batch_shape (B, h, w)."""
        inputs = self.embedding(x.flatten(1))
        outputs = self.network(inputs.flatten(1)).view_as(inputs)
        logits = (self.output(outputs) + self.bias).to(self.bias.dtype)
        return Categorical(logits=logits.view(*x.shape, -1), validate_args=False)

    def forward(self) -> Codes:
        """p(c): batch_shape (), event_shape (h, w)."""
        return Codes(self)


class Codes(Distribution):
    """The distribution that an autoregressive network of codes is, or is for given y (*batch, Y)."""

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol
    has_rsample = False

    def __init__(self, net: Autoregressive, y: Shaped[Tensor, "*batch conditions"] | None = None) -> None:
        self.net, self.y = net, y
        batch = torch.Size() if y is None else y.shape[:-1]
        super().__init__(batch, torch.Size(net.spec.event_shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """0, 1, ..., K - 1, for every place."""
        levels = self.net.spec.levels or 1
        return constraints.independent(constraints.integer_interval(0, levels - 1), len(self.event_shape))

    def log_prob(self, value: Shaped[Tensor, "*shape height width"]) -> Float[Tensor, "..."]:
        """log p(c), (...), nats."""
        batch = torch.broadcast_shapes(value.shape[: -len(self.event_shape)], self.batch_shape)
        rows = value.expand(*batch, *self.event_shape).reshape(-1, *self.event_shape)
        return self.net.log_prob(rows, self._rows_of_y(batch)).view(batch)

    def sample(self, sample_shape: Sequence[int] = (), temperature: float = 1.0) -> Int[Tensor, "..."]:
        """One code after another: (*sample_shape, *batch, h, w). `temperature` divides the logits."""
        batch = torch.Size(sample_shape) + self.batch_shape
        codes = self.net.sample(batch.numel(), temperature, y=self._rows_of_y(batch))
        return codes.view(*batch, *self.event_shape)

    def _rows_of_y(self, batch: torch.Size) -> Tensor | None:
        """The y of each row, (B, Y)."""
        return None if self.y is None else self.y.expand(*batch, -1).reshape(batch.numel(), -1)
