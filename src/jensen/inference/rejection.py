"""Rejection sampling: points under M q, kept where they lie under p as well (von Neumann 1951)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError
from jensen.inference.estimate import Estimate, LogDensity, log_density_at, mean_of_draws, point

AT_ONCE = 2**22  # entries of z proposed together, at most


class RejectionSamples(NamedTuple):
    """What was kept, and how much was thrown away.

    samples: independent draws of p, (N, *event). acceptance_rate: the share of proposals kept, with its standard error;
    (1/M) times the integral of p. num_proposed: how many there were.
    """

    samples: Tensor
    acceptance_rate: Estimate
    num_proposed: int


@torch.no_grad()
def rejection_sample(
    log_density: LogDensity | Distribution,
    proposal: Distribution,
    bound: float | int,
    num_samples: int,
    max_proposals: int = 10_000_000,
) -> RejectionSamples:
    """Independent draws of p: z ~ q, kept with probability p(z) / (M q(z)), where p <= M q everywhere.

    Of normalised p and q, one in M proposals is kept. M can be no less than max p / q, which grows exponentially with
    the dimension where q is not p.

    Args:
        log_density: log p, of which a constant may be missing, or p.
        proposal: q.
        bound: M.
        num_samples: how many to keep.
        max_proposals: after so many it gives up.

    Raises:
        JensenError: the bound is broken: p > M q at a proposal; names the point, and what M it needs there. Or too few
            are kept.

    >>> from torch.distributions import Laplace, Normal
    >>> found = rejection_sample(Normal(0.0, 1.0), Laplace(0.0, 1.0), bound=1.3155, num_samples=1000)
    >>> found.samples.shape
    torch.Size([1000])
    """
    if num_samples < 1 or not bound > 0:
        raise JensenError(f"num_samples must be at least 1 and bound above 0, got {num_samples} and {bound:g}")
    log_bound = math.log(bound)
    entries = max(1, proposal.event_shape.numel())
    kept: list[Tensor] = []
    verdicts: list[Tensor] = []
    num_kept = num_proposed = 0
    while num_kept < num_samples:
        missing = (num_samples - num_kept) * (num_proposed + 1) / (num_kept + 1)
        size = int(min(max(1.1 * missing, 1000), AT_ONCE / entries + 1, max_proposals - num_proposed))
        if size < 1:
            raise JensenError(
                f"{num_kept} of {num_samples} samples in {num_proposed:,} proposals: the proposal is too far from the "
                "density, or the bound too large; Markov chains (hmc) need no bound"
            )
        z = proposal.sample(torch.Size([size]))
        log_ratio = log_density_at(log_density, z) - log_density_at(proposal.log_prob, z) - log_bound
        _check_bound(log_ratio, z, bound)
        accepted = torch.rand(size, dtype=torch.float64).log() < log_ratio
        kept.append(z[accepted])
        verdicts.append(accepted)
        num_kept += int(accepted.sum())
        num_proposed += size
    rate = mean_of_draws(torch.cat(verdicts).double())
    return RejectionSamples(torch.cat(kept)[:num_samples], rate, num_proposed)


def _check_bound(log_ratio: Tensor, z: Shaped[Tensor, "draws *event"], bound: float | int) -> None:
    """Raises where p > M q by more than rounding: the draws would be of min(p, M q)."""
    worst = int(log_ratio.argmax())
    excess = float(log_ratio[worst])
    if excess > torch.finfo(z.dtype if z.is_floating_point() else torch.float64).eps ** 0.5:
        raise JensenError(
            f"the bound is broken: at z = {point(z[worst])} p is {math.exp(excess):.6g} times bound * q; bound must be "
            f"at least p / q everywhere, {bound * math.exp(excess):.6g} there"
        )
