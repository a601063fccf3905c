from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

import jensen
from jensen.data.spec import Spec
from jensen.data.toy import PENDULUM, pendulum
from jensen.errors import JensenError
from jensen.models.baseline.autoregression import Autoregression, build


def autocovariances(count: int) -> Tensor:
    """Of the pendulum, an AR(2) with unit noise, in closed form and by its own recursion."""
    first, second = PENDULUM
    variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
    found = [variance, first * variance / (1 - second)]
    while len(found) < count:
        found.append(first * found[-1] + second * found[-2])
    return torch.tensor(found, dtype=torch.float64)


def toeplitz(count: int) -> Tensor:
    lags = (torch.arange(count)[:, None] - torch.arange(count)).abs()
    return autocovariances(count)[lags]


def windows(series: Tensor, rows: int) -> Tensor:
    return series.unfold(0, rows, 1).movedim(-1, 1)


def true_model(rows: int) -> Autoregression:
    """The pendulum's own autoregressions of 0, 1 and 2 lags, by the Yule-Walker equations."""
    model = build(Spec((rows, 1), "real"), order=2)
    gamma = autocovariances(3)
    for k in range(3):
        solved = torch.linalg.solve(toeplitz(k), gamma[1 : k + 1]) if k else gamma[:0]
        model.coefficients[k, :k] = solved[:, None, None]
        model.factors[k] = (gamma[0] - solved @ gamma[1 : k + 1]).sqrt()
    return model


def test_of_a_stationary_process_it_is_the_joint_gaussian() -> None:
    rows = 9
    model, joint = true_model(rows), MultivariateNormal(torch.zeros(rows).double(), toeplitz(rows))
    x = joint.sample((20,))
    torch.testing.assert_close(model.log_prob(x[..., None]), joint.log_prob(x), rtol=0, atol=1e-10)
    law = model.forecast(torch.empty(0, 1), rows)
    torch.testing.assert_close(law.covariance_matrix, toeplitz(rows), rtol=0, atol=1e-10)


def test_a_forecast_is_the_conditional_of_the_joint() -> None:
    rows, steps = 6, 4
    covariance = toeplitz(rows + steps)
    given = torch.randn(rows, 1, dtype=torch.float64)
    gain = torch.linalg.solve(covariance[:rows, :rows], covariance[:rows, rows:]).T
    law = true_model(rows).forecast(given, steps)
    torch.testing.assert_close(law.mean, gain @ given[:, 0], rtol=0, atol=1e-10)
    expected = covariance[rows:, rows:] - gain @ covariance[:rows, rows:]
    torch.testing.assert_close(law.covariance_matrix, expected, rtol=0, atol=1e-9)


def test_it_finds_a_known_process() -> None:
    count = 20_000
    x = windows(pendulum(count, seed=1), 8)
    model = build(Spec((8, 1), "real"), order=2)
    model.fit_to(x, x[:0])
    second = PENDULUM[1]
    # Of least squares: (1 - second^2) / n is the variance of either coefficient of an AR(2).
    error = math.sqrt((1 - second**2) / count)
    found = model.coefficients[2].flatten()
    assert (found - torch.tensor(PENDULUM).double()).abs().max() < 4 * error
    assert abs(model.factors[2].item() ** 2 - 1) < 4 * math.sqrt(2 / count)


def test_the_order_is_the_likeliest_on_held_out_windows() -> None:
    split = jensen.data.load("pendulum", window=10)
    model = jensen.create("ar", split.spec, max_order=4)
    jensen.fit(model, split)
    held_out = split.validation.to(dtype=torch.float64).all().x
    scores = []
    for order in range(5):
        alone = jensen.create("ar", split.spec, order=order)
        jensen.fit(alone, split)
        scores.append(alone.log_prob(held_out).mean().item())
    assert int(model.chosen) == int(np.argmax(scores)) >= 2
    truth = MultivariateNormal(torch.zeros(10).double(), toeplitz(10)).log_prob(split.test.all().x[..., 0].double())
    difference = truth - model.log_prob(split.test.all().x)
    # A fit to n rows loses about half a nat for each parameter and n / 10 windows; it cannot gain more than chance.
    assert abs(difference.mean()) < 4 * difference.std() / len(difference) ** 0.5 + 15 / 1000


def test_several_channels_and_more_lags() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.tensor([[0.5, 0.3], [-0.2, 0.4]], dtype=torch.float64)
    rows = [torch.zeros(2, dtype=torch.float64)]
    for noise in torch.randn(4000, 2, dtype=torch.float64, generator=generator):
        rows.append(matrix @ rows[-1] + 1 + noise)
    x = windows(torch.stack(rows), 6)
    model = build(Spec((6, 2), "real"), order=3)
    model.fit_to(x, x[:0])
    assert (model.coefficients[3, 0] - matrix).abs().max() < 4 / math.sqrt(4000)
    assert model.coefficients[3, 1:].abs().max() < 4 / math.sqrt(4000)
    # The law of whole windows, row by row and all at once.
    joint = model.forecast(x[0, :0], 6)
    torch.testing.assert_close(joint.log_prob(x[:5].flatten(1)), model.log_prob(x[:5]), rtol=0, atol=1e-9)
    drawn = model.sample(20_000).double().flatten(1)
    assert ((drawn.mean(0) - joint.mean).abs() < 4 * joint.stddev / 20_000**0.5).all()


def test_residuals_are_those_of_least_squares() -> None:
    x = torch.randn(40, 5, 2, dtype=torch.float64)
    model = build(Spec((5, 2), "real"), order=1)
    best = model.fit_to(x, x[:0])
    residual = (x[:, 1:] - model.conditionals(x).mean[:, 1:]).flatten(0, 1)
    design = torch.cat([torch.ones(len(residual), 1).double(), x[:, :-1].flatten(0, 1)], 1)
    assert (design.T @ residual).abs().max() < 1e-9, "residuals are orthogonal to what they are regressed on"
    assert best["log_prob"].isfinite()


def test_on_exchange_rates_it_beats_independent_days(jensen_data: Path) -> None:
    split = jensen.data.load("exchange-rate", window=10, difference=True, standardize=True)
    found = {}
    for name in ("ar", "independent"):
        model = jensen.fit(jensen.create(name, split.spec), split).model
        found[name] = jensen.evaluate(model, split.test).examples["log_prob"]
    difference = found["ar"] - found["independent"]
    assert difference.mean() > 2 * difference.std(ddof=1) / len(difference) ** 0.5


def test_bad_input() -> None:
    x = torch.randn(30, 4, 1, dtype=torch.float64)
    spec = Spec((4, 1), "real", columns=("rate",))
    with pytest.raises(JensenError, match="needs windows of a series, got x of shape"):
        build(Spec((4,), "real"))
    with pytest.raises(JensenError, match="order=4 needs windows of more than 4 rows, got 4"):
        build(spec, order=4)
    with pytest.raises(JensenError, match="order must be at least 0"):
        build(spec, order=-1)
    with pytest.raises(JensenError, match="no rows are held out: set order=2"):
        build(spec).fit_to(x, x[:0])
    with pytest.raises(JensenError, match="column 'rate' never varies"):
        build(spec).fit_to(torch.ones_like(x), x)
    with pytest.raises(JensenError, match="3 lags of 1 channels need more than 8 rows of training data, got 4"):
        build(spec).fit_to(x[:1], x)
    with pytest.raises(JensenError, match="covariance is singular"):
        build(Spec((4, 2), "real")).fit_to(x.expand(-1, -1, 2), x.expand(-1, -1, 2))
    with pytest.raises(JensenError, match="a step or more"):
        build(spec, order=1).forecast(x[0], 0)
