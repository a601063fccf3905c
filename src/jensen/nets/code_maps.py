"""Networks between x and a map of vectors: an encoder that keeps places apart, and its mirror image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.nets.convolutional import halved, image_shape, outputs_per_entry
from jensen.nets.inputs import Inputs
from jensen.nets.mlp import activation
from jensen.nets.networks import decoder, encoder

MapNet = Literal["dense", "convolutional"]


class Residual(nn.Module):
    """x + f(x), f = 1 x 1 of 3 x 3 convolutions, each behind a ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Of the same shape."""
        return x + self.block(x)


class MapEncoder(nn.Module):
    """Images (C, H, W) -> vectors on a grid (B, h, w, E): strided convolutions, residual blocks, a 1 x 1 convolution.

    Args:
        spec: of x.
        width: E.
        hidden: channels of each stage, which halves both sides, rounding up.
        num_residual: blocks after the stages.
        nonlinearity: between the stages.
    """

    def __init__(
        self, spec: Spec, width: int, hidden: Sequence[int], num_residual: int = 0, nonlinearity: str = "relu"
    ) -> None:
        super().__init__()
        _, height, across = image_shape(spec)
        self.map_shape = halved(height, across, hidden)[-1]
        self.inputs = Inputs(spec)
        channels = torch.Size(self.inputs.event_shape).numel() // (height * across)
        stages: list[nn.Module] = []
        for before, after in itertools.pairwise([channels, *hidden]):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), activation(nonlinearity)]
        blocks = [Residual(hidden[-1]) for _ in range(num_residual)]
        self.stages = nn.Sequential(*stages, *blocks, nn.Conv2d(hidden[-1], width, 1))

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch height width embedding"]:
        """(B, *event) -> (B, h, w, E)."""
        x = self.inputs(x)
        if x.ndim == 5:  # (B, C, H, W, levels)
            x = x.movedim(-1, 2).flatten(1, 2)
        return self.stages(x.contiguous(memory_format=torch.channels_last)).movedim(1, -1)


class MapDecoder(nn.Module):
    """Vectors on a grid (..., h, w, E) -> P numbers for every entry of an image, (..., D P): `MapEncoder` backwards.

    There is one bias for each output of each entry.
    """

    def __init__(
        self,
        spec: Spec,
        width: int,
        num_outputs: int,
        hidden: Sequence[int],
        num_residual: int = 0,
        nonlinearity: str = "relu",
    ) -> None:
        super().__init__()
        per_entry = outputs_per_entry(spec, num_outputs, "convolutional")
        channels, height, across = image_shape(spec)
        sizes = halved(height, across, hidden)
        stages: list[nn.Module] = [nn.Conv2d(width, hidden[-1], 3, padding=1)]
        stages += [Residual(hidden[-1]) for _ in range(num_residual)]
        depths = [channels * per_entry, *hidden]
        for place in reversed(range(len(hidden))):
            # Without output_padding a side of n becomes 2 n - 1, which is right where the encoder halved an odd one.
            even = 1 - sizes[place][0] % 2, 1 - sizes[place][1] % 2
            stages += [
                activation(nonlinearity),
                nn.ConvTranspose2d(
                    depths[place + 1], depths[place], 3, stride=2, padding=1, output_padding=even, bias=place > 0
                ),
            ]
        self.stages = nn.Sequential(*stages)
        self.bias = nn.Parameter(torch.zeros(*spec.event_shape, per_entry))

    def forward(self, z: Float[Tensor, "*batch height width embedding"]) -> Float[Tensor, "*batch outputs"]:
        """(..., h, w, E) -> (..., D P), the P numbers of an entry side by side."""
        x = self.stages(z.reshape(-1, *z.shape[-3:]).movedim(-1, 1))
        x = x.unflatten(1, (len(self.bias), -1)).movedim(2, -1) + self.bias
        return x.reshape(*z.shape[:-3], self.bias.numel())

    def set_output_bias(self, values: Float[Tensor, " outputs"]) -> None:
        """Starts the outputs about `values` (D P)."""
        self.bias.data.copy_(values.view_as(self.bias))


class DenseMapEncoder(nn.Module):
    """x of any shape -> `places` vectors (B, 1, places, E), by a dense network."""

    def __init__(self, spec: Spec, width: int, places: int, hidden: Sequence[int], nonlinearity: str = "relu") -> None:
        super().__init__()
        self.map_shape = (1, places)
        self.net = encoder(spec, places * width, "dense", hidden, nonlinearity)
        self.width = width

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch height width embedding"]:
        """(B, *event) -> (B, 1, places, E)."""
        return self.net(x).unflatten(-1, (*self.map_shape, self.width))


class DenseMapDecoder(nn.Module):
    """Vectors (..., 1, places, E) -> (..., D P), by a dense network."""

    def __init__(
        self,
        spec: Spec,
        width: int,
        places: int,
        num_outputs: int,
        hidden: Sequence[int],
        nonlinearity: str = "relu",
    ) -> None:
        super().__init__()
        self.net = decoder(spec, places * width, num_outputs, "dense", hidden, nonlinearity)

    def forward(self, z: Float[Tensor, "*batch height width embedding"]) -> Float[Tensor, "*batch outputs"]:
        """(..., 1, places, E) -> (..., D P)."""
        return self.net(z.flatten(-3))
