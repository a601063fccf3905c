"""Markov chains on finitely many states: their laws, their times, their paths, and their fit.

Sources: Kemeny and Snell (1960), Finite Markov Chains; Norris (1997), Markov Chains.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jensen.errors import JensenError
from jensen.inference import state_reduction
from jensen.inference.communication import CommunicatingClass, Members, classes_of, hits_surely
from jensen.inference.transitions import TOLERANCE, checked_table, counted_table, float64, place_of, places_of

RELATIVE = 1e-9  # what agrees to this share is equal, after a few hundred operations in float64


class MarkovChain:
    """x_t given the m states before it, by the same table at every t (homogeneous), in float64.

    P[i, j] = P(x_t = j | x_(t-1) = i): rows are where the chain comes from and sum to 1, laws are rows, a step takes p
    to p P. A table of m + 1 dimensions makes a chain of order m: P[i, j, k] = P(x_t = k | x_(t-2) = i, x_(t-1) = j).
    That is a chain of order 1 on m-tuples; `P`, `states`, classes, laws and times are of these, paths of the symbols.

    Args:
        P: (S, S), or (S, ..., S) of m + 1 dimensions.
        states: the names of the S symbols; none is 0 .. S - 1.
        initial: where chains begin: a state, or a law over the states. None is the stationary law, if there is but one.

    Raises:
        JensenError: where P is no table of probabilities, or the rest does not fit it.

    >>> chain = MarkovChain([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]], states="abc")
    >>> chain.stationary_law()
    tensor([0.3125, 0.5000, 0.1875], dtype=torch.float64)
    """

    def __init__(self, P: object, states: Sequence[Hashable] | None = None, initial: object = None) -> None:
        table = checked_table(P, states)
        size = len(table)
        self.symbols: tuple[Hashable, ...] = tuple(range(size)) if states is None else tuple(states)
        self.order = table.ndim - 1
        self.table: Float[Tensor, "contexts symbols"] = table.reshape(-1, size)
        self.states, self.P = self.symbols, self.table
        if self.order > 1:
            tuples = torch.cartesian_prod(*[torch.arange(size)] * self.order)
            self.states = tuple(tuple(self.symbols[i] for i in row) for row in tuples.tolist())
            # (i, j) moves to (j, k), and to nothing else.
            tails = torch.arange(size ** (self.order - 1))
            self.P = table.new_zeros(size, len(tails), len(tails), size)
            self.P[:, tails, tails] = self.table.view(size, len(tails), size)
            self.P = self.P.view(len(self.states), len(self.states))
        self.initial = None if initial is None else self._law(initial)

    @classmethod
    def fit(
        cls,
        sequences: Iterable,
        order: int = 1,
        pseudo_count: float | int = 0,
        states: Sequence[Hashable] | None = None,
    ) -> MarkovChain:
        """The chain of greatest likelihood given how the sequences begin: the shares of what followed each context.

        Args:
            sequences: several, each of states, or a tensor (chains, T); none runs into the next.
            order: m, how many states are conditioned on.
            pseudo_count: added to every count: the posterior mean, under rows that are Dirichlet(pseudo_count, ...).
            states: all that there are, in their order; none is those that are seen, sorted.

        Raises:
            JensenError: nothing to count, an unknown state, or a context that nothing follows while nothing is added.

        >>> MarkovChain.fit(["aab", "aba"]).P
        tensor([[0.3333, 0.6667],
                [1.0000, 0.0000]], dtype=torch.float64)
        """
        try:
            paths = [list(path.tolist() if isinstance(path, Tensor | np.ndarray) else path) for path in sequences]
        except TypeError:
            raise JensenError("fit takes several sequences of states: pass one alone as [sequence]") from None
        if states is None:
            try:
                states = sorted({state for path in paths for state in path})
            except TypeError:
                raise JensenError("the states are of types that have no order together: pass states=[...]") from None
        return cls(counted_table(paths, order, pseudo_count, states), states)

    # Structure

    @cached_property
    def _classes(self) -> list[Members]:
        return classes_of(self.P.numpy() > 0)

    @property
    def _closed(self) -> list[Members]:
        return [found for found in self._classes if found.closed]

    @property
    def classes(self) -> tuple[CommunicatingClass, ...]:
        """The communicating classes, which part the states, in the order of their first."""
        return tuple(
            CommunicatingClass(tuple(self.states[i] for i in found.members), found.closed, found.period)
            for found in self._classes
        )

    @property
    def is_irreducible(self) -> bool:
        """Whether every state leads to every other."""
        return len(self._classes) == 1

    @property
    def period(self) -> int:
        """gcd{n : (P^n)_ii > 0} of the closed class. A self-loop makes it 1, and so do ways back of 2 and of 3 steps.

        Raises:
            JensenError: several closed classes, each with a period of its own (`classes`).
        """
        return self._only_class("period", "classes has that of each").period

    @property
    def is_aperiodic(self) -> bool:
        """Whether every closed class has period 1."""
        return all(found.period == 1 for found in self._closed)

    def is_reversible(self) -> bool:
        """Whether pi_i P_ij = pi_j P_ji, detailed balance, under every stationary law."""
        flow = self._stationary[:, :, None] * self.P
        return bool(((flow - flow.mT).abs() <= RELATIVE * (flow + flow.mT)).all())

    def detailed_balance_gap(self) -> float:
        """max_ij |pi_i P_ij - pi_j P_ji| of the stationary law."""
        flow = self.stationary_law()[:, None] * self.P
        return float((flow - flow.T).abs().max())

    # Laws

    @cached_property
    def _stationary(self) -> Float[Tensor, "classes states"]:
        P = self.P.numpy()
        laws = np.zeros((len(self._closed), len(P)))
        for law, found in zip(laws, self._closed, strict=True):
            law[found.members] = state_reduction.stationary(P[np.ix_(found.members, found.members)])
        return torch.from_numpy(laws)

    def stationary_laws(self) -> Float[Tensor, "classes states"]:
        """All laws with pi = pi P: one for each closed class, (C, S); the others are their mixtures.

        Every entry is right to about 1e-15 of itself, by an elimination that never subtracts (`state_reduction`).
        """
        return self._stationary.clone()

    def stationary_law(self) -> Float[Tensor, " states"]:
        """pi with pi = pi P, (S,).

        Raises:
            JensenError: several closed classes, so that it is not the only one.
        """
        self._only_class("stationary law", "stationary_laws() has one of each, and their mixtures are stationary too")
        return self._stationary[0].clone()

    def residual(self, law: object) -> float:
        """max_j |(p P)_j - p_j| of a law p: 0 of a stationary one, and how a wrong one is known.

        >>> chain = MarkovChain([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
        >>> round(chain.residual([0.301, 0.547, 0.152]), 4)
        0.0282
        """
        p = self._law(law)
        return float((p @ self.P - p).abs().max())

    def transition(self, num_steps: int) -> Float[Tensor, "states states"]:
        """P^n, (S, S): row i is where the chain is n steps after i."""
        if num_steps < 0:
            raise JensenError(f"num_steps must be at least 0, got {num_steps}: a chain runs forwards")
        return torch.linalg.matrix_power(self.P, num_steps)

    def law_after(self, num_steps: int, initial: object = None) -> Float[Tensor, " states"]:
        """p P^n, (S,)."""
        return self._initial(initial) @ self.transition(num_steps)

    def absorption(self) -> Float[Tensor, "states classes"]:
        """The chance, from each state, to end in each closed class, (S, C), in the order of `stationary_laws`."""
        P = self.P.numpy()
        ends = np.zeros((len(P), len(self._closed)))
        for column, found in enumerate(self._closed):
            ends[found.members, column] = 1
        passing = [i for found in self._classes if not found.closed for i in found.members]
        gain = P[passing] @ ends
        ends[passing] = state_reduction.transient(P[np.ix_(passing, passing)], gain.sum(1), gain)
        return torch.from_numpy(ends)

    def limiting_law(self, initial: object = None) -> Float[Tensor, " states"]:
        """lim p P^n, (S,): the same from every start, or, where `initial` is given, from that one.

        From every start it is the stationary law, if there is one closed class and its period is 1. From one start it
        is sum_C P(end in C) pi_C, if all periods are 1, or where the start is spread evenly over the phases.

        Raises:
            JensenError: there is no limit; it says why.
        """
        if initial is None:
            found = self._only_class("limiting law", "where it goes depends on where it starts: pass initial=")
            if found.period > 1:
                raise _no_limit(found.period)
            return self.stationary_law()
        # Along every period-th step nothing oscillates, and there is a limit; one more step must leave it where it is.
        period = math.lcm(*(found.period for found in self._closed))
        leap = self if period == 1 else MarkovChain(self.transition(period), self.states)
        limit = self._law(initial) @ leap.absorption() @ leap._stationary
        if not torch.allclose(limit @ self.P, limit, rtol=RELATIVE, atol=1e-12):
            raise _no_limit(period)
        return limit

    def entropy_rate(self) -> float:
        """-sum_i pi_i sum_j P_ij log P_ij, nats a step."""
        return float(self.stationary_law() @ torch.special.entr(self.P).sum(1))

    # Times

    def mean_first_passage_times(self) -> Float[Tensor, "states states"]:
        """E[steps from i until first in j], (S, S): 0 on the diagonal, infinite where j may never be reached."""
        P = self.P.numpy()
        times = np.full(P.shape, np.inf)
        np.fill_diagonal(times, 0)
        for j in range(len(P)):
            sure = np.flatnonzero(hits_surely(P > 0, j))
            ones = np.ones((len(sure), 1))
            times[sure, j] = state_reduction.transient(P[np.ix_(sure, sure)], P[sure, j], ones)[:, 0]
        return torch.from_numpy(times)

    def mean_return_times(self) -> Float[Tensor, " states"]:
        """E[steps from i until next in i], (S,): 1 / pi_i (Kac 1947), infinite where the chain may leave i for ever."""
        return 1 / self._stationary.sum(0)

    # Paths

    @torch.no_grad()
    def sample(self, num_chains: int, num_steps: int, initial: object = None) -> Int[Tensor, "chains steps"]:
        """x_1 .. x_T of each chain, (num_chains, num_steps), as places among `symbols`; x_1 .. x_m are of `initial`."""
        if num_chains < 1 or num_steps < self.order:
            raise JensenError(f"sample needs 1 chain and {self.order} steps at least, got {num_chains} and {num_steps}")
        cumulative = self.table.cumsum(1)
        cumulative /= cumulative[:, -1:].clone()  # exactly 1 from the last possible symbol on
        size = len(self.symbols)
        context = torch.multinomial(self._initial(initial), num_chains, replacement=True)
        places = [context // size**back % size for back in range(self.order - 1, -1, -1)]
        for _ in range(num_steps - self.order):
            uniform = torch.rand(num_chains, 1, dtype=torch.float64)
            places.append((cumulative[context] <= uniform).sum(1))
            context = context * size % len(self.states) + places[-1]
        return torch.stack(places, 1)

    def log_prob(self, path: Sequence[Hashable] | Tensor, initial: object = None) -> Float[Tensor, "*chains"]:
        """log p(x_1 .. x_m) + sum_t log P(x_t | the m before it), nats: (*chains, T) -> (*chains,).

        Args:
            path: a list of states by name, or a tensor of places among `symbols`, as `sample` gives it.
            initial: a state or a law; None is the chain's.
        """
        places = self._places(path)
        return self._initial(initial).log()[self._contexts(places)[..., 0]] + self.conditional_log_prob(places)

    def conditional_log_prob(self, path: Sequence[Hashable] | Tensor) -> Float[Tensor, "*chains"]:
        """log p(x_(m+1) .. x_T | x_1 .. x_m), nats, (*chains, T) -> (*chains,): what `fit` maximises."""
        places = self._places(path)
        return self.table.log()[self._contexts(places)[..., :-1], places[..., self.order :]].sum(-1)

    def _contexts(self, places: Int[Tensor, "*chains steps"]) -> Int[Tensor, "*chains contexts"]:
        weights = len(self.symbols) ** torch.arange(self.order - 1, -1, -1)
        return (places.unfold(-1, self.order, 1) * weights).sum(-1)

    def _places(self, path: Sequence[Hashable] | Tensor) -> Int[Tensor, "*chains steps"]:
        places = path if isinstance(path, Tensor) else places_of(path, self.symbols)
        if places.is_floating_point() or ((places < 0) | (places >= len(self.symbols))).any():
            raise JensenError(f"a path in a tensor holds places, 0 to {len(self.symbols) - 1}: pass names in a list")
        if places.shape[-1] < self.order:
            raise JensenError(f"a path has as many states as the order, {self.order}, at least; got {places.shape[-1]}")
        return places.long()

    # What the user gives

    def _initial(self, initial: object) -> Float[Tensor, " states"]:
        if initial is not None:
            return self._law(initial)
        return self.stationary_law() if self.initial is None else self.initial

    def _law(self, given: object) -> Float[Tensor, " states"]:
        """A law over the states, (S,), from one or from a state."""
        index = {state: place for place, state in enumerate(self.states)}
        if isinstance(given, str | int) or (isinstance(given, tuple) and given in index):
            law = torch.zeros(len(self.states), dtype=torch.float64)
            law[place_of(given, index)] = 1
            return law
        law = float64("a law", given).flatten()
        if len(law) != len(self.states):
            raise JensenError(f"a law over the states has {len(self.states)} entries, got {len(law)}")
        if not ((law >= 0).all() and abs(float(law.sum()) - 1) <= TOLERANCE):
            raise JensenError(
                f"a law has no negative entry and sums to 1, not to {float(law.sum()):.6g}: divide by the sum"
            )
        return law

    def _only_class(self, what: str, remedy: str) -> Members:
        if len(self._closed) > 1:
            some = "; ".join(", ".join(str(self.states[i]) for i in found.members[:4]) for found in self._closed[:4])
            some += "; ..." if len(self._closed) > 4 else ""
            raise JensenError(f"there are {len(self._closed)} closed classes ({some}), not one {what}: {remedy}")
        return self._closed[0]


def _no_limit(period: int) -> JensenError:
    return JensenError(
        f"p P^n goes round with period {period} and has no limit; its average over time has: the stationary law"
    )
