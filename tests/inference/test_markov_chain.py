from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from jensen.errors import JensenError
from jensen.inference.markov_chain import MarkovChain

THREE = [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]]
SWAP = [[0.0, 1.0], [1.0, 0.0]]


def exactly(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def blocks(*parts: list[list[float]]) -> torch.Tensor:
    return torch.block_diag(*[exactly(part) for part in parts])


# M1


def test_the_law_of_three_states_and_the_printed_one_that_is_none() -> None:
    chain = MarkovChain(THREE)
    torch.testing.assert_close(chain.stationary_law(), exactly([5 / 16, 1 / 2, 3 / 16]), rtol=1e-15, atol=0)
    assert chain.residual(chain.stationary_law()) < 1e-16
    printed = [0.301, 0.547, 0.152]
    assert chain.residual(printed) == pytest.approx(0.0282, abs=1e-6)
    torch.testing.assert_close(chain.law_after(1, printed), exactly([0.3055, 0.5188, 0.1757]))
    assert 0.5 * (exactly(printed) - chain.stationary_law()).abs().sum() == pytest.approx(0.047, abs=1e-9)
    # Those who take P' for P, or a right eigenvector for a left one, find another.
    assert chain.residual([1 / 3, 1 / 3, 1 / 3]) > 0.09


def test_times_and_rates_of_three_states() -> None:
    chain = MarkovChain(THREE)
    torch.testing.assert_close(chain.mean_return_times(), exactly([3.2, 2, 16 / 3]), rtol=1e-14, atol=0)
    passage = chain.mean_first_passage_times()
    expected = exactly([[0, 10 / 3, 20 / 3], [14 / 3, 0, 70 / 9], [4, 10 / 3, 0]])
    torch.testing.assert_close(passage, expected, rtol=1e-14, atol=0)
    # Kemeny's constant, tr Z, is the same from every start.
    torch.testing.assert_close(passage @ chain.stationary_law() + 1, torch.full_like(passage[0], 47 / 12))
    assert chain.entropy_rate() == pytest.approx(0.9268445886, abs=1e-10)


def test_convergence_of_three_states() -> None:
    chain = MarkovChain(THREE)
    distances = [float(0.5 * (chain.transition(n) - chain.stationary_law()).abs().sum(1).max()) for n in range(1, 12)]
    assert distances[:4] == pytest.approx([0.2125, 0.08, 0.032, 0.0128], abs=1e-14)
    assert distances[1:] == pytest.approx([0.5 * 0.4**n for n in range(2, 12)], abs=1e-14)
    assert chain.is_irreducible
    assert chain.is_aperiodic
    assert not chain.is_reversible()
    assert chain.detailed_balance_gap() == pytest.approx(0.00625, abs=1e-15)
    torch.testing.assert_close(chain.limiting_law(), chain.stationary_law(), rtol=0, atol=0)


# M2


def test_a_periodic_chain_has_a_law_and_no_limit() -> None:
    chain = MarkovChain(SWAP, states=["up", "down"])
    assert (chain.is_irreducible, chain.period, chain.is_aperiodic) == (True, 2, False)
    assert chain.stationary_law().tolist() == [0.5, 0.5]
    with pytest.raises(JensenError, match="goes round with period 2"):
        chain.limiting_law()
    with pytest.raises(JensenError, match="goes round with period 2"):
        chain.limiting_law("up")
    assert chain.limiting_law([0.5, 0.5]).tolist() == [0.5, 0.5]
    assert chain.law_after(7, "up").tolist() == [0, 1]


def test_two_closed_classes_have_two_laws_and_the_single_one_is_refused() -> None:
    chain = MarkovChain(blocks(SWAP, [[0.5, 0.5], [0.5, 0.5]]), states="abcd")
    assert chain.stationary_laws().tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    assert [(found.states, found.closed, found.period) for found in chain.classes] == [
        (("a", "b"), True, 2),
        (("c", "d"), True, 1),
    ]
    for call in (chain.stationary_law, chain.entropy_rate, lambda: chain.period, lambda: chain.sample(1, 5)):
        with pytest.raises(JensenError, match=r"there are 2 closed classes \(a, b; c, d\)") as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(JensenError, match="depends on where it starts"):
        chain.limiting_law()
    assert chain.limiting_law("d").tolist() == [0, 0, 0.5, 0.5]
    assert chain.limiting_law([0.2, 0.2, 0.6, 0]).tolist() == pytest.approx([0.2, 0.2, 0.3, 0.3])


def test_the_gamblers_ruin() -> None:
    size, up = 6, 0.4
    P = torch.zeros(size, size, dtype=torch.float64)
    P[0, 0] = P[-1, -1] = 1
    for i in range(1, size - 1):
        P[i, i + 1], P[i, i - 1] = up, 1 - up
    chain = MarkovChain(P)
    assert [(found.states, found.closed, found.period) for found in chain.classes] == [
        ((0,), True, 1),
        ((1, 2, 3, 4), False, 2),
        ((5,), True, 1),
    ]
    ratio = (1 - up) / up
    wins = exactly([(ratio**i - 1) / (ratio ** (size - 1) - 1) for i in range(size)])
    torch.testing.assert_close(chain.absorption(), torch.stack([1 - wins, wins], 1), rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(chain.limiting_law(3)[[0, 5]], torch.stack([1 - wins[3], wins[3]]))
    assert chain.mean_first_passage_times()[2, 5] == math.inf
    assert chain.mean_return_times().tolist() == [1, *[math.inf] * 4, 1]


def test_a_state_that_is_passed_through_once() -> None:
    chain = MarkovChain([[0, 0.5, 0.5], [0, 0, 1.0], [0, 0, 1.0]])
    assert [found.period for found in chain.classes] == [0, 0, 1]
    assert chain.is_aperiodic
    assert not chain.is_irreducible
    assert chain.stationary_law().tolist() == [0, 0, 1]
    assert chain.mean_first_passage_times().tolist() == [[0, math.inf, 1.5], [math.inf, 0, 1], [math.inf, math.inf, 0]]


# M3


@pytest.mark.parametrize("epsilon", [1e-3, 1e-12, 1e-100])
def test_a_chain_that_hardly_ever_changes(epsilon: float) -> None:
    chain = MarkovChain([[1 - epsilon, epsilon], [3 * epsilon, 1 - 3 * epsilon]])
    torch.testing.assert_close(chain.stationary_law(), exactly([0.75, 0.25]), rtol=1e-14, atol=0)
    expected = exactly([[0, 1 / epsilon], [1 / (3 * epsilon), 0]])
    torch.testing.assert_close(chain.mean_first_passage_times(), expected, rtol=1e-14, atol=0)
    assert chain.is_reversible()


def test_nearly_separate_blocks_against_exact_fractions() -> None:
    from fractions import Fraction

    generator = torch.Generator().manual_seed(3)
    blocks_of_three = [torch.randint(1, 9, (3, 3), generator=generator) for _ in range(3)]
    weights = [[Fraction(int(v)) for v in row] for row in torch.block_diag(*blocks_of_three)]
    for i, j, k in ((0, 3, 12), (4, 7, 14), (8, 2, 13)):
        weights[i][j] += Fraction(1, 10**k)
    rows = [[entry / sum(row) for entry in row] for row in weights]
    found = MarkovChain([[float(entry) for entry in row] for row in rows]).stationary_law()

    # The same elimination, in fractions.
    P = [list(row) for row in rows]
    for k in range(8, 0, -1):
        out = sum(P[k][:k])
        for i, j in itertools.product(range(k), range(k)):
            P[i][j] += P[i][k] / out * P[k][j]
        for i in range(k):
            P[i][k] /= out
    law = [Fraction(1)]
    for k in range(1, 9):
        law.append(sum(law[i] * P[i][k] for i in range(k)))
    assert all(sum(law[i] * rows[i][j] for i in range(9)) == law[j] for j in range(9)), "the fractions are exact"
    exact = exactly([float(entry / sum(law)) for entry in law])
    torch.testing.assert_close(found, exact, rtol=1e-14, atol=0)
    # What a general solver makes of it.
    P9 = np.array([[float(entry) for entry in row] for row in rows])
    system = np.vstack([P9.T - np.eye(9), np.ones(9)])
    solved = np.linalg.lstsq(system, np.r_[np.zeros(9), 1], rcond=None)[0]
    assert np.abs(solved / exact.numpy() - 1).max() > 1e-6


# M4


def test_a_walk_on_a_graph_stays_in_proportion_to_degrees() -> None:
    edges = torch.zeros(5, 5, dtype=torch.float64)
    for i, j in ((0, 1), (1, 2), (2, 0), (2, 3), (3, 4)):
        edges[i, j] = edges[j, i] = 1
    chain = MarkovChain(edges / edges.sum(1, keepdim=True))
    torch.testing.assert_close(chain.stationary_law(), edges.sum(1) / edges.sum(), rtol=1e-14, atol=0)
    assert chain.is_reversible()
    assert chain.is_aperiodic, "ways back of 2 and of 3 steps, and no self-loop"


def test_two_states() -> None:
    a, b = 0.3, 0.1
    chain = MarkovChain([[1 - a, a], [b, 1 - b]])
    torch.testing.assert_close(chain.stationary_law(), exactly([b, a]) / (a + b))
    eigenvalues = torch.linalg.eigvals(chain.P).real.sort().values
    torch.testing.assert_close(eigenvalues, exactly([1 - a - b, 1]))


# M5


def test_metropolis_hastings_on_four_states_is_in_detailed_balance() -> None:
    target = exactly([0.1, 0.2, 0.3, 0.4])
    P = 0.25 * (target / target[:, None]).clamp_max(1)
    P.fill_diagonal_(0)
    P.diagonal().copy_(1 - P.sum(1))
    chain = MarkovChain(P)
    torch.testing.assert_close(P[3], exactly([0.0625, 0.125, 0.1875, 0.625]))
    torch.testing.assert_close(chain.stationary_law(), target, rtol=1e-14, atol=0)
    assert chain.is_reversible()
    assert chain.detailed_balance_gap() < 1e-16
    eigenvalues = torch.linalg.eigvals(P).real.sort().values
    torch.testing.assert_close(eigenvalues, exactly([0.125, 0.25, 0.375, 1]))


# Periods


@pytest.mark.parametrize(
    ("ways", "period"), [([2], 2), ([2, 3], 1), ([4, 6], 2), ([6, 10, 15], 1), ([6, 9], 3), ([1, 4], 1)]
)
def test_the_period_is_the_greatest_common_divisor_of_return_times(ways: list[int], period: int) -> None:
    size = 1 + sum(length - 1 for length in ways)
    P = torch.zeros(size, size, dtype=torch.float64)
    free = iter(range(1, size))
    for length in ways:
        stops = [0, *(next(free) for _ in range(length - 1)), 0]
        for i, j in itertools.pairwise(stops):
            P[i, j] = 1
    chain = MarkovChain(P / P.sum(1, keepdim=True))
    assert chain.period == period
    returns = [n for n in range(1, 61) if chain.transition(n)[0, 0] > 0]
    assert math.gcd(*returns) == period


# Paths


def test_paths_have_the_probability_of_their_steps() -> None:
    chain = MarkovChain(THREE, states="abc")
    assert chain.log_prob("abba").exp() == pytest.approx(5 / 16 * 0.3 * 0.7 * 0.2)
    assert chain.log_prob(list("abba"), initial="a").exp() == pytest.approx(0.3 * 0.7 * 0.2)
    assert chain.conditional_log_prob("abba").exp() == pytest.approx(0.3 * 0.7 * 0.2)
    assert chain.log_prob("b", initial="a") == -math.inf
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    assert chain.log_prob(every, initial=[0.1, 0.2, 0.7]).exp().sum() == pytest.approx(1, abs=1e-14)


def test_simulated_chains_follow_the_law() -> None:
    chain = MarkovChain(THREE, initial=0)
    num_chains = 40_000
    paths = chain.sample(num_chains, 6)
    assert (paths[:, 0] == 0).all()
    for t in (1, 2, 5):
        shares = torch.bincount(paths[:, t], minlength=3) / num_chains
        expected = chain.law_after(t)
        assert ((shares - expected).abs() < 4 * (expected * (1 - expected) / num_chains).sqrt()).all()
    assert set(MarkovChain(SWAP, initial=1).sample(3, 5).flatten(1).tolist()[0]) == {0, 1}
    # An impossible step is never taken.
    never = MarkovChain([[0.0, 0.5, 0.0, 0.5], [1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.0, 0.5, 0.0]], initial=0)
    walked = never.sample(2000, 20)
    assert (never.P[walked[:, :-1], walked[:, 1:]] > 0).all()


def test_a_chain_of_order_two_conditions_on_two_states() -> None:
    table = torch.rand(3, 3, 3, dtype=torch.float64) + 0.05
    table /= table.sum(-1, keepdim=True)
    chain = MarkovChain(table, states="abc")
    assert chain.order == 2
    assert chain.states[:4] == (("a", "a"), ("a", "b"), ("a", "c"), ("b", "a"))
    assert chain.conditional_log_prob("abca").exp() == pytest.approx(float(table[0, 1, 2] * table[1, 2, 0]))
    assert chain.log_prob("ab", initial=("a", "b")) == 0
    law = chain.stationary_law().view(3, 3)
    torch.testing.assert_close(torch.einsum("ij,ijk->jk", law, table), law)
    torch.testing.assert_close(law.sum(0), law.sum(1))
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    assert chain.log_prob(every).exp().sum() == pytest.approx(1, abs=1e-13)
    paths = chain.sample(30_000, 4)
    shares = torch.bincount(paths @ torch.tensor([27, 9, 3, 1]), minlength=81) / len(paths)
    expected = chain.log_prob(every).exp()
    assert ((shares - expected).square() * len(paths) / expected).sum() < 80 + 4 * math.sqrt(160)


# Fits


def test_the_fit_is_the_counts() -> None:
    chain = MarkovChain.fit(["aab", "ba"], states="ab")
    assert chain.P.tolist() == [[0.5, 0.5], [1, 0]]
    smoothed = MarkovChain.fit(["aab", "ba"], pseudo_count=1, states="abc")
    torch.testing.assert_close(smoothed.P, exactly([[2 / 5, 2 / 5, 1 / 5], [1 / 2, 1 / 4, 1 / 4], [1 / 3] * 3]))
    second = MarkovChain.fit(["aababa"], order=2, pseudo_count=0.5)
    assert second.order == 2
    # aa b, ab a, ba b, ab a: of "b b" nothing is seen.
    torch.testing.assert_close(second.table, exactly([[0.25, 0.75], [2.5 / 3, 0.5 / 3], [0.25, 0.75], [0.5, 0.5]]))


@pytest.mark.parametrize("order", [1, 2])
def test_the_fit_finds_what_was_simulated_and_nothing_is_likelier(order: int) -> None:
    table = torch.rand((3,) * (order + 1), dtype=torch.float64) + 0.1
    truth = MarkovChain(table / table.sum(-1, keepdim=True))
    paths = truth.sample(400, 60)
    fitted = MarkovChain.fit(paths, order=order)
    contexts = truth.stationary_law() * paths[:, order:].numel()
    error = (truth.table * (1 - truth.table) / contexts[:, None]).sqrt()
    assert ((fitted.table - truth.table).abs() < 4.5 * error).all()
    best = fitted.conditional_log_prob(paths).sum()
    assert best > truth.conditional_log_prob(paths).sum()
    # Twice the log-likelihood ratio is about chi-square in the number of free probabilities.
    freedom = 2 * 3**order
    assert 2 * (best - truth.conditional_log_prob(paths).sum()) < freedom + 4 * math.sqrt(2 * freedom)


# What is wrong with what was given


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MarkovChain([[0.5, 0.4], [0.5, 0.5]]), "row '0' of P sums to 0.9, not 1: divide each row by its sum"),
        (lambda: MarkovChain([[0.5, 0.4], [0.5, 0.6]], states="xy"), "the columns of P sum to 1 and its rows do not"),
        (lambda: MarkovChain([[1.5, -0.5], [0.5, 0.5]], states="xy"), "row 'x' of P has the entry -0.5"),
        (lambda: MarkovChain([[float("nan"), 1], [0.5, 0.5]]), "row '0' of P has the entry nan"),
        (lambda: MarkovChain([[0.5, 0.5]]), r"got \(1, 2\)"),
        (lambda: MarkovChain([[0.5, 0.5], [1]]), "P must be numbers in an array"),
        (lambda: MarkovChain(THREE, states="ab"), "3 states, and 2 names"),
        (lambda: MarkovChain(THREE, initial=[0.5, 0.5]), "3 entries, got 2"),
        (lambda: MarkovChain(THREE, initial=[0.5, 0.5, 0.5]), "not to 1.5"),
        (lambda: MarkovChain(SWAP, states=["rain", "sun"]).log_prob(["rain", "snu"]), "did you mean 'sun'"),
        (lambda: MarkovChain(SWAP).log_prob(torch.tensor([0, 2])), "places, 0 to 1"),
        (lambda: MarkovChain(SWAP).log_prob(torch.tensor([0.0])), "places, 0 to 1"),
        (lambda: MarkovChain(SWAP).transition(-1), "runs forwards"),
        (lambda: MarkovChain(SWAP).sample(0, 5), "1 chain"),
        (lambda: MarkovChain.fit(["ab", "cb"]), "nothing follows 'b'"),
        (lambda: MarkovChain.fit(["ab"], order=2), "longer than the order, 2"),
        (lambda: MarkovChain.fit(["ab"], order=0), "order is at least 1"),
        (lambda: MarkovChain.fit([]), "no sequence"),
        (lambda: MarkovChain.fit([0, 1, 0]), r"pass one alone as \[sequence\]"),
        (lambda: MarkovChain.fit([["a", 1]]), r"pass states=\["),
    ],
)
def test_one_line_with_the_remedy(call: object, says: str) -> None:
    with pytest.raises(JensenError, match=says) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
