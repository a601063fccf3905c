"""The worked figures of sampling and of chains, at a tiny size: each shows the fact that it is drawn for."""

from __future__ import annotations

import math

import pytest
from benchmarks.figures import growing_dimension, markov_chains
from benchmarks.figures.__main__ import FIGURES

from jensen.reporting.style import png


def test_what_is_kept_falls_exponentially_and_the_draws_think_too_well_of_themselves() -> None:
    found = growing_dimension.compute(tiny=True)
    for dims, kept in found.rejected.items():
        rate, error = kept.acceptance_rate
        assert abs(rate - growing_dimension.SCALE**-dims) < 4 * error
    assert 50 not in found.rejected
    for dims in (1, 2, 5):
        share = found.weighted[dims].effective_sample_size / found.num_samples
        assert share == pytest.approx(growing_dimension.effective_share(dims), rel=0.1)
        assert found.weighted[dims].warning is None
    last = found.weighted[100]
    assert last.effective_sample_size > 1 > 100 * growing_dimension.effective_share(100) * found.num_samples
    assert last.pareto_k > 0.7
    assert last.warning is not None
    assert "| 100 | 2.4e-15 |  | 1.1e-06 |" in growing_dimension.table(found)
    figure = growing_dimension.draw(found)
    assert len(figure.axes) == 4
    assert len(png(figure)) > 10_000


def test_the_printed_law_moves_and_the_right_one_stays() -> None:
    found = markov_chains.compute(tiny=True)
    right, printed = found.from_law["stationary"], found.from_law["printed"]
    assert float((right - right[0]).abs().max()) < 1e-15
    assert float((printed[1] - printed[0]).abs().max()) == pytest.approx(0.0282, abs=1e-6)
    # All starts end in the right one, and simulated chains do.
    for laws in (*found.from_law.values(), found.from_a):
        assert float((laws[-1] - right[0]).abs().max()) < 0.4**10
    assert ((found.shares - right[0]).abs() < 4 * found.errors).all()
    going_round = found.never["a b a"][:, 0]
    assert going_round.tolist() == [1, 0] * 6 + [1]
    table = markov_chains.table(found)
    assert "| printed | 0.3010, 0.5470, 0.1520 | 0.3055, 0.5188, 0.1757 | 0.0282 | 0.0470 |" in table
    assert "| a b a | 2 | none: it goes round |" in table
    assert "| a b a, a b c a | 1 | 0.4000, 0.4000, 0.2000 |" in table
    assert "| `stationary_law()` | 0.750000000000000 |" in table
    others = [p for name, p in markov_chains.first_entry(1e-12).items() if name.startswith("`numpy")]
    assert all(1e-8 < abs(p - 0.75) < 1e-3 for p in others)
    figure = markov_chains.draw(found)
    assert [len(axes.lines) for axes in figure.axes][1:] == [3, 3]
    assert math.isclose(figure.axes[0].patches[0].get_height(), 5 / 16)


def test_they_have_names() -> None:
    assert {"growing-dimension", "markov-chains"} <= set(FIGURES)
