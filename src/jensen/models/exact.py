"""Densities of x given y, whatever the density is made of."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Batch
from jensen.models.conditions import Label, Vector


class ConditionalExact(nn.Module):
    """p(x | y) for a y that comes with each x.

    Args:
        condition: what y is: `Label` or `Vector` of `jensen.models.conditions`; it makes of y the numbers that the
            density takes.
        density: a module with `log_prob(x, y) -> (B,)` for x (B, *event) and `sample(num_samples, temperature, y=y)
            -> (N, *event)`, where y are such numbers, (B, Y) and (N, Y).
    """

    conditional = True

    def __init__(self, condition: Any, density: nn.Module) -> None:
        super().__init__()
        self.condition = condition
        self.density = density

    def condition_of(self, batch: Batch) -> Tensor:
        """The y of each x of a batch."""
        return self.condition.of(batch)

    def given(self, y: Shaped[Tensor, "..."]) -> GivenY:
        """The density of x given y.

        Args:
            y: one condition for every x, or one for each: labels () or (B,), vectors (Y,) or (B, Y). Labels (C, 1)
                score each x under each label.
        """
        return GivenY(self.density, self.condition(y))

    def log_prob(self, x: Shaped[Tensor, "batch *event"], y: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch"]:
        """log p(x | y) in nats, (B,)."""
        return self.given(y).log_prob(x)

    def initialize(self, x: Shaped[Tensor, "batch *event"], y: Tensor | None = None) -> None:
        """Starts p(y) and the density from the data, where they know how; called once before training."""
        for part, values in ((self.condition, y), (self.density, x)):
            if hasattr(part, "initialize") and values is not None:
                part.initialize(values)  # type: ignore[operator]


class LabelledExact(ConditionalExact):
    """p(x, y) = p(y) p(x | y) for a label y: it can be sampled without one, and tells the label of an x."""

    needs_labels = True

    @torch.no_grad()
    def sample(
        self, num_samples: int, temperature: float = 1.0, **options: Any
    ) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | y), y ~ p(y): (N, *event); further options are the density's."""
        return self.given(self.condition.sample(num_samples)).sample(1, temperature, **options)[0]

    def log_prior(self) -> Float[Tensor, " classes"]:
        """log p(y) of each label, nats."""
        return self.condition.probs.log()


class GivenY:
    """p(x | y), bound to a y.

    Args:
        density: as `ConditionalExact` takes it.
        y: the numbers that it takes, (*batch, Y).
    """

    def __init__(self, density: Any, y: Float[Tensor, "*batch features"]) -> None:
        self.density, self.y = density, y

    def log_prob(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "*shape"]:
        """log p(x | y) in nats: (B,), or (..., B) where y is (..., 1, Y)."""
        shape = torch.broadcast_shapes(x.shape[:1], self.y.shape[:-1])
        each_x = x.expand(*shape, *x.shape[1:]).reshape(-1, *x.shape[1:])
        each_y = self.y.expand(*shape, -1).reshape(len(each_x), -1)
        return self.density.log_prob(each_x, each_y).view(shape)

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0, **options: Any) -> Shaped[Tensor, "..."]:
        """Draws of x for each y, (N, *batch, *event); further options are the density's."""
        shape = torch.Size([num_samples]) + self.y.shape[:-1]
        each_y = self.y.expand(*shape, -1).reshape(shape.numel(), -1)
        x = self.density.sample(shape.numel(), temperature, y=each_y, **options)
        return x.view(*shape, *x.shape[1:])


def conditioned(density: nn.Module, condition: Label | Vector | None) -> nn.Module:
    """The density itself where there is no condition, and the model of x given y where there is one."""
    if condition is None:
        return density
    return LabelledExact(condition, density) if isinstance(condition, Label) else ConditionalExact(condition, density)
