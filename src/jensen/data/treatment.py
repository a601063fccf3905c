"""What is done to stored values before a model sees them: binarisation, dequantisation, standardisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, Shaped
from torch import Tensor

from jensen.data.spec import Kind

Binarize = Literal["none", "dynamic", "static", "threshold"]

# What stored values mean: bits are 0 or 1, grey is an intensity from 0 to `top`, levels are names 0, 1, ..., `top`,
# counts are whole numbers from 0 up, and in mixed rows each column is something of its own.
Form = Literal["bits", "grey", "levels", "real", "counts", "mixed"]


def counter_uniform(seed: int, rows: Int64[Tensor, "batch"], size: int) -> Float64[Tensor, "batch size"]:
    """Uniform numbers on multiples of 2^-32 in [0, 1) that are a function of (seed, row, entry) and of nothing else.

    The stream is SplitMix64 (Steele, Lea and Flood, 2014), word i = mix(key + i * gamma), two numbers a word and each
    row's words following the last row's: a counter-based generator, so that any batching or subset of the rows sees
    the same numbers, on any device.
    """
    words = (size + 1) // 2
    i = rows[:, None] * words + torch.arange(words, device=rows.device)
    halves = _mix(i.mul_(_GAMMA).add_(_signed(_mix_key(seed)))).view(torch.int32)
    return halves[:, :size].double().mul_(2.0**-32).add_(0.5)


def _signed(word: int) -> int:
    return (word + 2**63) % 2**64 - 2**63


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def _mix(z: Tensor) -> Tensor:
    # int64 multiplication wraps as uint64 does; the mask makes the arithmetic shift a logical one.
    for shift, factor in _MIX:
        z = z.bitwise_xor_((z >> shift).bitwise_and_((1 << 64 - shift) - 1)).mul_(_signed(factor))
    return z.bitwise_xor_((z >> 31).bitwise_and_((1 << 33) - 1))


def _mix_key(seed: int) -> int:
    z = (seed + 1) % 2**64
    for shift, factor in _MIX:
        z = (z ^ (z >> shift)) * factor % 2**64
    return z ^ (z >> 31)


@dataclass(frozen=True, eq=False)
class Treatment:
    """x as a function of the stored value s, with noise u that is uniform on [0, 1).

    binarize "dynamic", "static":   x = 1 if u < s / top else 0         (Salakhutdinov and Murray, 2008)
    binarize "threshold":           x = 1 if s / top >= 1/2 else 0
    kind "unit":                    x = s / top
    kind "real":                    x = (s - shift) / scale, or (s + u - shift) / scale where dequantize is set
                                    (Theis, van den Oord and Bethge, 2016)
    kind "mixed":                   x = (s - shift) / scale, where shift is 0 and scale 1 in all but real columns
    kind "binary", "8-bit", "categorical", "count" otherwise: x = s

    `form` says what s is, and `top` the largest s of grey or levels (255 for 8-bit grey). `shift` and `scale` are
    float64, of the event's shape or (). `seed` is None where u is drawn anew from the global torch generator each
    time, and otherwise names the one realisation that `counter_uniform` gives; `drawn` says that what is stored is
    that realisation: the bits, or s + u.
    """

    kind: Kind
    form: Form
    top: int = 1
    binarize: Binarize = "none"
    dequantize: bool = False
    shift: Float64[Tensor, "*event"] | None = None
    scale: Float64[Tensor, "*event"] | None = None
    seed: int | None = None
    drawn: bool = False

    @property
    def draws(self) -> bool:
        """Whether u is still to be drawn."""
        return not self.drawn and (self.dequantize or self.binarize in ("dynamic", "static"))

    def to(self, device: torch.device) -> Treatment:
        """The same on another device."""
        move = {name: t.to(device) for name in ("shift", "scale") if (t := getattr(self, name)) is not None}
        return replace(self, **move)

    def __call__(
        self, stored: Shaped[Tensor, "batch *event"], rows: Int64[Tensor, "batch"] | None, dtype: torch.dtype
    ) -> Shaped[Tensor, "batch *event"]:
        """x (B, *event), in `dtype` where it is floating point; `rows` (B,) are needed where a seed is set."""
        if self.kind in ("8-bit", "categorical"):
            return stored.long()
        if self.binarize != "none" and not self.drawn:
            return self.bits(stored, rows, dtype)
        if self.kind == "unit":
            return stored.to(dtype) if self.top == 1 else stored.to(dtype).div_(self.top)
        if self.kind in ("real", "mixed"):
            return self._rescale(self.noisy(stored, rows) if self.draws else stored, dtype)
        return stored.to(dtype)

    def noisy(
        self, stored: Shaped[Tensor, "batch *event"], rows: Int64[Tensor, "batch"] | None
    ) -> Float32[Tensor, "batch *event"]:
        """s + u of dequantisation, (B, *event): u lies on multiples of 2^-16, so that float32 holds the sum exactly."""
        if self.seed is None:
            size = stored.numel()
            u = _random_bytes(2 * size, stored.device).view(torch.int16)[:size].view(stored.shape).float().add_(2**15)
        else:
            u = self._fixed_uniform(stored, rows).mul_(2**16).floor_().float()
        return u.mul_(2.0**-16).add_(stored)

    def bits(
        self,
        stored: Shaped[Tensor, "batch *event"],
        rows: Int64[Tensor, "batch"] | None,
        dtype: torch.dtype = torch.uint8,
    ) -> Shaped[Tensor, "batch *event"]:
        """The binarised values, (B, *event)."""
        if self.binarize == "threshold":
            return _as(stored.ge(self.top / 2 if stored.is_floating_point() else (self.top + 1) // 2), dtype)
        if self.seed is not None:
            return _as(self._fixed_uniform(stored, rows).mul_(self.top).lt(stored), dtype)
        if stored.dtype == torch.uint8 and self.top == 255 and stored.device.type == "cpu":
            return _bernoulli_bytes(stored, dtype)
        return _as(torch.rand(stored.shape, device=stored.device).mul_(self.top).lt(stored), dtype)

    def _fixed_uniform(self, stored: Tensor, rows: Tensor | None) -> Tensor:
        assert self.seed is not None
        assert rows is not None
        return counter_uniform(self.seed, rows, stored[0].numel() if len(stored) else 0).view(stored.shape)

    def _rescale(self, stored: Tensor, dtype: torch.dtype) -> Tensor:
        if self.shift is None or self.scale is None:
            return stored.to(dtype)
        work = torch.promote_types(stored.dtype, dtype)
        return stored.to(work).sub(self.shift.to(work)).div_(self.scale.to(work)).to(dtype)

    def log_det(self, event_shape: tuple[int, ...]) -> float:
        """log |det dx / d(raw x)| = -sum log scale, in nats per example; 0 where nothing was scaled."""
        if self.scale is None:
            return 0.0
        return -float(self.scale.log().expand(event_shape).sum())

    def to_raw(self, x: Float64[Tensor, "*batch"]) -> Float64[Tensor, "*batch"]:
        """x * scale + shift: the inverse of the scaling; dequantised values are floored to their level."""
        if self.shift is not None and self.scale is not None:
            x = x * self.scale + self.shift
        return x.floor().clamp(0, self.top) if self.dequantize else x


def _random_bytes(count: int, device: torch.device) -> Tensor:
    # From the global generator, eight to a draw: a sixth of the time of torch.rand.
    words = torch.empty((count + 7) // 8, dtype=torch.int64, device=device).random_(-(2**63), None)
    return words.view(torch.uint8)


def _bernoulli_bytes(stored: Tensor, dtype: torch.dtype) -> Tensor:
    # Exact, and in a third of the time of torch.rand < s / 255. r < s has probability s / 256; a tie r = 255 (which is
    # never < s) is decided by a draw of its own, and s / 256 + 1 / 256 * s / 255 = s / 255.
    size = stored.numel()
    flat = stored.reshape(size)
    r = _random_bytes(size, stored.device)[:size]
    x = _as(r.lt(flat), dtype)
    # numpy finds them in a sixth of the time of torch.nonzero.
    tie = torch.from_numpy(np.flatnonzero(r.numpy() == 255))
    x[tie] = _as(torch.rand(tie.shape).mul_(255).lt(flat[tie]), dtype)
    return x.view(stored.shape)


def _as(bits: Tensor, dtype: torch.dtype) -> Tensor:
    # Through uint8, for torch converts that six times as fast as bool.
    return bits.view(torch.uint8).to(dtype)
