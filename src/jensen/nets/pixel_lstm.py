"""The two layers of a PixelRNN: row LSTM and diagonal BiLSTM. Features are (H W, B, F), pixels in raster order.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, sections 3.1 to 3.4.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from jensen.nets.causal import ColumnWalk, MaskedConv2d
from jensen.nets.line_lstm import cell, diagonals, over_lines, rows, skewed


class RowLSTM(nn.Module):
    """x + U h, h by the LSTM whose lines are the rows: a pixel sees a triangle of those above, and its row to the left.

    K^is, from x to the gates, and K^ss, from the row above to them, are 3 wide.

    Args:
        height, width: of the image.
        hidden: h.
        channels: C of the image: R, G and B own a third of all features each.
    """

    margin = 0

    def __init__(self, height: int, width: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.size, self.lines = (height, width), rows(height, width)
        self.of_input = MaskedConv2d(2 * hidden, 4 * hidden, (1, 3), "B", channels, gates=4)  # K^is
        self.of_state = state_to_state(1, 3, hidden)  # K^ss
        self.upsample = MaskedConv2d(hidden, 2 * hidden, (1, 1), "B", channels)  # U

    def forward(self, x: Float[Tensor, "pixels batch features"]) -> Float[Tensor, "pixels batch features"]:
        """All pixels, a row at a time: (H W, B, 2 h), the same."""
        of_left, of_own = self.of_input.kernel()[:, :, 0, :2].unbind(-1)
        own = x.unflatten(0, self.size)
        left = functional.pad(own, (0, 0, 0, 0, 1, 0))[:, :-1]
        gates = functional.linear(torch.cat([left, own], -1), torch.cat([of_left, of_own], 1), self.of_input.bias)
        return x + self.upsample.pointwise()(over_lines(gates.flatten(0, 1)[None], self.of_state, self.lines)[0])

    def walk(self, num_samples: int) -> RowLSTMWalk:
        """The same for one pixel after another of N images."""
        return RowLSTMWalk(self, num_samples)


class DiagonalBiLSTM(nn.Module):
    """x + U h, h by LSTMs along the diagonals from the left and from the right: a pixel sees all before it.

    Each goes down the image, and reaches a pixel from the one beside it and the one above. What the one from the right
    has found is moved down by a row before the two are added, or it would show a pixel those to its right.

    Args:
        height, width: of the image.
        hidden: h.
        channels: C of the image: R, G and B own a third of all features each.
    """

    order: Tensor
    # Columns beside the image. The first convolution keeps each pixel from its own features: those of the column to its
    # right are the first that have it, and for the last pixel of a row there would be none to start from.
    margin = 1

    def __init__(self, height: int, width: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.size, self.lines = (height, width), diagonals(height, width)
        self.of_input = MaskedConv2d(2 * hidden, 8 * hidden, (1, 1), "B", channels, gates=8)  # K^is of both
        self.of_state = state_to_state(2, 2, hidden)  # K^ss
        self.upsample = MaskedConv2d(hidden, 2 * hidden, (1, 1), "B", channels)  # U
        order = torch.stack([skewed(height, width), skewed(height, width, from_right=True)])
        self.register_buffer("order", order, persistent=False)

    def both(self) -> tuple[Float[Tensor, "ways features gates"], Float[Tensor, "ways 1 gates"]]:
        """K^is and its bias of the one from the left, and of the one from the right."""
        weight, bias = self.of_input.kernel()[:, :, 0, 0], cast(Tensor, self.of_input.bias)
        return weight.unflatten(0, (2, -1)).mT, bias.view(2, 1, -1)

    def forward(self, x: Float[Tensor, "pixels batch features"]) -> Float[Tensor, "pixels batch features"]:
        """All pixels, a diagonal at a time: (H W, B, 2 h), the same."""
        weight, bias = self.both()
        skew = x.index_select(0, self.order.flatten()).view(2, -1, x.shape[2])
        gates = torch.baddbmm(bias, skew, weight).unflatten(1, x.shape[:2])
        h = over_lines(gates, self.of_state, self.lines)
        left, right = (part.index_select(0, order.argsort()) for part, order in zip(h, self.order, strict=True))
        moved = functional.pad(right[: -self.size[1]], (0, 0, 0, 0, self.size[1], 0))
        return x + self.upsample.pointwise()(left + moved)

    def walk(self, num_samples: int) -> DiagonalBiLSTMWalk:
        """The same for one pixel after another of N images."""
        return DiagonalBiLSTMWalk(self, num_samples)


def state_to_state(ways: int, width: int, hidden: int) -> nn.Parameter:
    """K^ss of as many LSTMs, (D, k h, 4 h), where it begins."""
    seen = width * hidden
    return nn.Parameter(torch.empty(ways, seen, 4 * hidden).uniform_(-1, 1) / seen**0.5)


class RowLSTMWalk:
    """A row LSTM one pixel after another: K^ss for a whole row when it begins, the rest at the pixel.

    Args:
        layer: the layer.
        num_samples: N.
    """

    def __init__(self, layer: RowLSTM, num_samples: int) -> None:
        self.kernel, self.upsample = layer.of_state[0], layer.upsample.pointwise()
        self.of_input = ColumnWalk(layer.of_input, num_samples, layer.size[1])
        width, hidden = layer.size[1], layer.upsample.in_channels
        self.states = self.kernel.new_zeros(width + 2, num_samples, hidden)  # the row above, then more and more of this
        self.contents = self.before = self.kernel.new_zeros(width, num_samples, hidden)

    def begin_row(self) -> None:
        """What the row above says."""
        window = torch.cat([self.states[:-2], self.states[1:-1], self.states[2:]], -1)
        self.of_input.begin_row((window @ self.kernel).permute(1, 2, 0))
        self.before, self.contents = self.contents, torch.empty_like(self.contents)

    def __call__(self, column: int, x: Float[Tensor, "samples features"]) -> Float[Tensor, "samples features"]:
        """What the layer gives at this column, where x is what it takes: (N, 2 h), the same. The last call counts."""
        content = self.contents[column].copy_(self.before[column])
        h = self.states[1 + column] = cell(self.of_input(column, x), content)
        return x + self.upsample(h)


class DiagonalBiLSTMWalk:
    """A diagonal BiLSTM one pixel after another: from the left at the pixel, from the right, which is moved down by a
    row, along the whole row above when a row begins.

    Args:
        layer: the layer.
        num_samples: N.
    """

    def __init__(self, layer: DiagonalBiLSTM, num_samples: int) -> None:
        self.of_input, self.bias = layer.both()
        self.above, self.beside = layer.of_state.chunk(2, 1)
        self.upsample = layer.upsample.pointwise()
        width, hidden = layer.size[1], layer.upsample.in_channels
        self.row = 0
        self.x = self.above.new_zeros(width, num_samples, 2 * hidden)  # the row above, then more and more of this
        self.states = self.above.new_zeros(width + 1, num_samples, hidden)  # the same, after zeros before column 0
        self.contents = torch.zeros_like(self.states)
        self.start = self.above.new_zeros(width, num_samples, 4 * hidden)  # of the gates, by what is above
        self.moved = torch.zeros_like(self.states[1:])  # from the right, of the row above

    def begin_row(self) -> None:
        """What the row above says."""
        if self.row:
            self.moved = self._from_right()
        self.row += 1
        self.start = self.states[1:] @ self.above[0] + self.bias[0]

    def __call__(self, column: int, x: Float[Tensor, "samples features"]) -> Float[Tensor, "samples features"]:
        """What the layer gives at this column, where x is what it takes: (N, 2 h), the same. The last call counts."""
        self.x[column] = x
        gates = torch.addmm(self.start[column], x, self.of_input[0]).addmm_(self.states[column], self.beside[0])
        content = self.contents[column + 1].copy_(self.contents[column])
        h = self.states[column + 1] = cell(gates, content)
        return x + self.upsample(h + self.moved[column])

    def _from_right(self) -> Float[Tensor, "width samples hidden"]:
        gates = self.x @ self.of_input[1] + self.moved @ self.above[1] + self.bias[1]
        states, content = torch.zeros_like(self.states), torch.zeros_like(self.contents[0])
        for column in reversed(range(len(gates))):
            states[column] = cell(gates[column].addmm_(states[column + 1], self.beside[1]), content)
        return states[:-1]
