"""p(c | caption) over a map of codes, by a transformer that reads the caption; and the same under guidance."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional as F

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.models.autoregressive.base import Autoregressive, Walk
from jensen.models.latent.code_prior import Codes
from jensen.nets.encoder_decoder import EncoderDecoder, Memory

_BYTES = 256


class CaptionedCodes(Autoregressive):
    """p(c | caption) = ∏_i p(c_i | c_<i, caption) in raster order, each by the logits W h_i + b.

    h = decoder(s, e(c_1), e(c_2), ...; encoder(caption)): e is a vector for each code, s one that begins every map.
    The encoder reads the bytes of the caption and one byte 0 that ends it, so that a caption of no bytes is one too.

    Args:
        map_shape: (h, w).
        num_codes: K.
        caption_length: L, the bytes of the longest caption.
        width, encoder_depth, depth, heads, dropout: see `jensen.nets.encoder_decoder.EncoderDecoder`.
    """

    def __init__(
        self,
        map_shape: tuple[int, ...],
        num_codes: int,
        caption_length: int,
        *,
        width: int,
        encoder_depth: int,
        depth: int,
        heads: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(Spec(tuple(map_shape), "categorical", levels=num_codes))
        self.caption_length = caption_length
        places = self.spec.num_dims
        self.network = EncoderDecoder(caption_length + 1, places, width, encoder_depth, depth, heads, dropout)
        self.of_byte, self.of_code = nn.Embedding(_BYTES, width), nn.Embedding(num_codes, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.output = nn.Linear(width, num_codes)
        for weight in (self.of_byte.weight, self.of_code.weight, self.start, self.output.weight):
            nn.init.normal_(weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self) -> Codes:
        """p(c | no caption): batch_shape (), event_shape (h, w)."""
        return Codes(self)

    def captions(self, y: Int[Tensor, "batch bytes"] | None, count: int) -> Int[Tensor, "batch bytes"]:
        """These captions, or as many of no bytes, (B, L)."""
        return self.start.new_zeros(count, self.caption_length, dtype=torch.int64) if y is None else y

    def read(self, y: Int[Tensor, "batch bytes"]) -> list[Memory]:
        """What the decoder keeps of captions (B, L), 0 after their end."""
        there = F.pad(y != 0, (1, 0), value=True)  # the bytes, and the 0 after them
        return self.network.read(self.of_byte(F.pad(y, (0, 1))), there[:, None, None])

    def conditionals(
        self, x: Int[Tensor, "batch *event"], y: Int[Tensor, "batch bytes"] | None = None, ordering: Any = 0
    ) -> Categorical:
        """p(c_i | c_<i, caption) for every i, in one pass: batch_shape (B, h, w)."""
        before = self.of_code(x.flatten(1)[:, :-1])
        units = torch.cat([self.start.expand(len(x), 1, -1), before], 1)
        logits = full_precision(self.output(self.network(units, self.read(self.captions(y, len(x))))))
        return Categorical(logits=logits.view(*x.shape, -1), validate_args=False)

    def walk(self, num_samples: int, y: Int[Tensor, "samples bytes"] | None = None, ordering: int = 0) -> Walk:
        """The same for one code after another: keys and values are kept, and the caption is read once."""
        memories, caches = self.read(self.captions(y, num_samples)), self.network.caches(num_samples)
        unit = self.start.expand(num_samples, -1)
        for place in range(self.spec.num_dims):
            logits = full_precision(self.output(self.network.step(unit, place, caches, memories)))
            unit = self.of_code((yield Categorical(logits=logits, validate_args=False)))


class Guided(Autoregressive):
    """Classifier-free guidance (Ho & Salimans 2022): each conditional has the logits (1 + w) given - w without.

    With "given" those of p(c_i | c_<i, caption) and "without" those of p(c_i | c_<i, no caption). At w = 0 it is the
    model itself; above, codes that the caption makes likelier are the likelier for it. It is a distribution of codes,
    and not the one that was trained.

    Args:
        net: given a caption or none.
        weight: w.
    """

    def __init__(self, net: CaptionedCodes, weight: float) -> None:
        super().__init__(net.spec)
        self.net, self.weight = net, weight
        self.order = net.order  # where the network is

    def conditionals(
        self, x: Int[Tensor, "batch *event"], y: Int[Tensor, "batch bytes"] | None = None, ordering: Any = 0
    ) -> Categorical:
        """Every conditional in one pass: batch_shape (B, h, w)."""
        return self._pushed(self.net.conditionals(x, y).logits, self.net.conditionals(x).logits)

    def walk(self, num_samples: int, y: Int[Tensor, "samples bytes"] | None = None, ordering: int = 0) -> Walk:
        """One after another, with caption and without beside each other."""
        captions = torch.cat([self.net.captions(y, num_samples), self.net.captions(None, num_samples)])
        walk = self.net.walk(2 * num_samples, captions)
        both = next(walk)
        while isinstance(both, Categorical):
            drawn = yield self._pushed(*both.logits.chunk(2))
            both = walk.send(torch.cat([drawn, drawn]))

    def _pushed(self, given: Float[Tensor, "*shape codes"], without: Float[Tensor, "*shape codes"]) -> Categorical:
        return Categorical(logits=(1 + self.weight) * given - self.weight * without, validate_args=False)
