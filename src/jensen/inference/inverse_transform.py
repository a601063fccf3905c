"""Inverse transform sampling: F^-1(u) of a uniform u has the distribution function F (Devroye 1986, chapter II.2)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError
from jensen.inference.estimate import point

Quantile = Callable[[Tensor], Tensor]  # F^-1(u), elementwise
SMALLEST = 2.0**-54  # half the distance between neighbouring uniforms; 0 itself would be sent to -inf


def inverse_transform_sample(law: Distribution | Quantile, num_samples: int) -> Float[Tensor, "draws *batch"]:
    """Draws z = F^-1(u), u uniform on (0, 1), of a law on the line: (num_samples, *batch), float64.

    Args:
        law: a Distribution (its `icdf`, or else its `cdf`, inverted numerically), or the quantile function F^-1 itself;
            of a distribution function F, `numeric_quantile(F)`.
        num_samples: how many.

    >>> from torch.distributions import Exponential
    >>> inverse_transform_sample(Exponential(2.0), 3).shape
    torch.Size([3])
    """
    batch = law.batch_shape if isinstance(law, Distribution) else ()
    uniform = torch.rand(num_samples, *batch, dtype=torch.float64).clamp_min(SMALLEST)
    return quantile_function(law)(uniform)


def quantile_function(law: Distribution | Quantile) -> Quantile:
    """F^-1 of a law on the line.

    Raises:
        JensenError: a Distribution of vectors, or one that has neither `icdf` nor `cdf`.

    >>> from torch.distributions import Exponential
    >>> quantile_function(Exponential(2.0))(torch.tensor(0.5, dtype=torch.float64))
    tensor(0.3466, dtype=torch.float64)
    """
    if not isinstance(law, Distribution):
        return law
    name = type(law).__name__
    if law.event_shape:
        raise JensenError(
            f"inverse transform is for a law on the line, got {name} of {tuple(law.event_shape)}: .sample"
        )
    try:
        law.icdf(torch.full(law.batch_shape, 0.5))
    except NotImplementedError:
        try:
            law.cdf(law.sample())
        except NotImplementedError:
            raise JensenError(f"torch has neither icdf nor cdf of {name}: pass its quantile function") from None
        low, high = getattr(law.support, "lower_bound", -math.inf), getattr(law.support, "upper_bound", math.inf)
        return numeric_quantile(law.cdf, float(low), float(high))
    return law.icdf


def numeric_quantile(cdf: Callable[[Tensor], Tensor], low: float = -math.inf, high: float = math.inf) -> Quantile:
    """u -> the least z with F(z) >= u, by bisection to the last digit: where F jumps, all of its step goes to one z.

    Args:
        cdf: F, elementwise and rising.
        low, high: what z lies between, if it is known; otherwise it is looked for.

    >>> square_root = numeric_quantile(torch.square, 0.0, 1.0)
    >>> square_root(torch.tensor([0.25, 0.81], dtype=torch.float64))
    tensor([0.5000, 0.9000], dtype=torch.float64)
    """

    def quantile(u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        a = _end(cdf, u, low, high, -1.0)
        b = _end(cdf, u, high, low, 1.0)
        while True:
            middle = a + (b - a) / 2
            if not ((a < middle) & (middle < b)).any():
                return b
            below = cdf(middle) < u
            a, b = torch.where(below, middle, a), torch.where(below, b, middle)

    return quantile


def _end(cdf: Callable[[Tensor], Tensor], u: Tensor, bound: float, other: float, sign: float) -> Tensor:
    """Points on one side of each quantile: the bound, or as far out as is needed."""
    u = u.double()
    if math.isfinite(bound):
        return torch.full_like(u, bound)
    end = torch.full_like(u, (other if math.isfinite(other) else 0.0) + sign)
    step = sign
    while True:
        short = cdf(end) < u if sign > 0 else cdf(end) >= u
        if not short.any():
            return end
        step *= 2
        end = torch.where(short, end + step, end)
        if not end.isfinite().all():
            worst = u[short].flatten()[0]
            raise JensenError(f"the distribution function never passes u = {point(worst)}: it must rise from 0 to 1")
