from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.baseline import kernel_density
from jensen.models.baseline.kernel_density import KernelDensity, build


def kde(x: Tensor, **settings: object) -> KernelDensity:
    model = build(Spec((x.shape[1],), "real"), **settings)
    model.fit_to(x, x[:0])
    return model


@pytest.mark.parametrize(
    ("kernel", "bandwidth", "density"),
    [
        ("gaussian", 1.0, 0.2419707245),
        ("gaussian", 0.5, 0.1079819330),
        ("epanechnikov", 2.0, 0.28125),
        ("tophat", 2.0, 0.25),
    ],
)
def test_two_points(kernel: str, bandwidth: float, density: float) -> None:
    model = kde(torch.tensor([[-1.0], [1.0]]), kernel=kernel, bandwidth=bandwidth, shape="spherical")
    assert model.log_prob(torch.zeros(1, 1)).exp().item() == pytest.approx(density, abs=1e-10)


def test_mean_integrated_squared_error_is_the_exact_one() -> None:
    # Of n draws of N(0, 1) under a Gaussian kernel of width h, in closed form.
    n, h, rounds = 100, 0.4, 400
    exact = (1 / (n * h) + (1 - 1 / n) / math.sqrt(1 + h**2) - 2 * math.sqrt(2) / math.sqrt(2 + h**2) + 1) / (
        2 * math.sqrt(math.pi)
    )
    assert exact == pytest.approx(0.0055547361, abs=1e-10)
    grid = torch.linspace(-6, 6, 241, dtype=torch.float64)
    truth = torch.distributions.Normal(0.0, 1.0).log_prob(grid).exp()
    errors = []
    for _ in range(rounds):
        model = kde(torch.randn(n, 1, dtype=torch.float64), bandwidth=h, shape="spherical")
        errors.append(torch.trapezoid((model.log_prob(grid[:, None]).exp() - truth).square(), grid).item())
    assert abs(np.mean(errors) - exact) < 4 * np.std(errors) / math.sqrt(rounds)


@pytest.mark.parametrize(("count", "bandwidth"), [(10, 0.6683), (100, 0.4217), (1000, 0.2661)])
def test_silvermans_rule_is_asymptotically_the_best_for_a_gaussian(count: int, bandwidth: float) -> None:
    x = torch.randn(count, 1, dtype=torch.float64)
    assert kde((x - x.mean()) / x.std(), rule="silverman").log_bandwidth.exp().item() == pytest.approx(
        bandwidth, abs=5e-5
    )


def test_old_faithful_under_scotts_rule(jensen_data: Path) -> None:
    table = np.loadtxt(jensen_data / "tabular" / "faithful.csv", delimiter=",", skiprows=1, usecols=0)
    model = kde(torch.from_numpy(table)[:, None], rule="scott")
    assert (model.log_bandwidth.exp() * model.factor).item() == pytest.approx(0.3719744827, abs=1e-10)
    found = model.log_prob(torch.tensor([[2.0], [3.0]])).exp()
    torch.testing.assert_close(
        found, torch.tensor([0.3176052164, 0.0748051362], dtype=torch.float64), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("shape", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov", "tophat"])
def test_the_integral_is_one_and_samples_follow(kernel: str, shape: str) -> None:
    x = torch.randn(30, 2, dtype=torch.float64) @ torch.tensor([[1.0, 0.8], [0.0, 0.5]], dtype=torch.float64)
    model = kde(x, kernel=kernel, shape=shape, bandwidth=0.5)
    axis = torch.linspace(-8, 8, 321, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = model.log_prob(grid).exp() * (axis[1] - axis[0]) ** 2
    # The edge of a tophat is cut by the grid: its error is that of the cells on it.
    assert mass.sum().item() == pytest.approx(1, abs=5e-3 if kernel == "tophat" else 1e-3)
    drawn = model.sample(40_000).double()
    inside = (grid[:, 0] > 0.3) & (grid[:, 1] < 0.2)
    expected, share = mass[inside].sum().item(), ((drawn[:, 0] > 0.3) & (drawn[:, 1] < 0.2)).double().mean().item()
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 40_000) + 5e-3


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, at = torch.randn(50, 3, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    model = kde(x, rule="leave-one-out")
    candidates = torch.tensor([-1.0, 0.0], dtype=torch.float64)
    whole, left_out = model.log_prob(at), model.leave_one_out(candidates)
    monkeypatch.setattr(kernel_density, "_ROWS", 7)
    monkeypatch.setattr(kernel_density, "_POINTS", 11)
    torch.testing.assert_close(model.log_prob(at), whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(model.leave_one_out(candidates), left_out, rtol=1e-12, atol=0)


def test_leave_one_out_leaves_out_that_row() -> None:
    x = torch.randn(12, 2, dtype=torch.float64)
    model = kde(x, bandwidth=0.7, shape="spherical")
    found = model.leave_one_out(model.log_bandwidth[None])[0]
    for row in (0, 5, 11):
        others = kde(torch.cat([x[:row], x[row + 1 :]]), bandwidth=0.7, shape="spherical")
        assert found[row].item() == pytest.approx(others.log_prob(x[row : row + 1]).item(), abs=1e-12)


def test_the_bandwidth_is_the_likeliest_without_oneself() -> None:
    x = torch.cat([torch.randn(60, 1) - 4, torch.randn(60, 1) + 4]).double()
    model = kde(x, rule="leave-one-out")
    best = model.leave_one_out(model.log_bandwidth[None]).mean()
    fine = model.log_bandwidth + torch.linspace(-3, 3, 601).double()
    values = model.leave_one_out(fine).mean(1)
    assert abs(float(fine[values.argmax()] - model.log_bandwidth)) < 0.02
    assert best > kde(x, rule="silverman").leave_one_out(kde(x, rule="silverman").log_bandwidth[None]).mean()


def test_far_away_the_log_is_right() -> None:
    # Where trees that add up densities lose it: log p(x) = -|x|^2 / 2 h^2 - ... for one point in 64 dimensions.
    x = torch.randn(2, 64, dtype=torch.float64)
    model = kde(x, bandwidth=0.3, shape="spherical")
    at = x[:1] + 5
    squared = (at - x).square().sum(1) / 0.3**2
    exact = (-0.5 * squared).logsumexp(0) - math.log(2) - 64 * math.log(0.3) - 32 * math.log(2 * math.pi)
    assert model.log_prob(at).item() == pytest.approx(exact.item(), rel=1e-12)


def test_a_saved_run_has_its_points(tmp_path: Path) -> None:
    split = jensen.data.load(np.random.default_rng(0).normal(size=(60, 2)))
    model = jensen.fit(jensen.create("kde", split.spec), split, out=tmp_path / "run").model
    again = jensen.load(tmp_path / "run")
    x = split.test.all().x
    assert len(again.points) == len(split.train)
    assert torch.equal(model.log_prob(x), again.log_prob(x))


def test_bad_input() -> None:
    x = torch.randn(20, 2, dtype=torch.float64)
    with pytest.raises(JensenError, match="needs real-valued x, got kind 'categorical'"):
        build(Spec((2,), "categorical", levels=3))
    with pytest.raises(JensenError, match="bandwidth must be above 0"):
        build(Spec((2,), "real"), bandwidth=0.0)
    with pytest.raises(JensenError, match="no maximum within a factor of 64"):
        kde(torch.cat([x, x]), rule="leave-one-out")
    with pytest.raises(JensenError, match="entry 1 of x never varies"):
        kde(x * torch.tensor([1.0, 0.0]), shape="diagonal")
    with pytest.raises(JensenError, match="covariance is singular"):
        kde(x[:, [0, 0]])
    with pytest.raises(JensenError, match="two rows or more, got 1"):
        kde(x[:1])
    with pytest.raises(JensenError, match="no points yet"):
        build(Spec((2,), "real")).log_prob(x)
