"""The Parzen window log-likelihood: historical, and misleading."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.errors import JensenError


def historical_parzen_log_likelihood(
    samples: Float[Tensor, "n ..."], x: Float[Tensor, "m ..."], bandwidth: float
) -> Float[Tensor, " m"]:
    """log (1/n) sum_i N(x; s_i, h^2 I) of each x, (M,), nats: how implicit models were once scored.

    Only to read old tables, such as those of Goodfellow et al. (2014). It is not the model's likelihood and does not
    rank models (Theis, van den Oord & Bethge 2016): in 784 dimensions the estimate is far from log p even with millions
    of samples of the true model; a model that draws cluster centres of the training data scores above the data's own
    distribution; the bandwidth, chosen on held-out data, decides the order. Use `judge`, or a model that has a density.

    Args:
        samples: of the model, (n, *event); flattened.
        x: held-out data (m, *event); flattened.
        bandwidth: h, above 0, in the units of x.
    """
    if not bandwidth > 0:
        raise JensenError(f"bandwidth must be above 0, got {bandwidth:g}")
    s, x = samples.flatten(1).double(), x.flatten(1).double()
    squared = torch.cat([torch.cdist(some, s).square() for some in x.split(500)])
    constant = 0.5 * s.shape[1] * math.log(2 * math.pi * bandwidth**2) + math.log(len(s))
    return (-squared / (2 * bandwidth**2)).logsumexp(1) - constant
