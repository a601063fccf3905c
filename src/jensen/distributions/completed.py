"""A distribution of x of which a part is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor
from torch.distributions import Distribution, constraints


class Completed(Distribution):
    """p(rest of x | given part), as a distribution of the whole x: given entries are what they are, and cost nothing.

    log_prob is that of the rest alone, whatever x has in the given entries.

    Args:
        rest: of the other entries, batch_shape (...), event_shape (R,).
        given: the given entries, (..., G), in order.
        is_given: which entries of x are given, of its shape, G of them true.
    """

    arg_constraints = {}  # noqa: RUF012  # as torch has it
    has_rsample = False

    def __init__(
        self, rest: Distribution, given: Shaped[Tensor, "*batch given"], is_given: Bool[Tensor, "*event"]
    ) -> None:
        self.rest, self._given, self._is_given = rest, given, is_given
        super().__init__(rest.batch_shape, is_given.shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """That of each entry of the rest."""
        each: Any = self.rest.support
        while hasattr(each, "base_constraint"):
            each = each.base_constraint
        return constraints.independent(each, len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        """The mean of the rest, beside what is given."""
        return self._whole(self.rest.mean)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(*sample_shape, *batch_shape, *event)."""
        return self._whole(self.rest.sample(torch.Size(sample_shape)))

    def log_prob(self, x: Shaped[Tensor, "*shape"]) -> Tensor:
        """log p of the rest of x, nats."""
        return self.rest.log_prob(x.flatten(-len(self.event_shape))[..., ~self._is_given.flatten()])

    def _whole(self, rest: Tensor) -> Tensor:
        flat = self._is_given.flatten()
        x = rest.new_empty(*rest.shape[:-1], len(flat))
        x[..., ~flat] = rest
        x[..., flat] = self._given.to(rest.dtype)
        return x.unflatten(-1, self.event_shape)
