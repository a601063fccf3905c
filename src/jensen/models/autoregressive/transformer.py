"""The transformer as a density: of text, of other sequences of levels, and of images in raster order.

Source: Vaswani et al. (2017), Attention is all you need; Radford et al. (2019), Language models are unsupervised
multitask learners; of images Chen et al. (2020), Generative pretraining from pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.autoregressive.base import Autoregressive, Conditionals, Walk
from jensen.models.autoregressive.heads import Bits, Levels
from jensen.models.autoregressive.pixels import pixel_order
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets.attention import CausalTransformer, Positions


class Transformer(Autoregressive):
    """p(x) = ∏_t p(x_t | x_<t), each by the logits W h_t + b, h = transformer(s, e(x_1), ..., e(x_{T-1})).

    e is a vector for each level, s one that begins every sequence, so that h_t is a function of x_<t. Images are
    sequences too, pixel by pixel in raster order, R then G then B within a pixel.

    Args:
        spec: what x is: bits, categories (the tokens of a text among them) or 8-bit.
        width: of e, s and h.
        depth, heads, positions, dropout: see `jensen.nets.attention.CausalTransformer`.
        num_conditions: how many numbers y x is given: U y is added at every place.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: int,
        depth: int,
        heads: int,
        positions: Positions,
        dropout: float = 0.0,
        num_conditions: int = 0,
    ) -> None:
        self.is_color = len(spec.event_shape) == 3 and spec.event_shape[0] == 3
        super().__init__(spec, pixel_order(spec) if self.is_color else None)
        levels = 256 if spec.kind == "8-bit" else spec.levels or 2
        self.head = Bits() if spec.kind == "binary" else Levels(levels, scaled=False)
        self.network = CausalTransformer(spec.num_dims, width, depth, heads, positions, dropout)
        self.embedding = nn.Embedding(levels, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.output = nn.Linear(width, self.head.num_parameters)
        self.of_condition = nn.Linear(num_conditions, width, bias=False) if num_conditions else None
        for weight in (self.embedding.weight, self.start, self.output.weight):
            nn.init.normal_(weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def raw(
        self, embedded: Float[Tensor, "batch before width"], y: Float[Tensor, "batch conditions"] | None
    ) -> Float[Tensor, "batch places parameters"]:
        """P numbers for every conditional, from the vectors of all entries but the last: (B, T-1, width)."""
        start = self.start.expand(len(embedded), 1, -1)
        units = torch.cat([start, embedded], 1) + self._of_condition(y)
        return full_precision(self.output(self.network(units)))

    def conditionals(
        self,
        x: Shaped[Tensor, "batch *event"],
        y: Float[Tensor, "batch conditions"] | None = None,
        ordering: int | Tensor = 0,
    ) -> Conditionals:
        """p(x_i | x_<i, y) for every i, in one pass: batch_shape (B, *event)."""
        entries = x.flatten(1)[:, self.order] if self.is_color else x.flatten(1)
        raw = self.raw(self.embedding(entries[:, :-1].long()), y)
        if self.is_color:
            raw = raw[:, self.order.argsort()]
        return self.head(raw.view(*x.shape, -1))

    def walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None = None, ordering: int = 0) -> Walk:
        """The same for one entry after another: keys and values of those before it are kept, not found again."""
        caches = self.network.caches(num_samples)
        unit = self.start.expand(num_samples, -1)
        condition = self._of_condition(y)
        for place in range(self.spec.num_dims):
            raw = self.output(self.network.step((unit[:, None] + condition)[:, 0], place, caches))
            value = yield self.head(full_precision(raw))
            unit = self.embedding(value.long())

    @torch.no_grad()
    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts b at what the levels' shares are, over all places; called once before training."""
        self.output.bias.copy_(self.head.start(x.reshape(-1, 1), 1)[0])

    def _of_condition(self, y: Tensor | None) -> Tensor:
        """U y at every place, (B, 1, width); 0 without a condition."""
        return self.start.new_zeros(()) if self.of_condition is None else self.of_condition(y)[:, None]


def build(
    spec: Spec,
    *,
    width: int = 128,
    depth: int = 4,
    heads: int = 4,
    positions: Positions = "learned",
    dropout: float = 0.0,
    given: Given = "none",
) -> nn.Module:
    """A transformer for bits, categories, tokens or 8-bit x; its context is x, so that `window` of the data sets it.

    Args:
        spec: what x is.
        width: of a place.
        depth: blocks of attention and two layers.
        heads: of attention; they divide the width.
        positions: "learned", "sinusoidal" or "rotary".
        dropout: the share of units, and of attention weights, that a step of training leaves out.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is of another kind, or the settings make no network.

    >>> model = build(Spec((6,), "categorical", levels=4), width=16, depth=2, heads=2)
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    if spec.kind not in ("binary", "categorical", "8-bit"):
        raise JensenError(
            f"transformer needs bits, categories or 8-bit x, got kind '{spec.kind}': binarise grey values "
            "(binarize=dynamic), or keep their levels (as_levels=true)"
        )
    if spec.kind == "categorical" and (spec.levels is None or spec.levels < 2):
        raise JensenError(f"transformer is of at least 2 categories, got {spec.levels}: set Spec.levels")
    condition = condition_for(spec, given)
    density = Transformer(
        spec,
        width=width,
        depth=depth,
        heads=heads,
        positions=positions,
        dropout=dropout,
        num_conditions=num_conditions(condition),
    )
    return conditioned(density, condition)
