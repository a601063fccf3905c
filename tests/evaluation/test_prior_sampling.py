"""The evidence by sampling the prior, on the model whose evidence and whose weights' moments are known."""

from __future__ import annotations

import math

import pytest
import torch
from tests.linear_gaussian import linear_gaussian
from torch.distributions import MultivariateNormal

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.evaluation import prior_sampling as module
from jensen.evaluation.likelihood import importance_sampling, log_marginal_likelihood
from jensen.evaluation.log_mean import LogMean
from jensen.evaluation.prior_sampling import prior_sampling


def share_expected(model, marginal, x: torch.Tensor) -> torch.Tensor:
    """(E w)^2 / E w^2 for w = p(x | z): N(x; W z, s^2)^2 is N(x; W z, s^2 / 2) over (4 pi s^2)^(D / 2)."""
    w, b, s = model.likelihood.weight, model.likelihood.bias, model.likelihood.scale
    narrower = MultivariateNormal(b, w @ w.T + 0.5 * s**2 * torch.eye(len(w), dtype=w.dtype))
    second = narrower.log_prob(x) - 0.5 * len(w) * math.log(4 * math.pi * s**2)
    return (2 * marginal.log_prob(x) - second).exp()


def test_the_estimate_is_the_evidence() -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((20,))
    value, error = log_marginal_likelihood(model, x, 20_000, method="prior")
    assert ((value - marginal.log_prob(x)).abs() < 4 * error).all()
    assert error.max() < 0.2


def test_the_effective_sample_size_is_the_one_that_the_weights_moments_give() -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((20,))
    parts = torch.stack([prior_sampling(model, x, 5000).effective_sample_size() / 5000 for _ in range(20)])
    error = parts.std(0) / math.sqrt(20)
    assert ((parts.mean(0) - share_expected(model, marginal, x)).abs() < 4 * error + 1 / 5000).all()
    exact = importance_sampling(model, x, 50).effective_sample_size()
    torch.testing.assert_close(exact, torch.full_like(exact, 50))  # the exact posterior's weights are all alike


def test_draws_are_streamed_and_shared_by_the_batch(monkeypatch) -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((7,))
    shapes = []
    likelihood = model.likelihood.forward
    monkeypatch.setattr(model.likelihood, "forward", lambda z: shapes.append(tuple(z.shape)) or likelihood(z))
    monkeypatch.setattr(module, "samples_at_once", lambda x: 30)
    torch.manual_seed(1)
    streamed = prior_sampling(model, x, 100)
    assert shapes == [(30, 1, 2), (30, 1, 2), (30, 1, 2), (10, 1, 2)]
    torch.manual_seed(1)
    z = torch.cat([model.prior().sample((n, 1)) for n in (30, 30, 30, 10)])
    whole = likelihood(z).log_prob(x)
    torch.testing.assert_close(streamed.estimate().value, whole.logsumexp(0) - math.log(100))
    torch.testing.assert_close(streamed.effective_sample_size(), 1 / whole.softmax(0).square().sum(0))


@pytest.mark.parametrize(
    ("spec", "likelihood"),
    [
        (Spec((6,), "binary", levels=2), "bernoulli"),
        (Spec((6,), "binary", levels=2), "autoregressive"),
        (Spec((6,), "real"), "gaussian-full"),
        (Spec((6,), "8-bit", levels=256), "discretised-logistic"),
        (Spec((6,), "categorical", levels=4), "categorical"),
        (Spec((6,), "count"), "negative-binomial"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_sharing_draws_is_the_same_as_repeating_them(spec: Spec, likelihood: str) -> None:
    model = jensen.create("vae", spec, likelihood=likelihood, latent_dim=2, hidden=(4,))
    x = torch.randint(0, spec.levels or 3, (5, 6)).to(
        torch.int64 if spec.kind in ("8-bit", "categorical") else torch.float
    )
    torch.manual_seed(1)
    found = prior_sampling(model, x, 40).estimate().value
    torch.manual_seed(1)
    with torch.no_grad():
        z = model.prior().sample((40, 1)).expand(40, 5, 2)
        repeated = model.likelihood(z).log_prob(x).double().logsumexp(0) - math.log(40)
    torch.testing.assert_close(found, repeated, rtol=1e-5, atol=1e-5)


def test_weights_that_are_all_zero() -> None:
    total = LogMean(2, torch.device("cpu"))
    total.add(torch.tensor([[-torch.inf, 0.0], [-torch.inf, 0.0]], dtype=torch.float64))
    assert total.effective_sample_size().tolist() == [0, 2]
    assert total.estimate().value.tolist() == [-torch.inf, 0]


def test_bad_input() -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((2,))
    with pytest.raises(JensenError, match="num_samples must be at least 1, got 0"):
        log_marginal_likelihood(model, x, 0, method="prior")
