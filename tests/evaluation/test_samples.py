from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from jensen.errors import JensenError
from jensen.evaluation.samples import kernel_two_sample


def _closed_form(shift: torch.Tensor, scale: float, bandwidth: float) -> float:
    """MMD^2 between N(0, I) and N(shift, scale^2 I): E k is a Gaussian integral in each pair."""
    s2, d = bandwidth**2, len(shift)

    def expectation(variance: float, squared_distance: float) -> float:
        return (s2 / (s2 + variance)) ** (d / 2) * math.exp(-squared_distance / (2 * (s2 + variance)))

    across = expectation(1 + scale**2, shift.square().sum().item())
    return expectation(2, 0) + expectation(2 * scale**2, 0) - 2 * across


@pytest.mark.parametrize(("d", "scale"), [(1, 1.0), (3, 0.5), (20, 1.3)])
def test_mmd2_of_two_gaussians_is_the_closed_form(d: int, scale: float) -> None:
    shift = torch.linspace(1, 0.2, d)
    result = kernel_two_sample(torch.randn(700, d), shift + scale * torch.randn(500, d))
    error = result.mmd2 - _closed_form(shift, scale, result.bandwidth)
    assert abs(error) < 4 * result.standard_error
    assert result.standard_error < 0.2 * result.mmd2


def test_the_standard_error_is_that_of_the_estimate() -> None:
    shift = torch.tensor([1.0, 0.0])
    z = []
    for _ in range(300):
        r = kernel_two_sample(torch.randn(80, 2), shift + torch.randn(60, 2), num_permutations=1)
        z.append((r.mmd2 - _closed_form(shift, 1.0, r.bandwidth)) / r.standard_error)
    scores = torch.tensor(z)
    # The mean of 300 scores has standard error 1 / sqrt(300), their standard deviation 1 / sqrt(600).
    assert abs(scores.mean()) < 4 / math.sqrt(300)
    assert abs(scores.std() - 1) < 4 / math.sqrt(600)


def test_mmd2_is_the_double_sum_that_defines_it() -> None:
    x, y = torch.randn(5, 2, 3), torch.randn(7, 2, 3)
    r = kernel_two_sample(x, y)

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return math.exp(-(a - b).double().square().sum().item() / (2 * r.bandwidth**2))

    xx = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (5 * 4)
    yy = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (7 * 6)
    xy = sum(k(a, b) for a in x for b in y) / (5 * 7)
    assert r.mmd2 == pytest.approx(xx + yy - 2 * xy, abs=1e-6)  # x was rounded to float32 before the differences
    assert r.bandwidth == pytest.approx(torch.pdist(torch.cat([x, y]).flatten(1)).median().item(), rel=1e-5)


def test_p_values_are_uniform_where_the_distributions_agree() -> None:
    p = [kernel_two_sample(torch.randn(30, 2), torch.randn(40, 2), num_permutations=199).p_value for _ in range(300)]
    # p is uniform on 1/200, ..., 1; a uniform jitter within each step makes it continuous.
    jittered = torch.tensor(p, dtype=torch.float64) - torch.rand(300, dtype=torch.float64) / 200
    assert stats.kstest(jittered.numpy(), "uniform").pvalue > 1e-3


def test_power_against_a_shift() -> None:
    rejected = [kernel_two_sample(torch.randn(60, 2), 0.75 + torch.randn(60, 2)).p_value < 0.05 for _ in range(20)]
    assert sum(rejected) >= 19


def test_does_not_depend_on_units_or_origin() -> None:
    x, y = torch.randn(50, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64) + 0.5
    a, b = kernel_two_sample(x, y), kernel_two_sample(1e3 * x + 1e4, 1e3 * y + 1e4)
    assert b.mmd2 == pytest.approx(a.mmd2, rel=1e-6)
    assert b.standard_error == pytest.approx(a.standard_error, rel=1e-6)
    assert b.bandwidth == pytest.approx(1e3 * a.bandwidth, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.randn(5, 2), torch.randn(5, 3), "one shape"),
        (torch.randn(5, 2), torch.randn(2, 2), "3 points of each"),
        (torch.randn(5, 2), torch.full((5, 2), math.nan), "finite"),
        (torch.zeros(20, 2), torch.cat([torch.zeros(10, 2), torch.randn(2, 2)]), "identical"),
        (torch.full((9, 50), 0.1), torch.full((9, 50), 0.1), "identical"),
    ],
)
def test_errors_are_one_line(x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    with pytest.raises(JensenError, match=message) as caught:
        kernel_two_sample(x, y)
    assert "\n" not in str(caught.value)
