"""Whether draws have the moments that a law states."""

from __future__ import annotations

import math

import torch
from torch.distributions import Distribution


def has_its_moments(law: Distribution, num_draws: int = 20_000, errors: float = 4.0) -> None:
    """Mean and variance of every entry within 4 of their standard errors, which come from the draws themselves."""
    drawn = law.sample(torch.Size([num_draws])).double()
    mean, variance = law.mean.double(), law.variance.double()
    centred = drawn - mean
    mean_error = drawn.std(0) / math.sqrt(num_draws)
    variance_error = centred.square().std(0) / math.sqrt(num_draws)
    assert (centred.mean(0).abs() <= errors * mean_error).all()
    assert ((centred.square().mean(0) - variance).abs() <= errors * variance_error).all()
