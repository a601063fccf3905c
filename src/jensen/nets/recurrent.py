"""Recurrent networks for series: gated recurrent units (Cho et al., 2014) over time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.nets.convolutional import outputs_per_entry
from jensen.nets.inputs import Inputs


class GRU(nn.GRU):
    """One layer, (B, T, inputs) -> (B, T, units): torch's, which can be differentiated in evaluation too.

    cuDNN refuses that outside training, and sampling by gradients differentiates then. Without dropout training and
    evaluation are the same.
    """

    def __init__(self, inputs: int, units: int, bidirectional: bool = False) -> None:
        super().__init__(inputs, units, batch_first=True, bidirectional=bidirectional)

    def train(self, mode: bool = True) -> GRU:
        """Always in training."""
        return super().train(True)


class RecurrentEncoder(nn.Module):
    """Series (T, C) -> numbers: layers that read it both ways, and a linear layer from where each way ends.

    Args:
        spec: of x, event shape (T, C), or (T,) for one channel; levels of categories become channels.
        num_outputs: numbers for each series.
        hidden: units of each layer, each way.

    >>> import torch
    >>> RecurrentEncoder(Spec((30, 8), "real"), 4, hidden=(16,))(torch.zeros(5, 30, 8)).shape
    torch.Size([5, 4])
    """

    def __init__(self, spec: Spec, num_outputs: int, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        self.time = series_shape(spec, hidden)[0]
        self.inputs = Inputs(spec)
        widths = [torch.Size(self.inputs.event_shape).numel() // self.time, *(2 * units for units in hidden)]
        self.layers = nn.ModuleList(
            GRU(before, units, bidirectional=True) for before, units in zip(widths, hidden, strict=False)
        )
        self.output = nn.Linear(widths[-1], num_outputs)

    def forward(
        self, x: Shaped[Tensor, "batch *event"], start: Float[Tensor, "batch start"] | None = None
    ) -> Float[Tensor, "batch outputs"]:
        """(B, *event) -> (B, num_outputs). `start` is what the first layer starts from, each way, before its tanh."""
        steps = self.inputs(x).reshape(len(x), self.time, -1)
        both = None if start is None else start.unflatten(-1, (2, -1)).movedim(1, 0).tanh().to(steps.dtype)
        for place, layer in enumerate(self.layers):
            steps, last = layer(steps, both.contiguous()) if both is not None and place == 0 else layer(steps)
        return self.output(torch.cat([last[0], last[1]], -1))


class RecurrentDecoder(nn.Module):
    """Numbers -> P numbers for every entry of a series: layers that start from z and see it at each step.

    Args:
        spec: of x, event shape (T, C), or (T,) for one channel.
        num_inputs: Z.
        num_outputs: D P, with D = T C.
        hidden: units of each layer of the encoder, in its order.

    >>> import torch
    >>> decoder = RecurrentDecoder(Spec((30, 8), "real"), 2, 2 * 240, hidden=(16,))
    >>> decoder(torch.zeros(9, 5, 2)).unflatten(-1, (30, 8, 2)).shape
    torch.Size([9, 5, 30, 8, 2])
    """

    def __init__(self, spec: Spec, num_inputs: int, num_outputs: int, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        self.time, channels = series_shape(spec, hidden)
        per_entry = outputs_per_entry(spec, num_outputs, "recurrent")
        units = list(reversed(hidden))
        self.starts = nn.ModuleList(nn.Linear(num_inputs, width) for width in units)
        self.layers = nn.ModuleList(GRU(before, after) for before, after in itertools.pairwise([num_inputs, *units]))
        self.output = nn.Linear(units[-1], channels * per_entry)

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch outputs"]:
        """(..., Z) -> (..., D P), the P numbers of an entry side by side."""
        flat = z.reshape(-1, z.shape[-1])
        steps = flat[:, None].expand(-1, self.time, -1)
        for start, layer in zip(self.starts, self.layers, strict=True):
            steps, _ = layer(steps, start(flat).tanh().to(steps.dtype)[None])
        return self.output(steps).reshape(*z.shape[:-1], -1)

    def set_output_bias(self, values: Float[Tensor, " outputs"]) -> None:
        """Starts the outputs about the mean of `values` (D P) over time: all steps share one bias."""
        self.output.bias.data.copy_(values.view(self.time, -1).mean(0))


def series_shape(spec: Spec, hidden: Sequence[int]) -> tuple[int, int]:
    """(T, C), or an error that names the net which x would suit."""
    if len(spec.event_shape) not in (1, 2):
        raise JensenError(
            f"net=recurrent needs series (time, channels), got x of shape {spec.event_shape}: choose net=convolutional "
            "or net=dense"
        )
    if not hidden or min(hidden) < 1:
        raise JensenError(f"net=recurrent needs the units of each layer, got hidden={tuple(hidden)}: try 64")
    return spec.event_shape[0], (*spec.event_shape, 1)[1]
