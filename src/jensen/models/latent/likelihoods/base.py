"""What every likelihood has in common: a network, the shape of x, and a start from the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.distributions.heads import full_precision
from jensen.models.latent.likelihoods.start import set_output_bias


class Likelihood(nn.Module, ABC):
    """p(x | z), whose parameters a network finds from z, `per_entry` numbers for each entry of x.

    Args:
        net: (..., Z) -> (..., D P), those of one entry of x side by side.
        event_shape: the shape of x; its product is D.
        start_from_data: whether `initialize` does anything.
    """

    per_entry = 1

    def __init__(self, net: nn.Module, event_shape: Sequence[int], start_from_data: bool = False) -> None:
        super().__init__()
        self.net = net
        self.event_shape = tuple(event_shape)
        self.start_from_data = start_from_data

    def forward(self, z: Float[Tensor, "*batch latent"]) -> Distribution:
        """batch_shape (..., B), event_shape of x."""
        return self.distribution(full_precision(self.net(z)))

    @abstractmethod
    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> Distribution:
        """p(x | z) of the network's outputs (..., D P)."""

    @abstractmethod
    def start(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, " outputs"]:
        """The outputs (D P,) that suit the data best where z says nothing; learned scales are set on the way."""

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Moves the output bias to `start`, so that training begins near the best constant."""
        if self.start_from_data:
            set_output_bias(self.net, self.start(x))

    def entries(self, outputs: Float[Tensor, "*batch outputs"]) -> tuple[Tensor, ...]:
        """Each of the P numbers by itself, (..., *event)."""
        if self.per_entry == 1:  # what the gradient of unbind would copy
            return (outputs.unflatten(-1, self.event_shape),)
        return outputs.unflatten(-1, (*self.event_shape, self.per_entry)).unbind(-1)
