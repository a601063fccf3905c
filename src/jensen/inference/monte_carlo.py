"""Plain Monte Carlo: the mean of f over draws of p (Metropolis and Ulam 1949)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from jensen.inference.estimate import Estimate, Function, mean_of_draws, values_at


@torch.no_grad()
def expectation(f: Function, law: Distribution | Callable[[int], Tensor], num_samples: int = 10_000) -> Estimate:
    """E_p f(z), by (1/N) sum_i f(z_i) with z_i ~ p, and its standard error sd(f) / sqrt(N).

    The draws bring the weight p by falling where it is large: f(z_i) is not multiplied by p(z_i) again. The error does
    not depend on the dimension of z. It is known only as well as the spread of f over the draws: an event that none of
    them shows has the estimate 0 +- 0.

    Args:
        f: takes all draws, (N, *event), and gives (N,), or (N, ...) for several expectations of the same draws.
        law: p, or a function of N that draws from it.
        num_samples: N.

    Raises:
        JensenError: fewer than two draws; a value that is not finite.

    >>> from torch.distributions import Normal
    >>> _ = torch.manual_seed(0)
    >>> estimate = expectation(lambda z: z**2, Normal(0.0, 1.0))
    >>> abs(estimate.value - 1) < 4 * estimate.standard_error
    tensor(True)
    """
    z = law.sample(torch.Size([num_samples])) if isinstance(law, Distribution) else law(num_samples)
    return mean_of_draws(values_at(f, z))
