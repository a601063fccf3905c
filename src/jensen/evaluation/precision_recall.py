"""Improved precision and recall: are samples like data, and is there a sample like each datum?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jensen.errors import JensenError
from jensen.evaluation.proportion import Proportion, proportion

_ROWS = 1000  # of distances held at a time


@dataclass(frozen=True)
class PrecisionRecall:
    """precision: the share of samples that lie on the data's manifold. recall: of data that lie on the samples'.

    Errors are over the points that are judged, the manifold held fixed. Of two samples of one distribution neither
    share is 1, because a point may lie outside every ball: what other data score says what to expect.
    """

    precision: Proportion
    recall: Proportion


def precision_recall(
    data: Float[Tensor, "n _"], samples: Float[Tensor, "m _"], num_neighbours: int = 3
) -> PrecisionRecall:
    """Precision and recall by k nearest neighbours (Kynkaanniemi, Karras, Laine, Lehtinen & Aila 2019).

    The manifold of a set of points is the union of balls around each, to the k-th nearest of the others. In float64;
    time grows with n m. Give as many points of each: with more of one, its balls are smaller.

    Args:
        data, samples: features (n, F) and (m, F).
        num_neighbours: k, below n and m.

    Raises:
        JensenError: different numbers of features, too few points, values that are not finite.
    """
    if data.shape[1] != samples.shape[1]:
        raise JensenError(
            f"precision_recall needs the same features of both, got {data.shape[1]} and {samples.shape[1]}"
        )
    if num_neighbours < 1 or min(len(data), len(samples)) <= num_neighbours:
        raise JensenError(
            f"precision_recall needs more than num_neighbours={num_neighbours} points of each, at least 1: got "
            f"{len(data)} and {len(samples)}"
        )
    if not (data.isfinite().all() and samples.isfinite().all()):
        raise JensenError("precision_recall needs finite values, got nan or inf: drop those points")
    centre = data.double().mean(0)  # distances by matrix products round relative to |x|^2
    data, samples = data.double() - centre, samples.double() - centre
    return PrecisionRecall(
        proportion(_on_manifold(samples, data, num_neighbours)), proportion(_on_manifold(data, samples, num_neighbours))
    )


def _on_manifold(
    points: Float[Tensor, "n features"], of: Float[Tensor, "m features"], num_neighbours: int
) -> Bool[Tensor, " n"]:
    # The nearest of all is the point itself, at distance 0.
    radii = torch.cat([torch.cdist(some, of).kthvalue(num_neighbours + 1, 1).values for some in of.split(_ROWS)])
    return torch.cat([(torch.cdist(some, of) <= radii).any(1) for some in points.split(_ROWS)])
