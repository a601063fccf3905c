"""The multilayer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from jensen.errors import JensenError, unknown

Activation = Literal["relu", "elu", "tanh", "silu", "gelu", "leaky-relu", "softplus"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "leaky-relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
}


def activation(name: str) -> nn.Module:
    """The activation of that name, a fresh module."""
    if name not in _ACTIVATIONS:
        raise unknown("activation", name, get_args(Activation))
    return _ACTIVATIONS[name]()


class MLP(nn.Sequential):
    """Linear layers of the given widths with an activation between them, none after the last.

    Args:
        widths: (inputs, hidden ..., outputs).
        nonlinearity: the activation's name.

    >>> import torch
    >>> MLP([3, 8, 2], "elu")(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, widths: Sequence[int], nonlinearity: str = "relu") -> None:
        if min(widths) < 1:
            raise JensenError(f"a layer needs a width of at least 1, got {tuple(widths)}: mend hidden")
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), activation(nonlinearity)]
        super().__init__(*layers[:-1])

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """(..., inputs) -> (..., outputs)."""
        return super().forward(x)
