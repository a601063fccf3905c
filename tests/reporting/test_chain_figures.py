"""The worked figures of Markov chain Monte Carlo, at a tiny size: each shows the fact that it is drawn for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.figures import funnel, narrow_normal


def test_gibbs_crawls_along_a_narrow_normal_and_hmc_does_not() -> None:
    torch.manual_seed(0)
    found = narrow_normal.compute(tiny=True)
    crawling, following = found["Gibbs"], found["HMC"]
    assert crawling.autocorrelation[10] == pytest.approx(narrow_normal.RHO**20, abs=0.15)
    assert crawling.worth < 0.02 < 0.2 < following.worth
    assert np.abs(following.autocorrelation[10:]).max() < 0.1
    assert "lag 50" in narrow_normal.table(found)
    left, middle, right = narrow_normal.draw(found).axes
    assert len(right.lines) == 3
    moves = np.diff(np.column_stack(left.lines[2].get_data()), axis=0)
    assert (np.abs(moves).min(1) == 0).all(), "each move of Gibbs is along an axis"
    assert (np.abs(np.diff(np.column_stack(middle.lines[2].get_data()), axis=0)).min(1) > 0).any()


def test_only_the_non_centred_form_gets_into_the_funnel() -> None:
    torch.manual_seed(0)
    found = funnel.compute(tiny=True)
    centred, free = found["centred"], found["non-centred"]
    assert centred.divergent.sum() > 10 * max(1, free.divergent.sum())
    assert centred.effective < 0.3 * free.effective
    assert centred.step_size < free.step_size
    assert "quadrature" in funnel.table(found)
    assert len(funnel.draw(found).axes) == 3
