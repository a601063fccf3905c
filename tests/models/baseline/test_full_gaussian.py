from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.baseline.gaussian import Gaussian, build
from jensen.models.mixture.gaussian import GaussianMixture

NOTHING = torch.empty(0, 3)


def fitted() -> tuple[Gaussian, torch.Tensor]:
    x = torch.randn(200, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64) + 2
    model = build(Spec((3,), "real"))
    model.fit_to(x, NOTHING)
    return model, x


def test_it_is_a_mixture_of_one() -> None:
    model, x = fitted()
    mixture = GaussianMixture(Spec((3,), "real"), num_components=1, covariance="full")
    mixture.m_step(x, torch.zeros(len(x), 1, dtype=torch.float64))
    torch.testing.assert_close(model.log_prob(x), mixture.log_prob(x), rtol=0, atol=1e-10)


def test_what_is_missing_is_integrated_out() -> None:
    model, x = fitted()
    gaps = x[:6].clone()
    gaps[0, 1] = gaps[2, 0] = gaps[2, 2] = torch.nan
    gaps[3] = torch.nan
    found = model.log_prob(gaps)
    there = [[0, 2], [0, 1, 2], [1]]
    for row, entries in enumerate(there):
        law = MultivariateNormal(model.mean[entries], model.covariance[entries][:, entries])
        assert found[row].item() == pytest.approx(law.log_prob(x[row, entries]).item(), abs=1e-10)
    assert found[3] == 0
    # The chain rule: p(there) p(rest | there) = p(all).
    rest = model.completion(gaps[0])
    whole = found[0] + rest.log_prob(x[0, 1:2])
    assert whole.item() == pytest.approx(model.log_prob(x[:1]).item(), abs=1e-10)


def test_samples_have_the_moments() -> None:
    model, _ = fitted()
    drawn = model.sample(20_000).double()
    error = model.covariance.diagonal().sqrt() / 20_000**0.5
    assert ((drawn.mean(0) - model.mean).abs() < 4 * error).all()
    scale = model.covariance.diagonal().sqrt()
    # Of a product of two standard normals of any correlation the variance is at most 2.
    errors = (drawn.T.cov() - model.covariance) / (scale[:, None] * scale)
    assert (errors.abs() < 4 * (2 / 20_000) ** 0.5).all()


def test_draws_of_the_rest_follow_the_conditional() -> None:
    model, x = fitted()
    known = x[0].clone()
    known[[0, 2]] = torch.nan
    law, drawn = model.completion(known), model.sample(20_000, given=known).double()
    assert (drawn[:, 1] == known[1].float()).all()
    rest = drawn[:, [0, 2]]
    assert ((rest.mean(0) - law.mean).abs() < 4 * law.stddev / 20_000**0.5).all()
    correlation = law.covariance_matrix[0, 1] / law.stddev.prod()
    assert abs(rest.T.corrcoef()[0, 1] - correlation) < 4 / 20_000**0.5
    # All of x given is no draw at all.
    assert torch.equal(model.sample(2, given=x[0]), x[[0, 0]].float())


def test_bad_input() -> None:
    x = torch.randn(50, 3, dtype=torch.float64)
    spec = Spec((3,), "real", columns=("a", "b", "c"))
    with pytest.raises(JensenError, match="covariance is singular: column 'c' is a linear function"):
        build(spec).fit_to(torch.stack([x[:, 0], x[:, 1], x[:, 0] - 2 * x[:, 1]], 1), NOTHING)
    with pytest.raises(JensenError, match="column 'b' never varies"):
        build(spec).fit_to(x * torch.tensor([1.0, 0.0, 1.0]), NOTHING)
    with pytest.raises(JensenError, match="needs more rows than that, got 3"):
        build(spec).fit_to(x[:3], NOTHING)
    with pytest.raises(JensenError, match="needs real-valued x, got kind 'binary'"):
        build(Spec((3,), "binary"))
