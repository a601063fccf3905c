"""A transformer that reads one sequence and goes along another: attention across, from the second to the first.

Source: Vaswani et al. (2017), Attention is all you need; the norm before each layer, as in `jensen.nets.attention`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from jensen.nets.attention import START, Block, Cache, check_sizes, start_weights


class Memory(NamedTuple):
    """Of what was read, the keys and values (B, heads, L, d) of one layer, and which of the L places there are."""

    keys: Tensor
    values: Tensor
    there: Tensor


class CrossAttention(nn.Module):
    """softmax(Q K' / sqrt(d)) V in each head, with keys and values of another sequence; then a linear map of all heads.

    Args:
        width: of a place of either.
        heads: they share the width, d = width / heads each.
        dropout: the share of attention weights that a step of training leaves out.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.inward = nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def remember(self, units: Float[Tensor, "batch read width"], there: Bool[Tensor, "batch 1 1 read"]) -> Memory:
        """The keys and values of what was read, once for all places that will ask."""
        keys, values = self.inward(units).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return Memory(keys, values, there)

    def forward(self, units: Float[Tensor, "batch places width"], memory: Memory) -> Tensor:
        """(B, T, width), each place by itself."""
        query = self.query(units).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, *memory, dropout_p=dropout)
        return self.outward(attended.transpose(1, 2).flatten(2))


class DecoderBlock(Block):
    """x + attention(norm x), then x + attention across(norm x), then x + two layers of (norm x)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout)
        self.across_norm = nn.LayerNorm(width)
        self.across = CrossAttention(width, heads, dropout)

    def forward(  # type: ignore[override]  # of a memory too
        self,
        units: Float[Tensor, "batch places width"],
        memory: Memory,
        cache: Cache | None = None,
        place: int = 0,
    ) -> Float[Tensor, "batch places width"]:
        """All places at once; or, with a cache, the one at `place`."""
        units = units + self.dropout(self.attention(self.first_norm(units), None, cache, place))
        return self.layers(units + self.dropout(self.across(self.across_norm(units), memory)))


class EncoderDecoder(nn.Module):
    """Reads (B, L, width), both ways, and maps (B, T, width) -> (B, T, width), place t a function of places 0 .. t.

    Args:
        read_length: L, the places of what is read, of which not all need be there.
        length: T.
        width: of a place of either.
        encoder_depth, depth: blocks of the encoder, and of the decoder.
        heads: of every attention; they divide the width.
        dropout: the share of units, and of attention weights, that a step of training leaves out.

    Raises:
        JensenError: where the heads do not divide the width.
    """

    def __init__(
        self, read_length: int, length: int, width: int, encoder_depth: int, depth: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        check_sizes(width, min(encoder_depth, depth), heads, "learned", dropout)
        self.heads, self.size = heads, width // heads
        self.read_places = nn.Parameter(torch.randn(read_length, width) * START)
        self.places = nn.Parameter(torch.randn(length, width) * START)
        self.encoder = nn.ModuleList(Block(width, heads, dropout) for _ in range(encoder_depth))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads, dropout) for _ in range(depth))
        self.read_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        start_weights(self.encoder, 2 * encoder_depth)
        start_weights(self.decoder, 3 * depth)

    def read(self, units: Float[Tensor, "batch read width"], there: Bool[Tensor, "batch 1 1 read"]) -> list[Memory]:
        """What each block of the decoder keeps of a sequence whose places are `there`."""
        units = self.dropout(units + self.read_places)
        for block in self.encoder:
            units = block(units, None, read=there)
        units = self.read_norm(units)
        return [block.across.remember(units, there) for block in self.decoder]  # type: ignore[union-attr, operator]

    def forward(
        self, units: Float[Tensor, "batch places width"], memories: list[Memory]
    ) -> Float[Tensor, "batch places width"]:
        """All places at once."""
        units = self.dropout(units + self.places)
        for block, memory in zip(self.decoder, memories, strict=True):
            units = block(units, memory)
        return self.norm(units)

    def caches(self, num_samples: int) -> list[Cache]:
        """One for each block of the decoder, of N sequences about to begin."""
        return [Cache(self.norm.weight, num_samples, self.heads, len(self.places), self.size) for _ in self.decoder]

    def step(
        self, unit: Float[Tensor, "samples width"], place: int, caches: list[Cache], memories: list[Memory]
    ) -> Float[Tensor, "samples width"]:
        """The same for one place, once those before it have been through."""
        units = self.dropout(unit[:, None] + self.places[place])
        for block, memory, cache in zip(self.decoder, memories, caches, strict=True):
            units = block(units, memory, cache, place)
        return self.norm(units[:, 0])
