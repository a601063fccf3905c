"""The Frechet distance between Gaussians fitted to features of data and of samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.errors import JensenError

GROUPS = 20


@dataclass(frozen=True)
class Frechet:
    """The squared Frechet distance of two samples, in squared units of the features.

    squared: |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) at the moments of the samples.
    standard_error: of `squared`, by leaving out a twentieth of either sample in turn; too large where they agree.
    bias: an estimate, by the same jackknife, of how much `squared` is too large for having been taken from so few
        points: it is of the order of F / n. `squared - bias` is nearer to the truth, and may be negative.
    """

    squared: float
    standard_error: float
    bias: float


def frechet_distance(x: Float[Tensor, "n _"], y: Float[Tensor, "m _"]) -> Frechet:
    """W_2^2 between N(m, S) and N(m', S') fitted to x and y (Frechet 1957; Dowson & Landau 1982; Heusel et al. 2017).

    It says whether means and covariances of the features agree, and nothing of what Gaussians leave out. Two figures
    are compared only in the same features and at the same number of points, because of the bias.

    No matrix has to have a square root: with R from the QR decomposition of the centred features, S = R'R / (n - 1),
    the trace of (S S')^(1/2) is the sum of the singular values of R R'^T / ((n - 1)(m - 1))^(1/2). In float64.

    Args:
        x, y: features (n, F) and (m, F), n and m at least 40.

    Raises:
        JensenError: different numbers of features, too few points, values that are not finite.

    >>> _ = torch.manual_seed(0)
    >>> found = frechet_distance(torch.randn(4000, 3), 2 + torch.randn(4000, 3))
    >>> abs(found.squared - 12) < 4 * found.standard_error
    True
    """
    if x.shape[1] != y.shape[1]:
        raise JensenError(f"frechet_distance needs the same features of both, got {x.shape[1]} and {y.shape[1]}")
    if min(len(x), len(y)) < 2 * GROUPS:
        raise JensenError(f"frechet_distance needs {2 * GROUPS} points of each, got {len(x)} and {len(y)}: draw more")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise JensenError("frechet_distance needs finite values, got nan or inf: drop those points")
    x, y = x.double(), y.double()
    fits = _fit(x), _fit(y)
    squared = _distance(*fits)
    variance = bias = 0.0
    for points, other in ((x, fits[1]), (y, fits[0])):
        # Every twentieth point, so that an order in the points does not matter.
        without = torch.stack(
            [_distance(_fit(points[torch.arange(len(points)) % GROUPS != g]), other) for g in range(GROUPS)]
        )
        variance += float((without - without.mean()).square().sum()) * (GROUPS - 1) / GROUPS
        bias += float(without.mean() - squared) * (GROUPS - 1)
    return Frechet(float(squared), variance**0.5, bias)


def _fit(x: Float[Tensor, "n features"]) -> tuple[Float[Tensor, " features"], Float[Tensor, "rank features"]]:
    """The mean, and R with S = R'R."""
    mean = x.mean(0)
    return mean, torch.linalg.qr(x - mean, mode="r").R / (len(x) - 1) ** 0.5


def _distance(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    (m, r), (n, s) = one, other
    traces = r.square().sum() + s.square().sum()
    return (m - n).square().sum() + traces - 2 * torch.linalg.svdvals(r @ s.T).sum()
