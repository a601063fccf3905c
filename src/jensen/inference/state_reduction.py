"""Markov chains by the elimination of states, without a subtraction.

A chain watched only while it is outside a state is a chain again: from i it moves to j at once, or by way of the state.
Leaving states out one after another is Gaussian elimination on I - P in which every pivot 1 - P_kk is the sum of the
other entries of its row. Sums, products and quotients of numbers that are not negative lose no digits, so each result
is right to about the last digits of float64, however small the probabilities: Grassmann, Taksar and Heyman (1985);
O'Cinneide (1993).
"""

from __future__ import annotations

import numpy as np


def stationary(P: np.ndarray) -> np.ndarray:
    """pi = pi P, sum pi = 1, of an irreducible P (S, S): (S,)."""
    P = P.copy()
    for k in range(len(P) - 1, 0, -1):
        P[:k, k] /= P[k, :k].sum()
        P[:k, :k] += np.outer(P[:k, k], P[k, :k])
    law = np.ones(len(P))
    for k in range(1, len(P)):
        law[k] = law[:k] @ P[:k, k]
    return law / law.sum()


def transient(Q: np.ndarray, leave: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """x = (I - Q)^-1 gain: what is gained, from each state, until the chain has left; (T, K).

    Args:
        Q: transitions among the states, (T, T); it must be possible to leave from each, if only by way of others.
        leave: 1 - sum_j Q_ij, the chance to leave at once, (T,); given, because it must not be subtracted.
        gain: what a visit brings, not negative, (T, K).
    """
    Q, leave, x = Q.copy(), leave.copy(), gain.copy()
    pivots = np.empty(len(Q))
    for k in range(len(Q) - 1, -1, -1):
        pivots[k] = leave[k] + Q[k, :k].sum()
        share = Q[:k, k] / pivots[k]
        Q[:k, :k] += np.outer(share, Q[k, :k])
        leave[:k] += share * leave[k]
        x[:k] += np.outer(share, x[k])
    for k in range(len(Q)):
        x[k] = (x[k] + Q[k, :k] @ x[:k]) / pivots[k]
    return x
