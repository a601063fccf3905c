from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate
from tests.moments import has_its_moments

from jensen.distributions.continuous_bernoulli import ContinuousBernoulli

# Both sides of where the series takes over, and where a probability in single precision is 1.
LOGITS = [0.0, 1e-6, -1e-3, 0.0999, -0.1001, 0.5, -3.0, 15.0, -40.0, 300.0]


def density(x: float, logit: float) -> float:
    """l exp(l x) / (exp l - 1), written out so that nothing overflows."""
    if logit == 0:
        return 1.0
    if logit > 0:
        return logit * np.exp(logit * (x - 1)) / -np.expm1(-logit)
    return logit * np.exp(logit * x) / np.expm1(logit)


@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_the_formula(logit: float, dtype: torch.dtype) -> None:
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    law = ContinuousBernoulli(torch.tensor(logit, dtype=dtype))
    expected = np.log([density(value, float(law.logits)) + 1e-300 for value in x.tolist()])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    assert law.log_prob(x.to(dtype)).numpy() == pytest.approx(expected, abs=tolerance, rel=1e-6)


@pytest.mark.parametrize("logit", LOGITS)
def test_integrates_to_one(logit: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(10)
    panels = 1000
    x = torch.from_numpy((np.arange(panels)[:, None] + (nodes + 1) / 2) / panels)
    density = ContinuousBernoulli(torch.tensor(logit)).log_prob(x).exp().double()
    assert (density @ torch.from_numpy(weights)).sum().item() / (2 * panels) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("logit", LOGITS)
def test_mean_and_variance_against_quadrature(logit: float) -> None:
    law = ContinuousBernoulli(torch.tensor(logit))
    points = [1 / (1 + abs(logit)) if logit < 0 else 1 - 1 / (1 + abs(logit))]
    mean = integrate.quad(lambda x: x * density(x, logit), 0, 1, points=points)[0]
    variance = integrate.quad(lambda x: (x - mean) ** 2 * density(x, logit), 0, 1, points=points)[0]
    assert law.mean.item() == pytest.approx(mean, abs=1e-6)
    assert law.variance.item() == pytest.approx(variance, rel=1e-3)


def test_draws_have_its_moments_and_stay_inside() -> None:
    law = ContinuousBernoulli(torch.tensor(LOGITS))
    has_its_moments(law)
    drawn = law.sample((1000,))
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize("logit", LOGITS)
def test_the_gradient_is_x_minus_the_mean(logit: float) -> None:
    logits = torch.full((5,), logit, requires_grad=True)
    x = torch.linspace(0, 1, 5)
    law = ContinuousBernoulli(logits)
    (gradient,) = torch.autograd.grad(law.log_prob(x).sum(), logits)
    torch.testing.assert_close(gradient, x - law.mean.detach(), rtol=1e-5, atol=2e-6)
