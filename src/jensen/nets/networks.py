"""Encoders and decoders by a word: which network takes x to numbers, and z to the numbers of every entry of x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.nets.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from jensen.nets.inputs import Inputs
from jensen.nets.mlp import MLP
from jensen.nets.recurrent import RecurrentDecoder, RecurrentEncoder

Net = Literal["dense", "convolutional", "recurrent"]


def encoder(
    spec: Spec,
    num_outputs: int,
    net: Net = "dense",
    hidden: Sequence[int] = (300, 300),
    activation: str = "elu",
    dense: Sequence[int] = (),
) -> nn.Module:
    """(B, *event) -> (B, num_outputs); a dense one takes any leading dimensions for B.

    Args:
        spec: of x.
        num_outputs: numbers for each example.
        net: "dense" for anything, "convolutional" for images (C, H, W), "recurrent" for series (T, C).
        hidden: widths of dense layers; channels of convolutional stages; units of recurrent layers.
        activation: between the layers; recurrent ones have their own.
        dense: widths of the layers between convolutional stages and the outputs.
    """
    _check(net, dense)
    if net == "convolutional":
        return ConvolutionalEncoder(spec, num_outputs, hidden, activation, dense)
    if net == "recurrent":
        return RecurrentEncoder(spec, num_outputs, hidden)
    inputs = Inputs(spec)
    sizes = [torch.Size(inputs.event_shape).numel(), *hidden, num_outputs]
    return nn.Sequential(inputs, nn.Flatten(-len(inputs.event_shape)), MLP(sizes, activation))


def decoder(
    spec: Spec,
    num_inputs: int,
    num_outputs: int,
    net: Net = "dense",
    hidden: Sequence[int] = (300, 300),
    activation: str = "elu",
    dense: Sequence[int] = (),
) -> nn.Module:
    """(..., Z) -> (..., num_outputs), the mirror image of `encoder`: `hidden` and `dense` are in the encoder's order.

    Convolutional and recurrent ones need the same number of outputs for every entry of x, flattened with those of
    one entry side by side.
    """
    _check(net, dense)
    if net == "convolutional":
        return ConvolutionalDecoder(spec, num_inputs, num_outputs, hidden, activation, dense)
    if net == "recurrent":
        return RecurrentDecoder(spec, num_inputs, num_outputs, hidden)
    return MLP([num_inputs, *reversed(hidden), num_outputs], activation)


def _check(net: Net, dense: Sequence[int]) -> None:
    if net not in get_args(Net):
        raise unknown("net", net, get_args(Net))
    if dense and net != "convolutional":
        raise JensenError(
            f"dense={','.join(map(str, dense))} are layers between convolutional stages and z, and net={net} has no "
            "such stages: set net=convolutional, or give the widths in hidden"
        )


class Squashed(nn.Module):
    """net(sigmoid(z)): for latents that live in the unit cube and travel as their log-odds."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch outputs"]:
        """(..., Z) -> (..., outputs)."""
        return self.net(z.sigmoid())


def scale_weights(net: nn.Module, gain: float) -> None:
    """Multiplies the initial weights of the layers that feed a nonlinearity, all but the last."""
    layers = [module for module in net.modules() if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))]
    for layer in layers[:-1]:
        layer.weight.data.mul_(gain)
