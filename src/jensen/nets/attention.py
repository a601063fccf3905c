"""A decoder-only transformer: masked self-attention, in which place t sees the places up to t.

Source: Vaswani et al. (2017), Attention is all you need; with the norm before each layer, Radford et al. (2019).
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from jensen.errors import JensenError, unknown

Positions = Literal["learned", "sinusoidal", "rotary"]

# The standard deviation of initial weights, as in GPT-2.
START = 0.02


class Cache:
    """Keys and values (N, heads, T, d) of one layer: filled at the places gone through, to be filled at the rest."""

    def __init__(self, like: Tensor, num_samples: int, heads: int, length: int, size: int) -> None:
        self.keys = like.new_empty(num_samples, heads, length, size)
        self.values = torch.empty_like(self.keys)


class SelfAttention(nn.Module):
    """softmax(Q K' / sqrt(d)) V in each head, over the places up to one's own; then a linear map of all heads.

    A sequence that is only read is attended to as a whole, both ways.

    Args:
        width: of a place.
        heads: they share the width, d = width / heads each.
        dropout: the share of attention weights that a step of training leaves out.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(
        self,
        units: Float[Tensor, "batch places width"],
        turns: Float[Tensor, "2 places half"] | None,
        cache: Cache | None = None,
        place: int = 0,
        read: Bool[Tensor, "batch 1 1 places"] | None = None,
    ) -> Float[Tensor, "batch places width"]:
        """All places at once; or, with a cache, the one at `place`, given the keys and values of those before it.

        `turns` are cosine and sine of the angles by which keys and queries are turned, where positions are rotary.
        `read` says which places there are in a sequence that is only read: each place then sees all of them.
        """
        query, key, value = self.inward(units).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if turns is not None:
            query, key = turned(query, turns), turned(key, turns)
        if cache is not None:
            cache.keys[:, :, place], cache.values[:, :, place] = key[:, :, 0], value[:, :, 0]
            key, value = cache.keys[:, :, : place + 1], cache.values[:, :, : place + 1]
        dropout = self.dropout if self.training else 0.0
        causal = cache is None and read is None
        attended = F.scaled_dot_product_attention(query, key, value, read, dropout_p=dropout, is_causal=causal)
        return self.outward(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm x), then x + two layers of (norm x), the inner four times as wide."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.inward, self.outward = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        units: Float[Tensor, "batch places width"],
        turns: Float[Tensor, "2 places half"] | None,
        cache: Cache | None = None,
        place: int = 0,
        read: Bool[Tensor, "batch 1 1 places"] | None = None,
    ) -> Float[Tensor, "batch places width"]:
        """As `SelfAttention` takes them."""
        return self.layers(units + self.dropout(self.attention(self.first_norm(units), turns, cache, place, read)))

    def layers(self, units: Float[Tensor, "batch places width"]) -> Float[Tensor, "batch places width"]:
        """x + two layers of (norm x)."""
        return units + self.dropout(self.outward(F.gelu(self.inward(self.second_norm(units)))))


class CausalTransformer(nn.Module):
    """(B, T, width) -> (B, T, width), where place t of the outcome is a function of places 0 .. t.

    Args:
        length: the most places there can be.
        width: of a place.
        depth: blocks.
        heads: of attention; they divide the width.
        positions: "learned", a vector for each place; "sinusoidal", the waves of Vaswani et al.; "rotary", queries and
            keys turned by angles that grow with the place, so that attention sees distances alone (Su et al. 2021).
        dropout: the share of units, and of attention weights, that a step of training leaves out.

    Raises:
        JensenError: where the heads do not divide the width, or not into sizes that the positions allow.
    """

    waves: Tensor
    angles: Tensor

    def __init__(self, length: int, width: int, depth: int, heads: int, positions: Positions, dropout: float) -> None:
        super().__init__()
        check_sizes(width, depth, heads, positions, dropout)
        self.length, self.heads, self.size = length, heads, width // heads
        self.learned = nn.Parameter(torch.randn(length, width) * START) if positions == "learned" else None
        if positions == "sinusoidal":
            self.register_buffer("waves", sinusoidal(length, width), persistent=False)
        if positions == "rotary":
            self.register_buffer("angles", _angles(length, self.size), persistent=False)
        self.positions = positions
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        start_weights(self, 2 * depth)

    def forward(self, units: Float[Tensor, "batch places width"]) -> Float[Tensor, "batch places width"]:
        """All places at once."""
        units, turns = self._placed(units, 0)
        for block in self.blocks:
            units = block(units, turns)
        return self.norm(units)

    def caches(self, num_samples: int) -> list[Cache]:
        """One for each block, of N sequences about to begin."""
        return [Cache(self.norm.weight, num_samples, self.heads, self.length, self.size) for _ in self.blocks]

    def step(
        self, unit: Float[Tensor, "samples width"], place: int, caches: list[Cache]
    ) -> Float[Tensor, "samples width"]:
        """The same for one place, once those before it have been through: O(place) where a whole pass is O(T^2)."""
        units, turns = self._placed(unit[:, None], place)
        for block, cache in zip(self.blocks, caches, strict=True):
            units = block(units, turns, cache, place)
        return self.norm(units[:, 0])

    def _placed(self, units: Tensor, first: int) -> tuple[Tensor, Tensor | None]:
        """Units with their positions in them, or beside them the turns of rotary ones."""
        places = slice(first, first + units.shape[1])
        turns = None
        if self.learned is not None:
            units = units + self.learned[places]
        elif self.positions == "sinusoidal":
            units = units + self.waves[places]
        else:
            turns = torch.stack([self.angles[places].cos(), self.angles[places].sin()])
        return self.dropout(units), turns


def start_weights(network: nn.Module, num_branches: int) -> None:
    """Weights from N(0, 0.02^2), biases 0, but for what is the network's own and of none of its parts.

    Each residual branch adds to the variance: GPT-2 starts the last layer of each smaller by the root of their number.
    """
    for name, parameter in network.named_parameters():
        if parameter.ndim == 2 and "." in name:
            nn.init.normal_(parameter, std=START / math.sqrt(num_branches) if "outward" in name else START)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


def sinusoidal(length: int, width: int) -> Float[Tensor, "places width"]:
    """sin and cos of t / 10000^(2i / width), i = 0 .. width / 2 - 1, beside each other; as large as learned ones begin.

    They are scaled by sqrt(2) 0.02, for the vectors that they are added to start with a deviation of 0.02.
    """
    angles = _angles(length, width)
    return math.sqrt(2) * START * torch.cat([angles.sin(), angles.cos()], -1)


def turned(x: Float[Tensor, "*batch places size"], turns: Float[Tensor, "2 places half"]) -> Tensor:
    """Each pair (x_i, x_{i + size / 2}) of place t turned by the angle t / 10000^(2i / size)."""
    cos, sin = turns.to(x.dtype)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def _angles(length: int, size: int) -> Float[Tensor, "places half"]:
    return torch.arange(length)[:, None] * 1e4 ** (-torch.arange(0, size, 2) / size)


def check_sizes(width: int, depth: int, heads: int, positions: str, dropout: float) -> None:
    """Raises JensenError where the heads do not divide the width, or not into sizes that the positions allow."""
    if positions not in get_args(Positions):
        raise unknown("positions", positions, get_args(Positions))
    if min(width, depth, heads) < 1:
        raise JensenError(f"width, depth and heads must be at least 1, got {width}, {depth} and {heads}")
    if width % heads:
        raise JensenError(f"width={width} cannot be shared by {heads} heads: set heads to a divisor of it")
    if (positions == "rotary" and width // heads % 2) or (positions == "sinusoidal" and width % 2):
        what = f"width / heads = {width // heads}" if positions == "rotary" else f"width={width}"
        raise JensenError(f"positions={positions} come in pairs, and {what} is odd: make it even, or set learned")
    if not 0 <= dropout < 1:
        raise JensenError(f"dropout is a share of the units in [0, 1), got {dropout}")
