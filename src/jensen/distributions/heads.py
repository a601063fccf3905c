"""From a network's raw numbers to the parameters of a distribution."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from jensen.errors import unknown

PositiveMap = Literal["softplus-variance", "exp-variance", "softplus-scale", "exp-scale"]

# Keeps the scale away from zero, where the density is infinite: softplus underflows to 0 below about -104.
FLOOR = 1e-8


def full_precision(raw: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`raw` in single precision or better: a density is never computed in the 8 bits of bfloat16."""
    return raw if raw.dtype == torch.float64 else raw.float()


def positive_scale(raw: Float[Tensor, "*shape"], positive_map: PositiveMap) -> Float[Tensor, "*shape"]:
    """The scale (standard deviation) that a raw number stands for, in single precision or better.

    `softplus-variance`: sqrt(softplus(raw) + 1e-8). `exp-variance`: exp(raw / 2), raw is the log-variance.
    `softplus-scale`: softplus(raw) + 1e-8. `exp-scale`: exp(raw), raw is the log-scale.

    >>> positive_scale(torch.zeros(1), "exp-variance")
    tensor([1.])
    """
    raw = full_precision(raw)
    if positive_map == "softplus-variance":
        return (F.softplus(raw) + FLOOR).sqrt()
    if positive_map == "exp-variance":
        return (raw / 2).exp()
    if positive_map == "softplus-scale":
        return F.softplus(raw) + FLOOR
    if positive_map == "exp-scale":
        return raw.exp()
    raise unknown("positive map", positive_map, get_args(PositiveMap))


def diagonal_gaussian(loc: Float[Tensor, "*batch dims"], scale: Float[Tensor, "*batch dims"]) -> Independent:
    """N(loc, diag scale^2) over the last dimension."""
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


def is_diagonal_gaussian(distribution: Distribution) -> TypeGuard[Independent]:
    """Whether it is N(loc, diag scale^2) over the last dimension, as `diagonal_gaussian` makes it."""
    return (
        isinstance(distribution, Independent)
        and isinstance(distribution.base_dist, Normal)
        and len(distribution.event_shape) == 1
    )
