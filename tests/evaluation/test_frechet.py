"""The Frechet distance against closed forms, and its error and bias against what they are of."""

from __future__ import annotations

import math

import pytest
import torch

from jensen.errors import JensenError
from jensen.evaluation.frechet import frechet_distance


def gaussian(seed: int, dims: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A mean, and a square root of a covariance that shares no axes with another seed's."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(dims + 1, dims, generator=generator, dtype=torch.float64)
    return draw[0] / 2, draw[1:] / 2


def closed_form(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> float:
    """|m - n|^2 + tr(S + T - 2 (S T)^(1/2)), the trace of the root from the eigenvalues of S T."""
    (m, a), (n, b) = one, other
    s, t = a @ a.T, b @ b.T
    root = torch.linalg.eigvals(s @ t).real.clamp_min(0).sqrt().sum()
    return float((m - n).square().sum() + s.trace() + t.trace() - 2 * root)


@pytest.mark.parametrize("dims", [1, 2, 6])
def test_between_two_gaussians_is_the_closed_form(dims: int) -> None:
    one, other = gaussian(1, dims), gaussian(2, dims)
    x = one[0] + torch.randn(4000, dims).double() @ one[1].T
    y = other[0] + torch.randn(6000, dims).double() @ other[1].T
    found = frechet_distance(x, y)
    assert abs(found.squared - found.bias - closed_form(one, other)) < 4 * found.standard_error
    assert found.standard_error < 0.1 * found.squared


def test_is_exact_for_samples_with_these_moments() -> None:
    """Whitened points have the moments that they are given to rounding, so that nothing is left to chance."""
    x = torch.randn(400, 5, dtype=torch.float64)
    white = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky((x - x.mean(0)).T @ (x - x.mean(0)) / 399)).T
    one, other = gaussian(3, 5), gaussian(4, 5)
    found = frechet_distance(one[0] + white @ one[1].T, other[0] + white.flip(0) @ other[1].T)
    assert found.squared == pytest.approx(closed_form(one, other), rel=1e-10)


def test_of_a_sample_and_itself_is_zero_where_features_are_dead_or_alike() -> None:
    x = torch.randn(500, 6)
    x = torch.cat([x, x[:, :2], torch.zeros(500, 3)], 1)  # the covariance has no inverse
    assert abs(frechet_distance(x, x).squared) < 1e-10
    shifted = frechet_distance(x, x + torch.eye(11)[0])
    assert shifted.squared == pytest.approx(1, abs=1e-6)


def test_error_and_bias_are_those_of_the_estimate() -> None:
    one, other = gaussian(5, 4), gaussian(6, 4)
    truth, errors, raw, scores = closed_form(one, other), [], [], []
    for _ in range(200):
        x = one[0] + torch.randn(200, 4).double() @ one[1].T
        y = other[0] + torch.randn(300, 4).double() @ other[1].T
        found = frechet_distance(x, y)
        raw.append(found.squared)
        errors.append(found.standard_error)
        scores.append((found.squared - found.bias - truth) / found.standard_error)
    spread = torch.tensor(raw).std().item()
    # A jackknife of 20 groups has an error of 1 / sqrt(38) in each of two parts; the spread one of 1 / sqrt(400).
    assert torch.tensor(errors).mean().item() == pytest.approx(spread, rel=0.15)
    assert abs(torch.tensor(scores).mean().item()) < 4 / math.sqrt(200)


def test_few_points_make_it_too_large_and_the_bias_says_by_how_much() -> None:
    biased, corrected = [], []
    for _ in range(40):
        found = frechet_distance(torch.randn(200, 8), torch.randn(200, 8))
        biased.append(found.squared)
        corrected.append(found.squared - found.bias)
    assert min(biased) > 0.1, "the truth is 0"
    error = torch.tensor(corrected).std().item() / math.sqrt(40)
    assert abs(sum(corrected) / 40) < 4 * error < 0.2 * sum(biased) / 40


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.randn(50, 2), torch.randn(50, 3), "the same features"),
        (torch.randn(50, 2), torch.randn(39, 2), "40 points of each"),
        (torch.randn(50, 2), torch.full((50, 2), math.nan), "finite"),
    ],
)
def test_errors_are_one_line(x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    with pytest.raises(JensenError, match=message) as caught:
        frechet_distance(x, y)
    assert "\n" not in str(caught.value)
