"""MADE: an autoencoder whose masks make output i a function of the entries before i.

Source: Germain, Gregor, Murray and Larochelle (2015), MADE: Masked Autoencoder for Distribution Estimation.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.models.autoregressive.base import Autoregressive, Conditionals
from jensen.nets import mlp
from jensen.nets.masked import MaskedLinear

Ordering = Literal["natural", "random"]


class MADE(Autoregressive):
    """p(x) = ∏_t p(x_{o(t)} | x_{o(<t)}), all conditionals from one pass of a masked network.

    Every unit has a degree m: entry d of x has its place in the ordering, m(d) in 1..D, a hidden unit a number in
    1..D-1, which is the last place that it may see. A hidden unit k is connected to a unit j below it where
    m(k) >= m(j), and output d to a hidden unit k where m(d) > m(k), so that every path from x_j to output d has
    m(d) > m(j). The degrees of a hidden layer are spread evenly over 1..D-1 (the paper draws them at random), which
    reaches every allowed pair where the layer has at least D - 1 units.

    The conditionals are Bernoulli where x is binary, and Categorical over the levels otherwise; numbers and
    categories 0..L-1 enter the network as 2 x / (L - 1) - 1 in [-1, 1].

    Args:
        spec: what x is; the event is flattened in raster order.
        order: (D,), the entries in the order in which they are drawn.
        hidden: the width of each hidden layer.
        activation: the name of the nonlinearity.
        direct: whether outputs are also connected to the inputs before them by one linear layer.
    """

    def __init__(
        self, spec: Spec, *, order: Int[Tensor, "dims"], hidden: tuple[int, ...], activation: str, direct: bool
    ) -> None:
        super().__init__(spec, order)
        self.levels = _levels(spec)
        place = order.argsort() + 1
        output = place if self.levels is None else place.repeat_interleave(self.levels)
        below, layers = place, list[nn.Module]()
        for width in hidden:
            degree = torch.arange(width) * (spec.num_dims - 1) // width + 1
            layers += [MaskedLinear(degree[:, None] >= below), mlp.activation(activation)]
            below = degree
        self.network = nn.Sequential(*layers, MaskedLinear(output[:, None] > below))
        self.direct = MaskedLinear(output[:, None] > place, bias=False) if direct else None

    def conditionals(self, x: Shaped[Tensor, "batch *event"]) -> Conditionals:
        """p(x_i | x_<i) for every i, in one pass: batch_shape (B, *event)."""
        dtype = next(self.parameters()).dtype
        inputs = x.flatten(1).to(dtype)
        if self.levels is not None:
            inputs = 2 * inputs / (self.levels - 1) - 1
        logits = self.network(inputs)
        if self.direct is not None:
            logits = logits + self.direct(inputs)
        # Under autocast the network may answer in half precision, in which no likelihood should be summed.
        logits = logits.to(dtype)
        if self.levels is None:
            return Bernoulli(logits=logits.view(x.shape))
        return Categorical(logits=logits.view(*x.shape, self.levels))


def build(
    spec: Spec,
    *,
    hidden: tuple[int, ...] = (500,),
    activation: mlp.Activation = "relu",
    ordering: Ordering = "natural",
    direct: bool = False,
    ordering_seed: int = 0,
) -> MADE:
    """A MADE for binary, categorical or 8-bit x.

    Args:
        spec: what x is.
        hidden: the width of each hidden layer.
        activation: the name of the nonlinearity.
        ordering: "natural" is raster order, "random" one permutation of it.
        direct: adds connections from the inputs straight to the outputs.
        ordering_seed: of the random ordering.

    Raises:
        JensenError: where x is of another kind, or its number of levels is not known.

    >>> model = build(Spec((2, 3), "binary"), hidden=(16,))
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    if ordering not in get_args(Ordering):
        raise unknown("ordering", ordering, get_args(Ordering))
    if ordering == "random":
        order = torch.randperm(spec.num_dims, generator=torch.Generator().manual_seed(ordering_seed))
    else:
        order = torch.arange(spec.num_dims)
    return MADE(spec, order=order, hidden=hidden, activation=activation, direct=direct)


def _levels(spec: Spec) -> int | None:
    """The number of levels of a Categorical conditional; None where the conditional is Bernoulli."""
    if spec.kind == "binary":
        return None
    if spec.kind not in ("categorical", "8-bit"):
        raise JensenError(
            f"made needs binary, categorical or 8-bit x, got kind '{spec.kind}': binarise the data, or choose a model "
            "of real x"
        )
    levels = 256 if spec.kind == "8-bit" else spec.levels
    if levels is None or levels < 2:
        raise JensenError(f"made needs to know how many categories x has, at least 2, got {levels}: set Spec.levels")
    return levels
