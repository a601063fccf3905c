from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from tests.moments import has_its_moments

from jensen.distributions.counts import NegativeBinomial, Poisson

MEAN = torch.tensor([0.1, 2.5, 30.0, 1000.0, 1e5])
X = torch.tensor([0.0, 1.0, 7.0, 33.0, 990.0, 100_200.0])


def test_poisson_against_scipy_at_small_counts_and_large() -> None:
    found = Poisson(MEAN[:, None]).log_prob(X)
    expected = stats.poisson.logpmf(X.double(), MEAN[:, None].double())
    assert found.numpy() == pytest.approx(expected, abs=1e-5, rel=1e-6)


@pytest.mark.parametrize("concentration", [0.05, 1.0, 50.0, 1e6])
def test_negative_binomial_against_scipy(concentration: float) -> None:
    found = NegativeBinomial(MEAN[:, None], torch.tensor(concentration)).log_prob(X)
    r, m = np.float64(np.float32(concentration)), MEAN[:, None].double().numpy()
    expected = stats.nbinom.logpmf(X.double(), r, r / (r + m))
    assert found.numpy() == pytest.approx(expected, abs=1e-5, rel=1e-6)


def test_negative_binomial_of_large_concentration_is_a_poisson() -> None:
    x = torch.arange(20.0)
    near = NegativeBinomial(torch.tensor(4.0), torch.tensor(1e7)).log_prob(x)
    torch.testing.assert_close(near, Poisson(torch.tensor(4.0)).log_prob(x), rtol=0, atol=2e-5)


def test_sums_to_one() -> None:
    x = torch.arange(2000.0)
    law = NegativeBinomial(torch.tensor([3.0, 40.0])[:, None], torch.tensor([0.5, 5.0])[:, None])
    assert law.log_prob(x).exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)


def test_draws_have_the_stated_moments() -> None:
    has_its_moments(Poisson(MEAN[:4]))
    has_its_moments(NegativeBinomial(MEAN[:4], torch.tensor([0.5, 1.0, 10.0, 200.0])))
