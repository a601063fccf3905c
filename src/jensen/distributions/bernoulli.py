"""Independent bits."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Independent

# A product of this many factors in [1/2, 1] is still an ordinary float32.
_FACTORS = 64


class IndependentBernoulli(Independent):
    """`Independent(Bernoulli(logits=l), dims)` whose density costs half as much where nothing is differentiated.

    log p(x) = sum_d x_d l_d - log(1 + exp l_d) = sum_d (x_d - 1/2) l_d - |l_d| / 2 + log prod_d sigmoid |l_d|:
    one logarithm for up to 64 entries.

    >>> from torch.distributions import Bernoulli
    >>> with torch.no_grad():
    ...     IndependentBernoulli(Bernoulli(logits=torch.zeros(5, 4)), 1).log_prob(torch.ones(4)).exp()
    tensor([0.0625, 0.0625, 0.0625, 0.0625, 0.0625])
    """

    def log_prob(self, value: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p(x), (..., *event) -> (...), nats."""
        dims = self.reinterpreted_batch_ndims
        if torch.is_grad_enabled() or not dims:
            return super().log_prob(value)
        logits, x = self.base_dist.logits.flatten(-dims), value.to(self.base_dist.logits).flatten(-dims)
        sizes = logits.abs()
        linear = torch.linalg.vecdot(x - 0.5, logits) - 0.5 * sizes.sum(-1)
        factors, count = sizes.sigmoid_(), 1
        while factors.shape[-1] % 2 == 0 and count < _FACTORS:
            left, right = factors.chunk(2, dim=-1)
            factors, count = left * right, 2 * count
        return linear + factors.log().sum(-1)
