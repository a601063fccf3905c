from __future__ import annotations

import itertools

import pytest
import torch

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.mixture import bayesian, bernoulli, gaussian
from jensen.models.mixture.quadratic import (
    squared_distances,
    squared_distances_multiplied_out,
    weighted_moments,
    weighted_moments_by_entry,
)


@pytest.mark.parametrize(("key", "value"), [("learning_rate", 0.1), ("batch_size", 10), ("schedule", "linear")])
def test_settings_of_gradient_descent_are_refused(key: str, value: object) -> None:
    split = jensen.data.load(torch.randn(40, 2).numpy())
    model = jensen.create("gaussian-mixture", split.spec)
    with pytest.raises(JensenError, match=f"^{key} is of gradient descent, by which this model is not fitted: leave"):
        jensen.fit(model, split, **{key: value})


def test_hard_em_and_pseudocounts_are_logged_for_what_they_are() -> None:
    bits = jensen.data.load(torch.bernoulli(torch.full((60, 4), 0.5)).numpy())
    model = jensen.create("bernoulli-mixture", bits.spec, num_components=2, pseudocount=1.0, assignment="hard")
    rows = jensen.fit(model, bits, steps=5).history
    train = [row for row in rows if row["part"] == "train"]
    assert list(train[0])[2:] == ["penalised_elbo", "elbo", "log_prob"]
    objective = [row["penalised_elbo"] for row in train]
    assert all(after >= before - 1e-12 for before, after in itertools.pairwise(objective))


@pytest.mark.parametrize(("components", "dims"), [(5, 3), (2, 9), (1, 1)])
def test_sums_over_blocks_are_the_sums(components: int, dims: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jensen.models.mixture.quadratic.BLOCK", 40)
    rows = torch.randn(50, dims).double()
    log_weights = torch.randn(50, components).double()
    log_weights[3] = -torch.inf
    log_weights[:, -1] -= 2000  # far below the smallest number, were it not for the logarithm
    shares = log_weights.softmax(0).T
    log_totals, first, second = weighted_moments(rows, log_weights)
    torch.testing.assert_close(log_totals, log_weights.logsumexp(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(first, shares @ rows, rtol=1e-12, atol=1e-12)
    products = rows[:, :, None] * rows[:, None, :]
    torch.testing.assert_close(second, torch.tensordot(shares, products, dims=1), rtol=1e-12, atol=1e-12)
    log_totals, there, first, second = weighted_moments_by_entry(rows, log_weights)
    torch.testing.assert_close(log_totals, log_weights.logsumexp(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(there, torch.ones_like(there), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(first, shares @ rows, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(second, shares @ rows.square(), rtol=1e-12, atol=1e-12)
    means = torch.randn(components, dims).double()
    scale = (0.3 * torch.randn(components, dims, dims).double()).tril(-1) + torch.eye(dims)
    difference = torch.linalg.solve_triangular(scale, (rows[:, None] - means)[..., None], upper=False)
    expected = difference.squeeze(-1).square().sum(-1)
    torch.testing.assert_close(squared_distances(rows, means, scale), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(squared_distances_multiplied_out(rows, means, scale), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical", "bayesian"])
def test_the_score_is_the_gradient_of_log_p(covariance: str) -> None:
    x = torch.randn(30, 3, dtype=torch.float64)
    spec = Spec((3,), "real")
    model = (
        bayesian.build(spec, num_components=2)
        if covariance == "bayesian"
        else gaussian.build(spec, num_components=2, covariance=covariance)
    )
    model.initialize(x)
    assert torch.autograd.gradcheck(model.log_prob, x[:4].requires_grad_())


def test_rows_of_bits_of_any_shape() -> None:
    x = torch.bernoulli(torch.full((40, 1, 2, 3), 0.5))
    model = bernoulli.build(Spec((1, 2, 3), "binary"), num_components=2)
    model.initialize(x)
    assert model.log_prob(x).shape == (40,)
    assert model.sample(7).shape == (7, 1, 2, 3)
    assert list(model.parameters()) == []
