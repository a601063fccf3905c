"""What torch's Dirichlet and Wishart do not say, against known values, enumeration of moments, and draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Dirichlet, Wishart, kl_divergence

from jensen.distributions import dirichlet, wishart
from jensen.errors import JensenError

DIRICHLET = Dirichlet(torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64))
# torch's sampler tests for singular draws the wrong way round, and warns where all are sound.
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample detected:UserWarning")
V = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
WISHART = Wishart(torch.tensor(7.0, dtype=torch.float64), V)


def close(found: torch.Tensor, expected: object, digits: int = 10) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=10**-digits, rtol=0)


def test_the_dirichlet() -> None:
    close(DIRICHLET.mean, [0.2, 0.3, 0.5])
    close(DIRICHLET.variance, [0.0145454545, 0.0190909091, 0.0227272727])
    close(dirichlet.covariance(DIRICHLET).diagonal(), [0.0145454545, 0.0190909091, 0.0227272727])
    close(dirichlet.covariance(DIRICHLET)[0, 1], -0.0054545455)
    close(dirichlet.covariance(DIRICHLET).sum(1), [0.0, 0.0, 0.0])
    close(dirichlet.expected_log(DIRICHLET), [-1.828968254, -1.328968254, -0.7456349206])
    close(DIRICHLET.entropy(), -1.4611820247)
    uniform = Dirichlet(torch.ones(3, dtype=torch.float64))
    close(kl_divergence(DIRICHLET, uniform), 0.7680348442)
    close(kl_divergence(uniform, DIRICHLET), 2.2625207114)
    assert dirichlet.covariance(DIRICHLET.expand((4,))).shape == (4, 3, 3)


def test_the_wishart() -> None:
    close(WISHART.mean, [[14, 3.5], [3.5, 7]])
    close(WISHART.variance, [[56, 15.75], [15.75, 14]])
    close(wishart.expected_log_det(WISHART), 3.9718511248)
    close(WISHART.entropy(), 8.3334689979)
    close(-wishart.log_normaliser(WISHART), -9.2771712475)
    batch = Wishart(torch.tensor([7.0, 9.0], dtype=torch.float64), V)
    assert wishart.expected_log_det(batch).shape == wishart.log_normaliser(batch).shape == (2,)


def test_the_normaliser_is_what_the_density_lacks() -> None:
    draw = WISHART.sample()
    kernel = (7 - 2 - 1) / 2 * draw.logdet() - 0.5 * torch.linalg.solve(V, draw).trace()
    assert float(WISHART.log_prob(draw)) == pytest.approx(float(kernel - wishart.log_normaliser(WISHART)))


def test_the_mean_covariance_of_a_wishart_precision() -> None:
    mean = wishart.inverse_mean(WISHART)
    close(mean, [[1 / 7, -1 / 14], [-1 / 14, 2 / 7]])
    inverses = torch.linalg.inv(WISHART.sample((40_000,)))
    error = inverses.std(0) / 200
    assert ((inverses.mean(0) - mean).abs() < 4 * error).all()
    # V / (n - p - 1) and (n V)^-1, which are easily taken for it, are far away.
    for wrong in (V / 4, torch.linalg.inv(7 * V)):
        assert ((wrong - mean).abs() > 20 * error).all()


@pytest.mark.parametrize("df", [2.5, 3.0])
def test_there_is_no_mean_covariance_at_few_degrees_of_freedom(df: float) -> None:
    with pytest.raises(JensenError, match=r"more than D \+ 1 = 3 degrees of freedom"):
        wishart.inverse_mean(Wishart(torch.tensor(df), torch.eye(2)))


def test_kl_of_wisharts() -> None:
    other = Wishart(torch.tensor(9.0, dtype=torch.float64), torch.tensor([[1.5, 0.0], [0.0, 0.8]], dtype=torch.float64))
    for q, p in ((WISHART, other), (other, WISHART)):
        draws = q.sample((40_000,))
        ratio = q.log_prob(draws) - p.log_prob(draws)
        assert abs(kl_divergence(q, p) - ratio.mean()) < 4 * ratio.std() / 200
    assert abs(float(kl_divergence(WISHART, WISHART))) < 1e-13
    # In one dimension it is a Gamma of shape nu / 2 and rate 1 / 2V.
    line = [
        Wishart(torch.tensor(n, dtype=torch.float64), torch.tensor([[v]], dtype=torch.float64))
        for n, v in ((3.0, 2.0), (5.0, 0.7))
    ]
    gammas = [torch.distributions.Gamma(law.df / 2, 0.5 / law.covariance_matrix[0, 0]) for law in line]
    assert float(kl_divergence(*line)) == pytest.approx(float(kl_divergence(*gammas)), abs=1e-12)
    assert math.isfinite(float(kl_divergence(*reversed(line))))
