"""Mean field in free form: q(z) = ∏_j q_j(z_j) on a table of log p(z, x), by coordinate ascent.

Sources: Bishop (2006), Pattern Recognition and Machine Learning, section 10.1.1; Blei, Kucukelbir and McAuliffe (2017),
Variational inference: a review for statisticians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from jensen.errors import JensenError


@dataclass(frozen=True)
class MeanField:
    """q(z) = ∏_j q_j(z_j) where coordinate ascent ended.

    factors: q_j, (n_j,) each. elbo: E_q log p(z, x) + Σ_j H(q_j), nats; log p(x) is above it by KL(q || p(z | x)).
    history: (updates + 1,), the ELBO at the start and after the update of each factor; it never falls.
    converged: whether it stopped because a round of updates gained less than the tolerance.
    """

    factors: tuple[Tensor, ...]
    elbo: float
    history: Float64[Tensor, " updates"]
    converged: bool


@torch.no_grad()
def coordinate_ascent(
    log_joint: Float[Tensor, "*states"],
    start: Sequence[Tensor] | None = None,
    *,
    max_rounds: int = 1000,
    tolerance: float = 1e-12,
) -> MeanField:
    """Sets each factor in turn to its best given the others, q_j(z_j) ∝ exp E_{q_-j} log p(z, x), again and again.

    The expectation is of log p(z, x), all of it: E log p(z_-j | x, z_j) depends on z_j and is not a constant that could
    be left out. Where coordinate ascent ends no single factor can be bettered; it depends on the start.

    Args:
        log_joint: log p(z_1, ..., z_n, x) at the x that was seen, (n_1, ..., n_n), nats, up to a constant; -inf is
            allowed.
        start: q_j, (n_j,) each. By default each is certain of its part of the likeliest z, which never has probability
            0; equal shares may have, and can be stationary halfway between two modes that are alike.
        max_rounds: the most rounds, of one update for each factor.
        tolerance: nats.

    Raises:
        JensenError: a table of NaN, +inf or of zeros alone; a start that is no distribution, or where p has zeros.

    >>> table = torch.tensor([[0.45, 0.05], [0.05, 0.45]]).log()
    >>> [round(float(q[0]), 4) for q in coordinate_ascent(table).factors]
    [0.75, 0.75]
    """
    table = log_joint.double()
    if not table.ndim or table.isnan().any() or (table == torch.inf).any() or table.isneginf().all():
        raise JensenError(
            f"log_joint must be a table of log-probabilities, -inf or finite and not all -inf; got shape "
            f"{tuple(table.shape)}: check it for NaN and inf"
        )
    factors = _certain(table) if start is None else _checked(start, table)
    history = [_contracted(table, factors, None) + sum(_entropy(q) for q in factors)]
    if not history[0].isfinite():
        raise JensenError(
            "the start has mass where the table says probability 0, so its ELBO is -inf: leave the start out, "
            "or let it avoid those states"
        )
    converged = False
    for _ in range(max_rounds):
        for j in range(len(factors)):
            expected = _contracted(table, factors, j)  # E_{q_-j} log p(z, x), (n_j,)
            factors[j] = expected.softmax(0)
            # At the best q_j, E log p + H(q_j) is the log of its normaliser.
            history.append(expected.logsumexp(0) + sum(_entropy(q) for i, q in enumerate(factors) if i != j))
        converged = bool(history[-1] - history[-1 - len(factors)] < tolerance)
        if converged:
            break
    return MeanField(tuple(factors), float(history[-1]), torch.stack(history), converged)


def _contracted(table: Tensor, factors: Sequence[Tensor], kept: int | None) -> Tensor:
    """The table's mean under all factors but one, (n_kept,) or (); what has no mass counts 0, even of -inf."""
    for j in reversed(range(len(factors))):
        if j != kept:
            q = factors[j].view(-1, *[1] * (table.ndim - 1 - j))
            table = torch.where(q > 0, q * table, 0.0).sum(j)
    return table


def _entropy(q: Tensor) -> Tensor:
    """-Σ q log q, ()."""
    return -q.xlogy(q).sum()


def _certain(table: Tensor) -> list[Tensor]:
    """Point masses on the likeliest cell."""
    cell = torch.unravel_index(table.argmax(), table.shape)
    return [torch.nn.functional.one_hot(place, size).to(table) for place, size in zip(cell, table.shape, strict=True)]


def _checked(start: Sequence[Tensor], table: Tensor) -> list[Tensor]:
    factors = [q.to(table) for q in start]
    shapes = tuple(tuple(q.shape) for q in factors)
    if shapes != tuple((size,) for size in table.shape):
        raise JensenError(
            f"start must be a distribution for each dimension of {tuple(table.shape)}, got shapes {shapes}"
        )
    for j, q in enumerate(factors):
        if not (q >= 0).all() or abs(float(q.sum()) - 1) > 1e-6:
            raise JensenError(f"start[{j}] must be probabilities that sum to 1, got the sum {float(q.sum()):g}")
    return factors
