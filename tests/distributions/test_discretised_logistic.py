from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from tests.moments import has_its_moments

from jensen.distributions.discretised_logistic import DiscretisedLogistic
from jensen.distributions.levels import Levels

LOC = torch.tensor([127.5, 0.0, 255.0, -30.0, 300.0, 64.2])
SCALE = torch.tensor([20.0, 3.0, 0.2, 5.0, 0.5, 300.0])


def test_against_scipys_distribution_function() -> None:
    x = torch.tensor([0, 1, 64, 127, 254, 255])
    law = DiscretisedLogistic(LOC[:, None], SCALE[:, None])
    near = (x - LOC[:, None]).abs() < 30 * SCALE[:, None]  # beyond, scipy's own difference is rounded away
    loc, scale = LOC[:, None].double().numpy(), SCALE[:, None].double().numpy()
    upper = np.where(x == 255, 1.0, stats.logistic.cdf(x.numpy() + 0.5, loc, scale))
    lower = np.where(x == 0, 0.0, stats.logistic.cdf(x.numpy() - 0.5, loc, scale))
    # Where both are near 1 the difference is that of the other tail.
    tail = np.where(x == 0, 1.0, stats.logistic.sf(x.numpy() - 0.5, loc, scale)) - np.where(
        x == 255, 0.0, stats.logistic.sf(x.numpy() + 0.5, loc, scale)
    )
    expected = np.log(np.where(lower > 0.5, tail, upper - lower)[near.numpy()])
    assert law.log_prob(x)[near].numpy() == pytest.approx(expected, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_sums_to_one_and_stays_finite_far_out(levels: int) -> None:
    law = DiscretisedLogistic(LOC[:, None], SCALE[:, None], levels)
    mass = law.log_prob(torch.arange(levels))
    assert mass.isfinite().all()
    assert mass.exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)


def test_has_a_gradient_far_out() -> None:
    loc = torch.tensor(-1000.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(DiscretisedLogistic(loc, torch.tensor(0.5)).log_prob(torch.tensor(200)), loc)
    assert gradient.item() == pytest.approx(2.0, rel=1e-5), "1 / scale: a logistic's tails are exponential"


def test_draws_have_its_moments_and_are_levels() -> None:
    law = DiscretisedLogistic(LOC, SCALE)
    has_its_moments(DiscretisedLogistic(LOC[:3], SCALE[:3]))
    drawn = law.sample((100,))
    assert drawn.dtype == torch.int64
    assert drawn.min() >= 0
    assert drawn.max() <= 255


def test_mean_and_variance_are_those_of_its_masses() -> None:
    law = DiscretisedLogistic(LOC.double(), SCALE.double(), 17)
    k = torch.arange(17)
    mass = DiscretisedLogistic(LOC.double()[:, None], SCALE.double()[:, None], 17).log_prob(k).exp()
    torch.testing.assert_close(law.mean, (mass * k).sum(-1))
    torch.testing.assert_close(law.variance, (mass * k**2).sum(-1) - (mass * k).sum(-1) ** 2)


def test_levels_against_scipy() -> None:
    logits = torch.randn(3, 7)
    law = Levels(logits=logits)
    theirs = [stats.rv_discrete(values=(np.arange(7), p / p.sum())) for p in logits.double().softmax(-1).numpy()]
    for row, their in enumerate(theirs):
        found = [law.log_prob(torch.full((3,), k))[row].item() for k in range(7)]
        assert found == pytest.approx(their.logpmf(np.arange(7)).tolist(), abs=1e-5)
    assert law.mean.numpy() == pytest.approx([their.mean() for their in theirs], abs=1e-5)
    assert law.variance.numpy() == pytest.approx([their.var() for their in theirs], abs=1e-5)
    has_its_moments(law)
