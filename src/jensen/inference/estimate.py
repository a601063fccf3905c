"""What a Monte Carlo method hands back: a value, and how far it may be from the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError

Function = Callable[[Tensor], Tensor]  # of draws (N, *event), a value (N,) or a row of them (N, ...) for each
LogDensity = Callable[[Tensor], Tensor]  # of points (N, *event), log p(z) in nats, (N,)


class Estimate(NamedTuple):
    """A value (...) and its standard error over draws (...)."""

    value: Tensor
    standard_error: Tensor


def mean_of_draws(values: Float[Tensor, "draws *shape"]) -> Estimate:
    """(1/N) sum_i v_i of independent draws, and sd(v) / sqrt(N), both (*shape).

    Raises:
        JensenError: fewer than two draws, which have no spread.
    """
    if len(values) < 2:
        raise JensenError(f"a standard error needs at least 2 draws, got {len(values)}: draw more")
    return Estimate(values.mean(0), values.std(0) / math.sqrt(len(values)))


def values_at(f: Function, z: Shaped[Tensor, "draws *event"]) -> Float[Tensor, "draws *shape"]:
    """f(z) in float64, a value or a row of values for each draw.

    Raises:
        JensenError: f gives something else, or what is not finite; names the draw.
    """
    values = torch.as_tensor(f(z)).double()
    if values.ndim == 0 or len(values) != len(z):
        raise JensenError(
            f"f takes all draws at once, {tuple(z.shape)}, and gives a value or a row of values for each; "
            f"it gave {tuple(values.shape)}"
        )
    wrong = ~values.isfinite()
    if wrong.any():
        at = int(wrong.flatten(1).any(1).nonzero()[0]) if values.ndim > 1 else int(wrong.nonzero()[0])
        raise JensenError(
            f"f is {float(values[at][wrong[at]][0]):g} at z = {point(z[at])}: its mean needs finite values"
        )
    return values


def log_density_at(target: LogDensity | Distribution, z: Shaped[Tensor, "draws *event"]) -> Float[Tensor, " draws"]:
    """log p(z) in float64; -inf outside the support of a Distribution.

    Raises:
        JensenError: it has another shape, is nan, or infinite; names the draw.
    """
    if isinstance(target, Distribution):
        assert target.support is not None
        inside = target.support.check(z)
        event = (...,) + (None,) * len(target.event_shape)
        value = target.log_prob(torch.where(inside[event], z, target.sample()))
        values = torch.where(inside, value, -torch.inf).double()
    else:
        values = torch.as_tensor(target(z)).double()
    if values.shape != z.shape[:1]:
        raise JensenError(
            f"a log-density gives one value for each draw, ({len(z)},) for draws {tuple(z.shape)}; it gave "
            f"{tuple(values.shape)}: sum over the entries of z (Independent does, for a Distribution)"
        )
    wrong = values.isnan() | (values == torch.inf)
    if wrong.any():
        at = int(wrong.nonzero()[0])
        raise JensenError(
            f"the log-density is {float(values[at]):g} at z = {point(z[at])}: it must be below inf, or -inf"
        )
    return values


def point(z: Tensor) -> str:
    """A draw as errors name it: its entries, or the first eight.

    >>> point(torch.tensor([1.0, -0.25]))
    '(1, -0.25)'
    """
    if z.ndim == 0:
        return f"{float(z):.6g}"
    entries = [f"{float(entry):.6g}" for entry in z.flatten()[:8]]
    return f"({', '.join(entries)}{', ...' if z.numel() > 8 else ''})"
