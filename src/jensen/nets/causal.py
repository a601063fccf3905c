"""Convolutions of images that see no pixel that comes later in raster order.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, figure 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

Mask = Literal["A", "B"]


class CausalConv2d(nn.Conv2d):
    """A convolution whose output at a pixel sees the rows above and, of its own row, all columns alike.

    Of a kernel k x l the rows below the middle would be masked, and are not there: k // 2 + 1 of them are kept.

    Args:
        inputs, outputs: numbers of features.
        kernel: (k, l), both odd.
        above: leaves the pixel's own row out as well: k // 2 rows are kept.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], *, above: bool = False, bias: bool = True
    ) -> None:
        self.above = above
        rows, columns = kernel[0] // 2 + (not above), kernel[1]
        super().__init__(inputs, outputs, (rows, columns), padding=(0, columns // 2), bias=bias)

    def kernel(self) -> Float[Tensor, "outputs inputs rows columns"]:
        """The weights that are used."""
        return self.weight

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """(B, F, H, W) -> (B, G, H, W)."""
        rows = self.kernel_size[0]
        if rows > 1 or self.above:
            x = functional.pad(x, (0, 0, rows, -1) if self.above else (0, 0, rows - 1, 0))
        return functional.conv2d(x, self.kernel(), self.bias, padding=(0, self.kernel_size[1] // 2))


class MaskedConv2d(CausalConv2d):
    """The same where, of the pixel's own row, an output sees the columns to its left, and of the pixel itself what the
    mask allows.

    Features belong to the channels of the image, R, G and B, in as many consecutive parts. At the pixel itself, under
    mask A an output sees the parts of the channels before its own, under mask B that of its own too; one channel alone
    sees nothing under A, and itself under B. A network whose first layer has mask A, and all others B, has the
    conditionals of R, then of G given R, then of B given both.

    Args:
        inputs, outputs: numbers of features.
        kernel: (k, l), both odd: (1, l) sees its own row alone, (1, 1) its own pixel.
        mask: "A" or "B".
        channels: C, of the image.
        gates: outputs are so many sets of features, one after another, each with its parts.
    """

    mask: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        mask: Mask,
        channels: int = 1,
        *,
        gates: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, bias=bias)
        middle = kernel[1] // 2
        seen = torch.ones_like(self.weight, requires_grad=False)
        seen[:, :, -1, middle + 1 :] = 0
        own, other = channel_of(outputs // gates, channels).repeat(gates), channel_of(inputs, channels)
        seen[:, :, -1, middle] = (own[:, None] > other if mask == "A" else own[:, None] >= other).to(seen)
        self.register_buffer("mask", seen, persistent=False)

    def kernel(self) -> Float[Tensor, "outputs inputs rows columns"]:
        """M ∘ W."""
        return self.mask * self.weight

    def pointwise(self) -> Callable[[Tensor], Tensor]:
        """Of a 1 x 1 kernel: what it does at one pixel, (N, F) -> (N, G)."""
        weight = self.kernel()[:, :, 0, 0].contiguous()
        return lambda x: functional.linear(x, weight, self.bias)


def channel_of(num_features: int, channels: int) -> Int[Tensor, " features"]:
    """The channel that each feature belongs to.

    >>> channel_of(6, 3)
    tensor([0, 0, 1, 1, 2, 2])
    """
    return torch.arange(num_features) * channels // num_features


class OutputLayers(nn.Module):
    """ReLU, 1 x 1, ReLU, 1 x 1: from the features of a pixel to the numbers of each of its channels, with mask B.

    Args:
        width: features that come.
        hidden: features between.
        outputs: numbers that go, those of a channel side by side; they have no bias.
        channels: C.
    """

    def __init__(self, width: int, hidden: int, outputs: int, channels: int) -> None:
        super().__init__()
        self.hidden = MaskedConv2d(width, hidden, (1, 1), "B", channels)
        self.last = MaskedConv2d(hidden, outputs, (1, 1), "B", channels, bias=False)

    def forward(self, h: Float[Tensor, "batch width height columns"]) -> Float[Tensor, "batch outputs height columns"]:
        """(B, F, H, W) -> (B, G, H, W)."""
        return self.last(self.hidden(h.relu()).relu())

    def pointwise(self) -> Callable[[Tensor], Tensor]:
        """The same at one pixel, (N, F) -> (N, G)."""
        hidden, last = self.hidden.pointwise(), self.last.pointwise()
        return lambda h: last(hidden(h.relu()).relu())


class RowWalk:
    """A convolution down an image, one row after another.

    Args:
        kernel: its weights, (G, F, k, l).
        bias: (G,), or None.
        num_samples, width: N and W of its input.
    """

    def __init__(
        self,
        kernel: Float[Tensor, "outputs inputs rows columns"],
        bias: Float[Tensor, " outputs"] | None,
        num_samples: int,
        width: int,
    ) -> None:
        self.kernel, self.bias = kernel, bias
        self.seen = kernel.new_zeros(num_samples, kernel.shape[1], kernel.shape[2], width)

    def __call__(self, row: Float[Tensor, "samples inputs width"]) -> Float[Tensor, "samples outputs width"]:
        """What it gives where this row is the last that it sees, (N, F, W) -> (N, G, W)."""
        self.seen = torch.cat([self.seen[:, :, 1:], row[:, :, None]], 2)
        y = functional.conv2d(self.seen, self.kernel, self.bias, padding=(0, self.kernel.shape[3] // 2))
        return y[:, :, 0]


class ColumnWalk:
    """A `MaskedConv2d` one pixel after another: what the rows above say is found once a row, for all its columns.

    Args:
        conv: the convolution.
        num_samples, width: N and W of its input.
    """

    def __init__(self, conv: MaskedConv2d, num_samples: int, width: int) -> None:
        kernel, self.inputs, self.reach = conv.kernel(), conv.in_channels, conv.kernel_size[1] // 2
        above, own = kernel[:, :, :-1], kernel[:, :, -1, : self.reach + 1]
        self.above = RowWalk(above, conv.bias, num_samples, width) if above.shape[2] else None
        self.bias = torch.zeros_like(kernel[:, 0, 0, 0]) if conv.bias is None else conv.bias
        self.own = own.permute(2, 1, 0).flatten(0, 1).contiguous()  # (columns F, G)
        self.row = kernel.new_zeros(num_samples, self.reach + width, self.inputs)  # what it sees of its own row
        self.start = self.bias.expand(width, num_samples, -1)  # what is known of the output when the row begins

    def last_row(self) -> Float[Tensor, "samples inputs width"]:
        """The row before the one that begins next, zeros before the first."""
        return self.row[:, self.reach :].transpose(1, 2)

    def begin_row(self, plus: Float[Tensor, "samples outputs columns"] | float = 0.0) -> None:
        """The next row begins; `plus` is added to its outputs: one for each column, or one for all."""
        start = self.bias[:, None] if self.above is None else self.above(self.last_row())
        self.start = (start + plus).expand(len(self.row), -1, self.start.shape[0]).permute(2, 0, 1).contiguous()

    def put(self, column: int, x: Float[Tensor, "samples inputs"]) -> None:
        """x stands at this column."""
        self.row[:, self.reach + column] = x

    def __call__(self, column: int, x: Float[Tensor, "samples inputs"]) -> Float[Tensor, "samples outputs"]:
        """The output at this column, where x stands in it: (N, F) -> (N, G)."""
        self.put(column, x)
        seen = self.row.flatten(1)[:, column * self.inputs : (column + self.reach + 1) * self.inputs]
        return torch.addmm(self.start[column], seen, self.own)
