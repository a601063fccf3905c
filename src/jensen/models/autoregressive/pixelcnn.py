"""PixelCNN: residual blocks of masked convolutions.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, sections 3.3 to 3.5.
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
from jensen.nets.causal import ColumnWalk, MaskedConv2d, OutputLayers


class Block(nn.Module):
    """h + 1 x 1 (ReLU 3 x 3 (ReLU 1 x 1 (ReLU h))), of 2f, f, f and 2f features; all masks are B."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        half = max(width // 2, channels)
        self.inward = MaskedConv2d(width, half, (1, 1), "B", channels)
        self.across = MaskedConv2d(half, half, (3, 3), "B", channels)
        self.outward = MaskedConv2d(half, width, (1, 1), "B", channels)

    def forward(self, h: Float[Tensor, "batch width height columns"]) -> Float[Tensor, "batch width height columns"]:
        """(B, 2f, H, W), the same."""
        return h + self.outward(self.across(self.inward(h.relu()).relu()).relu())


class PixelCNN(Pixelwise):
    """r(x): a convolution with mask A, residual blocks with mask B, and two layers of 1 x 1.

    A stack of masked convolutions does not see all pixels before: a layer reaches to the right only where it reaches
    up, so that what lies right of a slanted line through the rows above stays in a blind spot, whatever the depth (van
    den Oord et al. 2016, Conditional image generation with PixelCNN decoders, figure 1).

    Args:
        spec: what x is.
        width: 2f, features of the residual stream.
        blocks: how many residual blocks.
        kernel_size: of the first layer; that of the blocks is 3.
        output_width: features of the layer before the last.
        num_conditions: how many numbers y x is given: V y is added to what the first layer gives.
    """

    def __init__(
        self, spec: Spec, *, width: int, blocks: int, kernel_size: int, output_width: int, num_conditions: int = 0
    ) -> None:
        super().__init__(spec, "pixelcnn")
        check_layers(spec, kernel_size, width=width, blocks=blocks, output_width=output_width)
        channels = spec.event_shape[0]
        self.first = MaskedConv2d(channels, width, (kernel_size, kernel_size), "A", channels)
        self.blocks = nn.ModuleList(Block(width, channels) for _ in range(blocks))
        self.output = OutputLayers(width, output_width, self.bias.numel(), channels)
        self.of_condition = nn.Linear(num_conditions, width, bias=False) if num_conditions else None

    def raw(
        self, x: Float[Tensor, "batch channels height width"], y: Float[Tensor, "batch conditions"] | None
    ) -> Float[Tensor, "batch outputs height width"]:
        """All pixels at once."""
        h = self.first(x.contiguous(memory_format=torch.channels_last))
        if self.of_condition is not None:
            h = h + self.of_condition(y)[:, :, None, None]
        for block in self.blocks:
            h = block(h)
        return self.output(h)

    def pixel_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None) -> OnePixel:
        """One pixel after another."""
        return OnePixel(self, num_samples, 0.0 if self.of_condition is None else self.of_condition(y)[:, :, None])


class OnePixel:
    """The network asked for one pixel after another: no layer is found twice at any of them, with one channel.

    Args:
        model: the model.
        num_samples: N.
        plus: (N, 2f, 1), what is added to what the first layer gives.
    """

    def __init__(self, model: PixelCNN, num_samples: int, plus: Tensor | float) -> None:
        width = model.spec.event_shape[2]
        self.first, self.plus = ColumnWalk(model.first, num_samples, width), plus
        self.blocks = [
            (block.inward.pointwise(), ColumnWalk(block.across, num_samples, width), block.outward.pointwise())
            for block in cast(list[Block], list(model.blocks))
        ]
        self.output = model.output.pointwise()

    def begin_row(self) -> None:
        """What the rows above say, for every layer."""
        self.first.begin_row(self.plus)
        for _, across, _ in self.blocks:
            across.begin_row()

    def raw(self, column: int, pixel: Float[Tensor, "samples channels"]) -> Float[Tensor, "samples outputs"]:
        """(N, C) -> (N, C P)."""
        h = self.first(column, pixel)
        for inward, across, outward in self.blocks:
            h = h + outward(across(column, inward(h.relu()).relu_()).relu_())
        return self.output(h)

    def end_pixel(self, column: int, pixel: Float[Tensor, "samples channels"]) -> None:
        """Its last channel is there."""
        self.first.put(column, pixel)


def build(
    spec: Spec,
    *,
    width: int = 32,
    blocks: int = 15,
    kernel_size: int = 7,
    output_width: int = 32,
    given: Given = "none",
) -> nn.Module:
    """A PixelCNN for images of bits, categories or 8-bit values.

    Args:
        spec: what x is.
        width: features of the residual stream; inside a block half as many.
        blocks: how many residual blocks.
        kernel_size: of the first layer, odd.
        output_width: features of the layer before the last.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is no such image, or too small for the kernel.

    >>> model = build(Spec((1, 4, 4), "binary"), width=8, blocks=1, kernel_size=3)
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    condition = condition_for(spec, given)
    density = PixelCNN(
        spec,
        width=width,
        blocks=blocks,
        kernel_size=kernel_size,
        output_width=output_width,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
