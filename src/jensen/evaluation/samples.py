"""Comparing samples: what can be said of a model that has no likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from jensen.errors import JensenError


@dataclass(frozen=True)
class KernelTwoSample:
    """A kernel two-sample test. MMD^2 has no unit, and two are compared only where their bandwidths agree.

    mmd2: the unbiased estimate of MMD^2, which may be negative where the distributions agree.
    standard_error: of mmd2, by the jackknife over both samples; biased upwards (Efron and Stein 1981), which shows
        only where the distributions nearly agree: there the p-value is the thing to read.
    p_value: the share of relabellings with an mmd2 at least as large, the labels as they came counted among them.
    bandwidth: the s of k(x, y) = exp(-|x - y|^2 / (2 s^2)), in the units of x.
    """

    mmd2: float
    standard_error: float
    p_value: float
    bandwidth: float


def kernel_two_sample(
    x: Shaped[Tensor, "n ..."], y: Shaped[Tensor, "m ..."], num_permutations: int = 200
) -> KernelTwoSample:
    """Do x and y come from one distribution? The maximum mean discrepancy with a Gaussian kernel.

    MMD^2 = E k(x, x') - 2 E k(x, y) + E k(y, y') (Gretton et al. 2012, equation 3), with the bandwidth at the median
    distance between two points of the pooled sample. Under the hypothesis that x and y are alike the p-value is exact:
    P(p <= t) <= t. In float64, with memory for (n + m)^2 numbers: give it a few thousand points at most. The
    relabellings are drawn from torch's global generator.

    Args:
        x: samples (n, *event), n >= 3; flattened.
        y: samples (m, *event), m >= 3; flattened.
        num_permutations: the smallest p-value is 1 / (1 + num_permutations).

    Raises:
        JensenError: events of different shapes, too few points, values that are not finite, or most pairs identical.

    >>> _ = torch.manual_seed(0)
    >>> kernel_two_sample(torch.randn(100, 2), torch.randn(100, 2) + 1).p_value < 0.01
    True
    """
    _check(x, y)
    n, m = len(x), len(y)
    pooled = torch.cat([x, y]).flatten(1).double()
    pooled -= pooled.mean(0)  # distances by matrix products round relative to |x|^2
    squared = torch.cdist(pooled, pooled, compute_mode="use_mm_for_euclid_dist").square_()
    above = torch.ones_like(squared, dtype=torch.bool).triu_(1)
    bandwidth = squared[above].median().sqrt()
    if bandwidth <= 1e-6 * squared.max().sqrt():
        raise JensenError(
            "kernel_two_sample: most pairs of points are identical, so there is no bandwidth: jitter them"
        )
    kernel = torch.exp(squared.div_(-2 * bandwidth**2)).fill_diagonal_(0)

    # The first row holds the labels as they came, so that ties with it are ties to the last bit.
    order = torch.rand(1 + num_permutations, n + m, device=pooled.device).argsort(1)
    order[0] = torch.arange(n + m)
    statistics = _unbiased(kernel, (order < n).double())
    variance = _jackknife_variance(kernel[:n, :n], kernel[:n, n:]) + _jackknife_variance(kernel[n:, n:], kernel[n:, :n])
    return KernelTwoSample(
        mmd2=statistics[0].item(),
        standard_error=variance.sqrt().item(),
        p_value=(statistics >= statistics[0]).double().mean().item(),
        bandwidth=bandwidth.item(),
    )


def _unbiased(
    kernel: Float[Tensor, "points points"], in_x: Float[Tensor, "labellings points"]
) -> Float[Tensor, " labellings"]:
    """MMD^2 for each labelling in {0, 1}; the kernel's diagonal is 0."""
    n = in_x[0].sum()
    m = in_x.shape[1] - n
    xx = ((in_x @ kernel) * in_x).sum(1)
    xy = in_x @ kernel.sum(1) - xx
    yy = kernel.sum() - xx - 2 * xy
    return xx / (n * (n - 1)) - 2 * xy / (n * m) + yy / (m * (m - 1))


def _jackknife_variance(within: Float[Tensor, "n n"], across: Float[Tensor, "n m"]) -> Float[Tensor, ""]:
    """The variance of MMD^2 from leaving out each of n points in turn, the other sample held fixed.

    MMD^2 without point i is a constant less u_i / (n - 1), which makes the jackknife's variance var(u) / n.
    """
    n = len(within)
    u = 2 * (within.sum(1) / (n - 2) - across.mean(1))
    return u.var() / n


def _check(x: Tensor, y: Tensor) -> None:
    if x.shape[1:] != y.shape[1:]:
        raise JensenError(
            f"kernel_two_sample needs events of one shape, got {tuple(x.shape[1:])} and {tuple(y.shape[1:])}: "
            "reshape one of them"
        )
    if min(len(x), len(y)) < 3:
        raise JensenError(f"kernel_two_sample needs 3 points of each, got {len(x)} and {len(y)}: draw more")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise JensenError("kernel_two_sample needs finite values, got nan or inf: drop those points")
