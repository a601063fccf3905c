"""PixelRNN: residual layers of LSTMs that go over the image line by line.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from jensen.data.spec import Spec
from jensen.errors import unknown
from jensen.models.autoregressive.pixels import Pixelwise, check_layers
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets.causal import ColumnWalk, MaskedConv2d, OutputLayers
from jensen.nets.pixel_lstm import DiagonalBiLSTM, RowLSTM

Layer = Literal["row", "diagonal"]


class PixelRNN(Pixelwise):
    """r(x): a convolution with mask A, residual LSTM layers with mask B, and two layers of 1 x 1 (the paper's table 1).

    Args:
        spec: what x is.
        layer: "row" LSTMs go over the image row by row, "diagonal" BiLSTMs diagonal by diagonal, from both sides.
        width: 2 h, features between the layers; inside them h, and 4 h gates.
        layers: how many.
        kernel_size: of the first convolution.
        output_width: features of the layer before the last.
        num_conditions: how many numbers y x is given: V y is added to what the first convolution gives.
    """

    def __init__(
        self,
        spec: Spec,
        layer: Layer,
        *,
        width: int,
        layers: int,
        kernel_size: int,
        output_width: int,
        num_conditions: int = 0,
    ) -> None:
        if layer not in get_args(Layer):
            raise unknown("layer", layer, get_args(Layer))
        super().__init__(spec, "row-lstm" if layer == "row" else "diagonal-bilstm")
        lstm = RowLSTM if layer == "row" else DiagonalBiLSTM
        check_layers(spec, kernel_size, width=width, layers=layers, output_width=output_width)
        channels, rows, columns = spec.event_shape
        hidden = max(width // 2, channels)
        self.margin = lstm.margin
        self.first = MaskedConv2d(channels, 2 * hidden, (kernel_size, kernel_size), "A", channels)
        self.layers = nn.ModuleList(lstm(rows, columns + self.margin, hidden, channels) for _ in range(layers))
        self.output = OutputLayers(2 * hidden, output_width, self.bias.numel(), channels)
        self.of_condition = nn.Linear(num_conditions, 2 * hidden, bias=False) if num_conditions else None

    def raw(
        self, x: Float[Tensor, "batch channels height width"], y: Float[Tensor, "batch conditions"] | None
    ) -> Float[Tensor, "batch outputs height width"]:
        """All pixels, line by line; features are (H W, B, 2 h), so that a line is one block of memory."""
        height, width = x.shape[2:]
        h = self.first(functional.pad(x, (0, self.margin)))
        if self.of_condition is not None:
            h = h + self.of_condition(y)[:, :, None, None]
        h = h.flatten(2).permute(2, 0, 1).contiguous()
        for layer in self.layers:
            h = layer(h)
        h = h.unflatten(0, (height, -1))[:, :width]
        return self.output.pointwise()(h).permute(2, 3, 0, 1)

    def pixel_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None) -> OnePixel:
        """One pixel after another."""
        return OnePixel(self, num_samples, 0.0 if self.of_condition is None else self.of_condition(y)[:, :, None])


class OnePixel:
    """The network asked for one pixel after another: every layer keeps its last states.

    Args:
        model: the model.
        num_samples: N.
        plus: (N, 2 h, 1), what is added to what the first convolution gives.
    """

    def __init__(self, model: PixelRNN, num_samples: int, plus: Tensor | float) -> None:
        channels, _, self.width = model.spec.event_shape
        self.first, self.plus = ColumnWalk(model.first, num_samples, self.width + model.margin), plus
        self.beside, self.row = model.bias.new_zeros(model.margin, num_samples, channels), 0
        self.layers = [layer.walk(num_samples) for layer in cast(list[RowLSTM | DiagonalBiLSTM], list(model.layers))]
        self.output = model.output.pointwise()

    def begin_row(self) -> None:
        """What the rows above say, for every layer."""
        if self.row:
            for column, pixel in enumerate(self.beside, self.width):
                self._features(column, pixel)
        self.row += 1
        self.first.begin_row(self.plus)
        for layer in self.layers:
            layer.begin_row()

    def raw(self, column: int, pixel: Float[Tensor, "samples channels"]) -> Float[Tensor, "samples outputs"]:
        """(N, C) -> (N, C P)."""
        return self.output(self._features(column, pixel))

    def end_pixel(self, column: int, pixel: Float[Tensor, "samples channels"]) -> None:
        """Its last channel is there."""
        self.first.put(column, pixel)

    def _features(self, column: int, pixel: Tensor) -> Tensor:
        h = self.first(column, pixel)
        for layer in self.layers:
            h = layer(column, h)
        return h


def build(
    spec: Spec,
    *,
    layer: Layer = "row",
    width: int = 32,
    layers: int = 7,
    kernel_size: int = 7,
    output_width: int = 32,
    given: Given = "none",
) -> nn.Module:
    """A PixelRNN for images of bits, categories or 8-bit values.

    Args:
        spec: what x is.
        layer: "row" LSTMs (section 3.1) or "diagonal" BiLSTMs (section 3.2).
        width: features between the layers, twice the h of the LSTMs.
        layers: how many LSTM layers.
        kernel_size: of the first convolution, odd.
        output_width: features of the layer before the last.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is no such image, or too small for the kernel.

    >>> model = build(Spec((1, 4, 4), "binary"), width=8, layers=1, kernel_size=3)
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    condition = condition_for(spec, given)
    density = PixelRNN(
        spec,
        layer,
        width=width,
        layers=layers,
        kernel_size=kernel_size,
        output_width=output_width,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
