"""A row whose columns have laws of several kinds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, constraints


class MixedColumns(Distribution):
    """Independent groups of columns: log p(x) = sum_g log p_g(x_g).

    Args:
        groups: for each, the numbers of its columns, and their law, of as many entries; together they are 0 .. D - 1.
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol

    def __init__(self, groups: Sequence[tuple[Int[Tensor, "_"], Distribution]]) -> None:
        self.groups = groups
        width = sum(len(columns) for columns, _ in groups)
        super().__init__(groups[0][1].batch_shape, torch.Size([width]), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Of each column its own; discrete where all are."""
        return _Columns(self.groups)

    def log_prob(self, value: Float[Tensor, "... dims"]) -> Float[Tensor, "..."]:
        """(..., D) -> (...): nats, under the volume of the real columns and the counts of the others."""
        total = [law.log_prob(value[..., columns]) for columns, law in self.groups]
        return torch.stack(torch.broadcast_tensors(*total)).sum(0)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Floating point, (*sample_shape, *batch_shape, D)."""
        return self._row([law.sample(torch.Size(sample_shape)) for _, law in self.groups])

    @property
    def mean(self) -> Tensor:
        """E x, and of a column of categories the likeliest one: (*batch_shape, D)."""
        return self._row([law.mode if _names(law) else law.mean for _, law in self.groups])

    def _row(self, parts: Sequence[Tensor]) -> Tensor:
        dtype = next((part.dtype for part in parts if part.is_floating_point()), torch.get_default_dtype())
        order = torch.cat([columns for columns, _ in self.groups]).argsort()
        return torch.cat([part.to(dtype) for part in parts], -1)[..., order]


class _Columns(constraints.Constraint):
    event_dim = 1

    def __init__(self, groups: Sequence[tuple[Tensor, Distribution]]) -> None:
        self._supports = [(columns, law.support) for columns, law in groups]
        super().__init__()

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return all(bool(support.is_discrete) for _, support in self._supports)  # type: ignore[union-attr]

    def check(self, value: Tensor) -> Tensor:
        found = [support.check(value[..., columns]) for columns, support in self._supports]  # type: ignore[union-attr]
        return torch.stack(found).all(0)


def _names(law: Distribution) -> bool:
    return isinstance(law, Independent) and isinstance(law.base_dist, Categorical)
