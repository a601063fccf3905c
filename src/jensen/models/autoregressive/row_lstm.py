"""Row LSTM: a PixelRNN whose layers take an image row by row.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, section 3.1.
"""

from __future__ import annotations

from torch import nn

from jensen.data.spec import Spec
from jensen.models.autoregressive.pixel_rnn import PixelRNN
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets.pixel_lstm import RowLSTM


def build(
    spec: Spec,
    *,
    width: int = 32,
    layers: int = 7,
    kernel_size: int = 7,
    output_width: int = 32,
    given: Given = "none",
) -> nn.Module:
    """A PixelRNN of row LSTM layers for images of bits, categories or 8-bit values.

    Args:
        spec: what x is.
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
        "row-lstm",
        RowLSTM,
        width=width,
        layers=layers,
        kernel_size=kernel_size,
        output_width=output_width,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
