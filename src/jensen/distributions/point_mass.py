"""A distribution with all its mass on one value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.kl import register_kl


class PointMass(Distribution):
    """P(value) = 1, with respect to the counting measure.

    Args:
        value: (*batch, *event).
        event_dims: how many of its dimensions are the event's.

    >>> point = PointMass(torch.tensor([[1, 2], [3, 4]]), 1)
    >>> point.log_prob(torch.tensor([1, 2]))
    tensor([0., -inf])
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol
    has_rsample = False

    def __init__(self, value: Shaped[Tensor, "..."], event_dims: int) -> None:
        self.value = value
        cut = value.ndim - event_dims
        super().__init__(value.shape[:cut], value.shape[cut:], validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Shaped[Tensor, "..."]:
        """The value, (*sample_shape, *batch, *event)."""
        return self.value.expand(self._extended_shape(torch.Size(sample_shape)))

    def log_prob(self, value: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """0 at the value, -inf elsewhere: (..., *batch)."""
        same = (value == self.value).flatten(-len(self.event_shape)).all(-1)
        return torch.where(same, 0.0, -torch.inf)

    @property
    def mean(self) -> Float[Tensor, "..."]:
        """The value, as floating-point numbers."""
        return self.value if self.value.is_floating_point() else self.value.float()

    @property
    def variance(self) -> Float[Tensor, "..."]:
        """Zeros."""
        return torch.zeros_like(self.mean)


@register_kl(PointMass, Distribution)
def _kl_from_point(q: PointMass, p: Distribution) -> Tensor:
    """KL(q || p) = -log p(value), for a p of separate values."""
    return -p.log_prob(q.value)
