"""Networks of x and of a condition y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.nets.convolutional import ConvolutionalEncoder
from jensen.nets.networks import Net, encoder, scale_weights
from jensen.nets.recurrent import RecurrentEncoder


class ConditionalEncoder(nn.Module):
    """(x, y) -> numbers: the encoder of x whose first layer sees y too.

    What a dense or convolutional first layer makes of x has a linear map of y added to it, which is that layer applied
    to x with y beside it; a recurrent layer starts from one.

    Args:
        spec: of x.
        num_conditions: Y.
        num_outputs: numbers for each example.
        net, hidden, activation, init_gain, dense: of the encoder, see `jensen.nets.encoder` and
            `jensen.nets.scale_weights`.

    >>> import torch
    >>> net = ConditionalEncoder(Spec((8,), "real"), 3, 4, hidden=(16,))
    >>> net(torch.zeros(5, 8), torch.zeros(5, 3)).shape, net(torch.zeros(5, 8), torch.eye(3)[:, None]).shape
    (torch.Size([5, 4]), torch.Size([3, 5, 4]))
    """

    def __init__(
        self,
        spec: Spec,
        num_conditions: int,
        num_outputs: int,
        net: Net = "dense",
        hidden: Sequence[int] = (300, 300),
        activation: str = "elu",
        init_gain: float = 1.0,
        dense: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.net: Any = encoder(spec, num_outputs, net, hidden, activation, dense)
        scale_weights(self.net, init_gain)
        # What the first layer gives: units each way, channels, or units.
        width = (2 if isinstance(self.net, RecurrentEncoder) else 1) * hidden[0] if hidden else num_outputs
        self.of_y = nn.Linear(num_conditions, width, bias=False)

    def forward(self, x: Shaped[Tensor, "batch *event"], y: Shaped[Tensor, "*conditions"]) -> Float[Tensor, "..."]:
        """(B, *event) and (..., Y) that broadcasts against (B, Y) -> (..., B, num_outputs).

        The first layer, often the widest, is applied to x once for all y.
        """
        of_y = self.of_y(y)
        if isinstance(self.net, RecurrentEncoder):
            return self.net(x, of_y.expand(len(x), -1))
        if isinstance(self.net, ConvolutionalEncoder):
            first = self.net.first(x)
            hidden = first + of_y[..., None, None]
            return self.net.rest(hidden.flatten(0, -4)).unflatten(0, hidden.shape[:-3])
        inputs, flatten, mlp = self.net
        first, *rest = mlp
        out = first(flatten(inputs(x))) + of_y
        for layer in rest:
            out = layer(out)
        return out
