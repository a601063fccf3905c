"""Quadratic forms and moments of many rows under many components, by matrix products on blocks of rows.

All in float64. A block's numbers fit a processor's cache, which is several times as fast as all rows at once; what
there is of each row and component, (N, K), lies in memory one component after the other, so that sums over k are fast.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 2**17  # numbers of 8 bytes, a megabyte


def squared_distances(
    rows: Float[Tensor, "rows dims"],
    means: Float[Tensor, "components dims"],
    scale_tril: Float[Tensor, "components dims dims"],
) -> Float[Tensor, "rows components"]:
    """(x_n - μ_k)' Σ_k^-1 (x_n - μ_k), (N, K), with Σ_k = L_k L_k': the squared length of L_k^-1 (x_n - μ_k)."""
    components, dims = means.shape
    identity = torch.eye(dims, dtype=rows.dtype, device=rows.device)
    whitening = torch.linalg.solve_triangular(scale_tril, identity, upper=False)
    offset = (whitening @ means[:, :, None]).view(-1, 1)
    matrix = whitening.flatten(0, 1)
    blocks = rows.split(max(1, BLOCK // means.numel()))
    whitened = (torch.addmm(offset, matrix, block.T, beta=-1).square_() for block in blocks)
    return torch.cat([block.view(components, dims, -1).sum(1) for block in whitened], 1).T


def squared_distances_multiplied_out(
    rows: Float[Tensor, "rows dims"],
    means: Float[Tensor, "components dims"],
    scale_tril: Float[Tensor, "components dims dims"],
) -> Float[Tensor, "rows components"]:
    """The same as x'Ax - 2 x'Aμ + μ'Aμ with A = Σ_k^-1, about the centre of the means: faster for many components.

    The terms cancel: rounding grows by the squared ratio of the spread of x to the narrowest direction of Σ_k.
    """
    components, dims = means.shape
    if rows.requires_grad or not _share_products(components, dims):
        return squared_distances(rows, means, scale_tril)
    centre = means.mean(0)
    means = means - centre
    precisions = torch.cholesky_inverse(scale_tril)
    upper = torch.triu_indices(dims, dims, device=rows.device)
    of_products = precisions[:, upper[0], upper[1]] * torch.where(upper[0] == upper[1], 1.0, 2.0)
    of_rows = (precisions @ means[:, :, None]).squeeze(-1)
    coefficients = torch.cat([of_products, -2 * of_rows, (of_rows * means).sum(1, keepdim=True)], 1)
    distances = rows.new_empty(components, len(rows))
    size = max(1, 2 * BLOCK // coefficients.shape[1])
    for block, part in zip(rows.split(size), distances.split(size, 1), strict=True):
        torch.mm(coefficients, _products(block - centre), out=part)
    return distances.T


def weighted_moments(
    rows: Float[Tensor, "rows dims"], log_weights: Float[Tensor, "rows components"]
) -> tuple[Float[Tensor, "components"], Float[Tensor, "components dims"], Float[Tensor, "components dims dims"]]:
    """log Σ_n w_nk (K,), and the weighted means of x_n (K, D) and of x_n x_n' (K, D, D): 0 where no row has weight."""
    components, dims = log_weights.shape[1], rows.shape[1]
    top = _top(log_weights)
    if _share_products(components, dims):
        upper = torch.triu_indices(dims, dims, device=rows.device)
        sums = rows.new_zeros(components, upper.shape[1] + dims + 1)
        size = max(1, 2 * BLOCK // sums.shape[1])
        for block, log_weight in zip(rows.split(size), log_weights.split(size), strict=True):
            sums.addmm_(_weight(log_weight, top), _products(block).T)
        total, first = sums[:, -1], sums[:, -1 - dims : -1]
        second = rows.new_empty(components, dims, dims)
        second[:, upper[0], upper[1]] = second[:, upper[1], upper[0]] = sums[:, : upper.shape[1]]
    else:
        total, first = rows.new_zeros(components), rows.new_zeros(components, dims)
        second = rows.new_zeros(components, dims, dims)
        size = max(1, BLOCK // (components * dims))
        for block, log_weight in zip(rows.split(size), log_weights.split(size), strict=True):
            weight = _weight(log_weight, top)
            total += weight.sum(1)
            first.addmm_(weight, block)
            second.view(-1, dims).addmm_((weight[:, None] * block.T).flatten(0, 1), block)
    divisor = torch.where(total > 0, total, 1.0)[:, None]
    return top + total.log(), first / divisor, second / divisor[:, :, None]


def weighted_moments_by_entry(
    rows: Float[Tensor, "rows dims"], log_weights: Float[Tensor, "rows components"]
) -> tuple[
    Float[Tensor, "components"],
    Float[Tensor, "components dims"],
    Float[Tensor, "components dims"],
    Float[Tensor, "components dims"],
]:
    """log Σ_n w_nk (K,); the share of that which has entry d (it is not NaN); and over it the means of x_nd and x_nd².

    The last three are (K, D), and 0 where no row has the entry.
    """
    components, dims = log_weights.shape[1], rows.shape[1]
    top, total = _top(log_weights), rows.new_zeros(components, 1)
    there, first, second = (rows.new_zeros(components, dims) for _ in range(3))
    size = max(1, BLOCK // (components + dims))
    for block, log_weight in zip(rows.split(size), log_weights.split(size), strict=True):
        weight = _weight(log_weight, top)
        sums = weight.sum(1, keepdim=True)
        total += sums
        missing = block.isnan()
        if missing.any():
            block = block.nan_to_num(nan=0.0)
            there.addmm_(weight, (~missing).to(weight))
        else:
            there += sums
        first.addmm_(weight, block)
        second.addmm_(weight, block.square())
    divisor = torch.where(there > 0, there, 1.0)
    share = there / torch.where(total > 0, total, 1.0)
    return (top[:, None] + total.log()).squeeze(1), share, first / divisor, second / divisor


def _share_products(components: int, dims: int) -> bool:
    """Whether components are so many that it pays to write down the products x_i x_j, i <= j, once for all of them."""
    return dims <= 2 * components


def _products(block: Tensor) -> Tensor:
    """x_i x_j for i <= j, then x_i, then 1, of each row, (F, B): any quadratic function of x is linear in them."""
    columns = block.T.contiguous()
    dims = len(columns)
    products = columns.new_empty(dims * (dims + 1) // 2 + dims + 1, columns.shape[1])
    place = 0
    for i in range(dims):
        torch.mul(columns[i], columns[i:], out=products[place : place + dims - i])
        place += dims - i
    products[place:-1] = columns
    products[-1] = 1.0
    return products


def _top(log_weights: Tensor) -> Tensor:
    """The largest weight of each component, (K,), below which the sum of the others may be too small to divide by."""
    return log_weights.amax(0).clamp_min(torch.finfo(log_weights.dtype).min)


def _weight(log_weight: Tensor, top: Tensor) -> Tensor:
    """exp(log w - top) of a block of rows, as (K, B)."""
    return (log_weight - top).exp_().T.contiguous()
