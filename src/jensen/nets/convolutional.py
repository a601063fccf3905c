"""Convolutional networks for images of any size: the encoder halves, the decoder doubles back to the same sizes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.nets.inputs import Inputs
from jensen.nets.mlp import activation


class ConvolutionalEncoder(nn.Module):
    """Images (C, H, W) -> numbers: 3 x 3 convolutions that halve height and width, rounding up; then linear layers.

    Args:
        spec: of x; the levels of categorical pixels become channels.
        num_outputs: numbers for each image.
        hidden: channels of each stage.
        nonlinearity: the activation's name, after every stage and dense layer.
        dense: widths of the layers between the stages and the outputs.

    >>> import torch
    >>> encoder = ConvolutionalEncoder(Spec((3, 5, 7), "unit"), 4, hidden=(8, 16))
    >>> encoder(torch.zeros(2, 3, 5, 7)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        spec: Spec,
        num_outputs: int,
        hidden: Sequence[int] = (32, 64),
        nonlinearity: str = "elu",
        dense: Sequence[int] = (),
    ) -> None:
        super().__init__()
        _, height, width = image_shape(spec)
        smallest = halved(height, width, hidden)[-1]
        self.inputs = Inputs(spec)
        stages: list[nn.Module] = []
        channels = torch.Size(self.inputs.event_shape).numel() // (height * width)
        for before, after in itertools.pairwise([channels, *hidden]):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), activation(nonlinearity)]
        self.stages = nn.Sequential(*stages)
        widths = [hidden[-1] * torch.Size(smallest).numel(), *dense]
        self.dense = dense_layers(widths, nonlinearity)
        self.output = nn.Linear(widths[-1], num_outputs)

    def forward(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch outputs"]:
        """(B, *event) -> (B, num_outputs)."""
        return self.rest(self.first(x))

    def first(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch channels height width"]:
        """What the first convolution makes of x, before its nonlinearity."""
        x = self.inputs(x)
        if x.ndim == 5:  # (B, C, H, W, levels)
            x = x.movedim(-1, 2).flatten(1, 2)
        # Channels innermost in memory, which is how the convolutions of a CPU are fast.
        return self.stages[0](x.contiguous(memory_format=torch.channels_last))

    def rest(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        """The outputs, from what `first` gives."""
        for stage in list(self.stages)[1:]:
            x = stage(x)
        return self.output(self.dense(x.movedim(1, -1).flatten(1)))


class ConvolutionalDecoder(nn.Module):
    """Numbers -> P numbers for every entry of an image: the encoder's mirror image, with its sizes in reverse.

    Linear layers, then 3 x 3 transposed convolutions with stride 2; instead of a bias of the last of them there is
    one for each output of each entry.

    Args:
        spec: of x.
        num_inputs: Z.
        num_outputs: D P, with D = C H W.
        hidden: channels of each stage of the encoder, in its order.
        nonlinearity: the activation's name, before every stage and after every dense layer.
        dense: widths of the encoder's layers between its stages and its outputs, in its order.

    >>> import torch
    >>> decoder = ConvolutionalDecoder(Spec((3, 5, 7), "unit"), 2, 2 * 105, hidden=(8, 16))
    >>> decoder(torch.zeros(9, 4, 2)).unflatten(-1, (3, 5, 7, 2)).shape
    torch.Size([9, 4, 3, 5, 7, 2])
    """

    def __init__(
        self,
        spec: Spec,
        num_inputs: int,
        num_outputs: int,
        hidden: Sequence[int] = (32, 64),
        nonlinearity: str = "elu",
        dense: Sequence[int] = (),
    ) -> None:
        super().__init__()
        per_entry = outputs_per_entry(spec, num_outputs, "convolutional")
        channels, height, width = image_shape(spec)
        sizes = halved(height, width, hidden)
        self.smallest = (*sizes[-1], hidden[-1])
        widths = [num_inputs, *reversed(dense)]
        self.dense = dense_layers(widths, nonlinearity)
        self.input = nn.Linear(widths[-1], torch.Size(self.smallest).numel())
        stages: list[nn.Module] = []
        depths = [channels * per_entry, *hidden]
        for place in reversed(range(len(hidden))):
            # Without output_padding a side of n becomes 2 n - 1, which is right where the encoder halved an odd one.
            height, width = sizes[place]
            even = 1 - height % 2, 1 - width % 2
            stages += [
                activation(nonlinearity),
                nn.ConvTranspose2d(
                    depths[place + 1], depths[place], 3, stride=2, padding=1, output_padding=even, bias=place > 0
                ),
            ]
        self.stages = nn.Sequential(*stages)
        self.bias = nn.Parameter(torch.zeros(*spec.event_shape, per_entry))

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch outputs"]:
        """(..., Z) -> (..., D P), the P numbers of an entry side by side."""
        x = self.input(self.dense(z.reshape(-1, z.shape[-1]))).unflatten(-1, self.smallest).movedim(-1, 1)
        x = self.stages(x).unflatten(1, (len(self.bias), -1)).movedim(2, -1) + self.bias
        return x.reshape(*z.shape[:-1], self.bias.numel())

    def set_output_bias(self, values: Float[Tensor, " outputs"]) -> None:
        """Starts the outputs about `values` (D P)."""
        self.bias.data.copy_(values.view_as(self.bias))


def dense_layers(widths: Sequence[int], nonlinearity: str) -> nn.Sequential:
    """Linear layers from width to width, an activation after each."""
    if min(widths) < 1:
        raise JensenError(f"a layer needs a width of at least 1, got dense={tuple(widths[1:])}: mend dense")
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), activation(nonlinearity)]
    return nn.Sequential(*layers)


def image_shape(spec: Spec) -> tuple[int, int, int]:
    """(C, H, W), or an error that names the net which x would suit."""
    if len(spec.event_shape) != 3:
        other = "recurrent or net=dense" if len(spec.event_shape) == 2 else "dense"
        raise JensenError(
            f"net=convolutional needs images (channels, height, width), got x of shape {spec.event_shape}: "
            f"choose net={other}"
        )
    channels, height, width = spec.event_shape
    return channels, height, width


def halved(height: int, width: int, hidden: Sequence[int]) -> list[tuple[int, int]]:
    """(H, W) and what is left of it after each stage: each halves both sides, rounding up.

    Errors: no stage, a stage without channels, or one that would find a single pixel.
    """
    if not hidden or min(hidden) < 1:
        raise JensenError(f"net=convolutional needs the channels of each stage, got hidden={tuple(hidden)}: try 32,64")
    deepest = max(height - 1, width - 1).bit_length()
    if len(hidden) > deepest:
        raise JensenError(
            f"images of {height} x {width} can be halved {deepest} times, got {len(hidden)} stages "
            f"(hidden={','.join(map(str, hidden))}): give hidden at most {deepest} entries"
            if deepest
            else f"images of {height} x {width} cannot be halved: choose net=dense"
        )
    return [(-(-height // 2**k), -(-width // 2**k)) for k in range(len(hidden) + 1)]


def outputs_per_entry(spec: Spec, num_outputs: int, net: str) -> int:
    """P of num_outputs = D P."""
    if num_outputs % spec.num_dims:
        raise JensenError(
            f"net={net} gives equally many numbers for every entry of x, and this likelihood takes {num_outputs} for "
            f"{spec.num_dims} entries: choose net=dense"
        )
    return num_outputs // spec.num_dims
