"""Gated PixelCNN: a stack of convolutions down the rows above and one along the row, which see every pixel before.

Source: van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves and Kavukcuoglu (2016), Conditional image generation with
PixelCNN decoders, section 2.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.models.autoregressive.pixels import Pixelwise, check_layers
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets.causal import CausalConv2d, ColumnWalk, Mask, MaskedConv2d, OutputLayers, RowWalk


class GatedLayer(nn.Module):
    """v' = gate(n x n v + V y),  h' = h + 1 x 1 gate(1 x n h + 1 x 1 (n x n v) + U y),  gate(a, b) = tanh a sigmoid b.

    v at a pixel is of the rows above alone, h of all pixels before. The first layer, whose h is the image, has mask A
    and leaves out "h +".

    Args:
        inputs: features that come.
        width: p, features that go.
        kernel_size: n.
        mask: of the 1 x n convolution.
        channels: C, of the image.
        num_conditions: how many numbers y there are.
    """

    def __init__(
        self, inputs: int, width: int, kernel_size: int, mask: Mask, channels: int, num_conditions: int
    ) -> None:
        super().__init__()
        self.is_first = mask == "A"
        self.down = CausalConv2d(inputs, 2 * width, (kernel_size, kernel_size), above=self.is_first)
        self.link = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.across = MaskedConv2d(inputs, 2 * width, (1, kernel_size), mask, channels, gates=2)
        self.outward = MaskedConv2d(width, width, (1, 1), "B", channels)
        self.of_condition = nn.Linear(num_conditions, 4 * width, bias=False) if num_conditions else None

    def forward(
        self,
        v: Float[Tensor, "batch inputs height columns"],
        h: Float[Tensor, "batch inputs height columns"],
        y: Float[Tensor, "batch conditions"] | None,
    ) -> tuple[Float[Tensor, "batch width height columns"], Float[Tensor, "batch width height columns"]]:
        """v, h (B, F, H, W) -> (B, p, H, W) each."""
        into_v, plus = self.from_above(self.down(v), y)
        out = self.outward(gate(self.across(h) + plus))
        return gate(into_v), out if self.is_first else h + out

    def from_above(
        self, into_v: Float[Tensor, "batch twice height columns"], y: Float[Tensor, "batch conditions"] | None
    ) -> tuple[Float[Tensor, "batch twice height columns"], Float[Tensor, "batch twice height columns"]]:
        """Of what the convolution of v gives: what goes into the gate of v, and what is added in that of h."""
        if self.of_condition is None:
            return into_v, self.link(into_v)
        of_v, of_h = self.of_condition(y)[:, :, None, None].chunk(2, 1)
        return into_v + of_v, self.link(into_v) + of_h


class GatedPixelCNN(Pixelwise):
    """r(x): gated layers, and two layers of 1 x 1 on the last h.

    Args:
        spec: what x is.
        width: p, features of each stack.
        layers: how many layers.
        kernel_size: of the first layer; that of the others is 3.
        output_width: features of the layer before the last.
        num_conditions: how many numbers y x is given: every gate takes V y.
    """

    def __init__(
        self, spec: Spec, *, width: int, layers: int, kernel_size: int, output_width: int, num_conditions: int = 0
    ) -> None:
        super().__init__(spec, "gated-pixelcnn")
        check_layers(spec, kernel_size, width=width, layers=layers, output_width=output_width)
        channels = spec.event_shape[0]
        self.layers = nn.ModuleList(
            GatedLayer(width, width, 3, "B", channels, num_conditions)
            if place
            else GatedLayer(channels, width, kernel_size, "A", channels, num_conditions)
            for place in range(layers)
        )
        self.output = OutputLayers(width, output_width, self.bias.numel(), channels)

    def raw(
        self, x: Float[Tensor, "batch channels height width"], y: Float[Tensor, "batch conditions"] | None
    ) -> Float[Tensor, "batch outputs height width"]:
        """All pixels at once."""
        v = h = x.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            v, h = layer(v, h, y)
        return self.output(h)

    def pixel_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None) -> OnePixel:
        """One pixel after another."""
        return OnePixel(self, num_samples, y)


class OnePixel:
    """The network asked for one pixel after another: v a row at a time, h a pixel at a time.

    Args:
        model: the model.
        num_samples: N.
        y: (N, Y), what x is given.
    """

    def __init__(self, model: GatedPixelCNN, num_samples: int, y: Tensor | None) -> None:
        width = model.spec.event_shape[2]
        self.layers, self.y = cast(list[GatedLayer], list(model.layers)), y
        self.downs = [RowWalk(layer.down.kernel(), layer.down.bias, num_samples, width) for layer in self.layers]
        self.acrosses = [ColumnWalk(layer.across, num_samples, width) for layer in self.layers]
        self.outwards = [layer.outward.pointwise() for layer in self.layers]
        self.output = model.output.pointwise()

    def begin_row(self) -> None:
        """The stack down the rows, and what it adds along this one."""
        v = self.acrosses[0].last_row()
        for layer, down, across in zip(self.layers, self.downs, self.acrosses, strict=True):
            into_v, plus = layer.from_above(down(v)[:, :, None], self.y)
            across.begin_row(plus[:, :, 0])
            v = gate(into_v)[:, :, 0]

    def raw(self, column: int, pixel: Float[Tensor, "samples channels"]) -> Float[Tensor, "samples outputs"]:
        """(N, C) -> (N, C P)."""
        h = self.outwards[0](gate(self.acrosses[0](column, pixel)))
        for across, outward in zip(self.acrosses[1:], self.outwards[1:], strict=True):
            h = h + outward(gate(across(column, h)))
        return self.output(h)

    def end_pixel(self, column: int, pixel: Float[Tensor, "samples channels"]) -> None:
        """Its last channel is there."""
        self.acrosses[0].put(column, pixel)


def gate(into: Float[Tensor, "batch twice *image"]) -> Float[Tensor, "batch width *image"]:
    """tanh(a) sigmoid(b), a and b the halves of the features."""
    a, b = into.chunk(2, 1)
    return a.tanh() * b.sigmoid()


def build(
    spec: Spec,
    *,
    width: int = 32,
    layers: int = 15,
    kernel_size: int = 7,
    output_width: int = 32,
    given: Given = "none",
) -> nn.Module:
    """A gated PixelCNN for images of bits, categories or 8-bit values.

    Args:
        spec: what x is.
        width: features of each of the two stacks.
        layers: how many gated layers.
        kernel_size: of the first layer, odd.
        output_width: features of the layer before the last.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is no such image, or too small for the kernel.

    >>> model = build(Spec((1, 4, 4), "binary"), width=8, layers=2, kernel_size=3)
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    condition = condition_for(spec, given)
    density = GatedPixelCNN(
        spec,
        width=width,
        layers=layers,
        kernel_size=kernel_size,
        output_width=output_width,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
