"""Annealed importance sampling, held against a model whose evidence is known."""

from __future__ import annotations

import math

import pytest
import torch
from tests.linear_gaussian import linear_gaussian

from jensen.errors import JensenError
from jensen.evaluation.bracket import annealed, bracket
from jensen.evaluation.likelihood import log_marginal_likelihood
from jensen.inference.annealed_importance import Annealing, Path


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_the_annealed_estimate_reaches_the_evidence_that_a_wrong_proposal_misses(start) -> None:
    model, marginal = linear_gaussian(shift=0.8, widen=0.6)
    x = marginal.sample((200,))
    exact = marginal.log_prob(x)
    estimate = annealed(model, x, Annealing(60, 8, 5, start))
    short = exact - estimate.value
    error = short.std() / math.sqrt(len(x))
    poor = (exact - log_marginal_likelihood(model, x, num_samples=8).value).mean()
    assert poor > 1
    assert -3 * error < short.mean() < 0.25 * poor


@pytest.mark.parametrize("start", ["posterior", "prior"])
def test_the_bracket_encloses_the_evidence(start) -> None:
    model, marginal = linear_gaussian(shift=0.4, widen=1.3)
    torch.manual_seed(7)
    found = bracket(model, 300, Annealing(60, 4, 5, start))
    torch.manual_seed(7)
    x = model.likelihood(model.prior().sample((300,))).sample()
    exact = marginal.log_prob(x)
    below, above = found.lower - exact, found.upper - exact
    assert below.mean() < 3 * below.std() / math.sqrt(300)
    assert above.mean() > -3 * above.std() / math.sqrt(300)
    gap, error = found.gap
    assert 0 < gap < 0.6
    assert error < 0.1
    assert 0.4 < found.acceptance < 0.95


def test_the_exact_posterior_closes_the_bracket() -> None:
    model, _ = linear_gaussian()
    found = bracket(model, 50, Annealing(20, 2, 5, "posterior"))
    torch.testing.assert_close(found.lower, found.upper, atol=1e-8, rtol=0)


def test_a_path_begins_at_its_start_and_ends_at_the_joint() -> None:
    model, marginal = linear_gaussian(shift=0.2)
    x = marginal.sample((5,))
    path = Path(model, x, "prior")
    z = torch.randn(3, 5, 2, dtype=torch.float64)
    half = path.at(torch.tensor(0.5))(z)
    torch.testing.assert_close(half, 0.5 * path.first.log_prob(z) + 0.5 * path.log_joint(z))
    betas = Annealing(10).betas(x.device)
    assert betas[0] == 0
    assert betas[-1] == 1
    assert (betas.diff() > 0).all()


def test_settings_out_of_range() -> None:
    with pytest.raises(JensenError, match="num_chains"):
        Annealing(num_chains=0)
    with pytest.raises(JensenError, match="num_examples"):
        bracket(linear_gaussian()[0], 1)
