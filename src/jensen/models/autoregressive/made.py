"""MADE: an autoencoder whose masks make output i a function of the entries before i.

Source: Germain, Gregor, Murray and Larochelle (2015), MADE: Masked Autoencoder for Distribution Estimation.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.entrywise import Entrywise, RawWalk
from jensen.models.autoregressive.heads import Categories, Head, head_for
from jensen.models.autoregressive.orderings import orderings
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets import mlp
from jensen.nets.masked import MaskedByDegree


class MADE(Entrywise):
    """p(x) = ∏_t p(x_{o(t)} | x_{o(<t)}), all conditionals from one pass of a masked network.

    Every unit has a degree m: entry d of x has its place in the ordering, m(d) in 1..D, a hidden unit a number in
    1..D-1, which is the last place that it may see. A hidden unit k is connected to a unit j below it where
    m(k) >= m(j), and output d to a hidden unit k where m(d) > m(k), so that every path from x_j to output d has
    m(d) > m(j). The degrees of a hidden layer are spread evenly over 1..D-1 (the paper draws them at random), which
    reaches every allowed pair where the layer has at least D - 1 units. Another ordering gives the entries other
    degrees, and so the same weights other masks.

    Args:
        spec: what x is; the event is flattened in raster order.
        head: what a conditional is.
        orders: (K, D), the entries in the order in which they are drawn.
        hidden: the width of each hidden layer.
        activation: the name of the nonlinearity.
        direct: whether outputs are also connected to the inputs before them by one linear layer.
        dropout: the share of hidden units that a step of training leaves out.
        num_conditions: how many numbers y x is given: they enter the first hidden layer, and the outputs' bias.
    """

    def __init__(
        self,
        spec: Spec,
        head: Head,
        orders: Int64[Tensor, "orderings dims"],
        *,
        hidden: tuple[int, ...],
        activation: mlp.Activation,
        direct: bool = False,
        dropout: float = 0.0,
        num_conditions: int = 0,
    ) -> None:
        super().__init__(spec, head, orders, num_conditions)
        inputs, outputs = spec.num_dims * head.num_features, spec.num_dims * head.num_parameters
        self.layers = nn.ModuleList()
        below = inputs
        for place, width in enumerate(hidden):
            self.layers.append(MaskedByDegree(below, width))
            degree = torch.arange(width) * (spec.num_dims - 1) // width + 1
            self.register_buffer(f"degree_{place}", degree, persistent=False)
            below = width
        self.output = MaskedByDegree(below, outputs, bias=False)
        self.direct = MaskedByDegree(inputs, outputs, bias=False) if direct else None
        if self.direct is not None:
            nn.init.zeros_(self.direct.weight)
        self.activation = mlp.activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.of_condition = nn.Linear(num_conditions, hidden[0], bias=False) if num_conditions and hidden else None

    def raw(
        self,
        features: Float[Tensor, "batch dims features"],
        y: Float[Tensor, "batch conditions"] | None,
        ordering: int | Tensor,
    ) -> Float[Tensor, "batch dims parameters"]:
        """One pass of the network, under the masks of this ordering."""
        place = self.orders[ordering].flatten().argsort() + 1
        entered = place.repeat_interleave(self.head.num_features)
        reach = (place - 1).repeat_interleave(self.head.num_parameters)
        inputs = units = features.flatten(1)
        below = entered
        for layer, degree in zip(self.layers, self._degrees(), strict=True):
            into: Tensor = layer(units, degree, below)
            if layer is self.layers[0] and self.of_condition is not None:
                into = into + self.of_condition(y)
            units, below = self.dropout(self.activation(into)), degree
        raw = self.output(units, reach, below)
        if self.direct is not None:
            raw = raw + self.direct(inputs, reach, entered)
        return raw.unflatten(1, (-1, self.head.num_parameters))

    def raw_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None, ordering: int) -> RawWalk:
        """The same for one entry after another: a unit is found once, when the last entry that it sees is there."""
        order = self.orders[ordering]
        dims, width, parameters = len(order), self.head.num_features, self.head.num_parameters
        # Columns in the order in which the entries come, so that what is there is always the first of them.
        columns = (order[:, None] * width + torch.arange(width, device=order.device)).flatten()
        layers = [cast(Tensor, layer.weight) for layer in (*self.layers, self.output)]
        layers[0] = layers[0][:, columns]
        direct = None if self.direct is None else self.direct.weight[:, columns].view(dims, parameters, -1)
        biases = [cast(Tensor, layer.bias).expand(num_samples, -1) for layer in self.layers]
        if self.of_condition is not None:
            biases[0] = biases[0] + self.of_condition(y)
        x = layers[0].new_zeros(num_samples, dims * width)
        units = [torch.zeros_like(bias) for bias in biases]
        places = torch.arange(dims, device=order.device)
        ends = [torch.searchsorted(degree, places, right=True).tolist() for degree in self._degrees()]
        for t, i in enumerate(order.tolist()):
            below = before = x[:, : t * width]
            for layer, bias, mine, end in zip(layers, biases, units, ends, strict=False):
                new = slice(end[t - 1] if t else 0, end[t])
                mine[:, new] = self.activation(bias[:, new] + below @ layer[new, : below.shape[1]].T)
                below = mine[:, : end[t]]
            raw = below @ layers[-1].view(dims, parameters, -1)[i, :, : below.shape[1]].T
            if direct is not None:
                raw = raw + before @ direct[i, :, : before.shape[1]].T
            x[:, t * width : (t + 1) * width] = yield raw

    def _degrees(self) -> list[Tensor]:
        return [self.get_buffer(f"degree_{place}") for place in range(len(self.layers))]


def build(
    spec: Spec,
    *,
    hidden: tuple[int, ...] = (500,),
    activation: mlp.Activation = "relu",
    ordering: str = "natural",
    num_orderings: int = 1,
    ordering_seed: int = 0,
    direct: bool = False,
    dropout: float = 0.0,
    given: Given = "none",
    categories: Categories = "indicators",
    num_components: int = 10,
    scale_floor: float = 1e-2,
) -> nn.Module:
    """A MADE for bits, categories, 8-bit or real x.

    Args:
        spec: what x is.
        hidden: the width of each hidden layer.
        activation: the name of the nonlinearity.
        ordering: "natural" is raster order, "random" a permutation of it, or the entries in order: "2,0,1".
        num_orderings: random orderings, one a step in training; p(x) is the mean of the p(x) under each.
        ordering_seed: of the random orderings.
        direct: adds connections from the inputs straight to the outputs.
        dropout: the share of hidden units that a step of training leaves out.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.
        categories: how they enter: as "indicators", or as "numbers" in [-1, 1], which suits those with an order.
        num_components: of the mixture of Gaussians of real x.
        scale_floor: the least scale of a Gaussian of real x, as the model sees x.

    Raises:
        JensenError: where x is of another kind, or the ordering is no permutation.

    >>> model = build(Spec((2, 3), "binary"), hidden=(16,))
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    if not 0 <= dropout < 1:
        raise JensenError(f"dropout is a share of the units in [0, 1), got {dropout}")
    if any(width < 1 for width in hidden):
        raise JensenError(f"a layer needs a width of at least 1, got {hidden}: mend hidden")
    head = head_for(spec, "made", num_components, scale_floor, categories)
    condition = condition_for(spec, given)
    orders = orderings(spec.num_dims, ordering, num_orderings, ordering_seed)
    density = MADE(
        spec,
        head,
        orders,
        hidden=hidden,
        activation=activation,
        direct=direct,
        dropout=dropout,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
