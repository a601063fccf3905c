"""Gaussian components of rows with missing entries (NaN): densities and moments, one pattern of missing at a time.

Source: Ghahramani and Jordan (1994), Supervised learning from incomplete data via an EM approach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from jensen.models.mixture.quadratic import squared_distances, weighted_moments


def log_density_of_observed(
    rows: Float[Tensor, "rows dims"],
    means: Float[Tensor, "components dims"],
    covariances: Float[Tensor, "*components dims dims"],
) -> Float[Tensor, "rows components"]:
    """log N(x_o; μ_o, Σ_oo) with o the entries of a row that are there, (N, K); 0 where none is."""
    components, dims = means.shape
    covariances = covariances.expand(components, dims, dims)
    log_density = rows.new_zeros(len(rows), components)
    for there, members in _patterns(rows):
        scale = torch.linalg.cholesky(covariances[:, there][:, :, there])
        distance = squared_distances(rows[members][:, there], means[:, there], scale)
        log_det = 2 * scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_density[members] = -0.5 * (int(there.sum()) * math.log(2 * math.pi) + log_det + distance)
    return log_density


def completed_moments(
    rows: Float[Tensor, "rows dims"],
    log_weights: Float[Tensor, "rows components"],
    means: Float[Tensor, "components dims"],
    covariances: Float[Tensor, "*components dims dims"],
) -> tuple[Float[Tensor, "components"], Float[Tensor, "components dims"], Float[Tensor, "components dims dims"]]:
    """What `weighted_moments` says, with E_k[x_n] and E_k[x_n x_n'] given the entries of x_n that are there.

    Under N(μ_k, Σ_k) the missing entries m given x_o have mean μ_m + A (x_o - μ_o) with A = Σ_mo Σ_oo^-1, and
    covariance C = Σ_mm - A Σ_om: so E[x] = B x_o + b, and the sums need x_o only through its own moments.
    """
    components, dims = means.shape
    covariances = covariances.expand(components, dims, dims)
    log_counts = log_weights.logsumexp(0)
    divisor = log_counts.masked_fill(log_counts.isneginf(), 0.0)
    # Rows of which nothing is there are what the component says.
    nothing = (log_weights[rows.isnan().all(1)].logsumexp(0) - divisor).exp()
    first = nothing[:, None] * means
    second = nothing[:, None, None] * (covariances + means[:, :, None] * means[:, None, :])
    for there, members in _patterns(rows):
        given = covariances[:, there]
        scale = torch.linalg.cholesky(given[:, :, there])
        # B is Σ_·o Σ_oo^-1, whose rows for o are the identity; it leaves Σ - B Σ_o· to the missing entries alone.
        matrix = torch.cholesky_solve(given, scale).mT
        matrix[:, there] = torch.eye(int(there.sum())).to(matrix)
        offset = means - (matrix @ means[:, there, None]).squeeze(-1)
        left = torch.where(there[:, None] | there, 0.0, covariances - matrix @ given)
        log_share, of_x, of_products = weighted_moments(rows[members][:, there], log_weights[members])
        share = (log_share - divisor).exp()
        mean = (matrix @ of_x[:, :, None]).squeeze(-1)
        first += share[:, None] * (mean + offset)
        cross = mean[:, :, None] * offset[:, None, :]
        products = matrix @ of_products @ matrix.mT + cross + cross.mT + offset[:, :, None] * offset[:, None, :]
        second += share[:, None, None] * (products + left)
    return log_counts, first, second


def _patterns(rows: Float[Tensor, "rows dims"]) -> Iterator[tuple[Bool[Tensor, "dims"], Int64[Tensor, "members"]]]:
    """Which entries are there, and the rows of which that is true, for each pattern in which some are."""
    patterns, of_row = (~rows.isnan()).unique(dim=0, return_inverse=True)
    for place, there in enumerate(patterns):
        if there.any():
            yield there, (of_row == place).nonzero().flatten()
