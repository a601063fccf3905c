from __future__ import annotations

import math

import pytest
import torch

from jensen.data import load, toy
from jensen.errors import JensenError

# A square that holds all but 1e-6 of the mass, and a grid fine enough for the scale of the density.
GRIDS = {"ring": 2.0, "moons": 3.0, "eight-gaussians": 3.0, "pinwheel": 6.0, "correlated-gaussian": 6.0}
POINTS = 400


def grid(name: str) -> tuple[torch.Tensor, float]:
    half = GRIDS[name]
    step = 2 * half / POINTS
    axis = (torch.arange(POINTS).double() + 0.5) * step - half
    return torch.cartesian_prod(axis, axis), step**2


@pytest.mark.parametrize("name", list(GRIDS))
def test_density_integrates_to_one_and_has_the_moments_and_entropy_of_its_samples(name: str) -> None:
    density = toy.density(name)
    points, area = grid(name)
    log_p = density.log_prob(points)
    mass = log_p.exp() * area
    assert abs(mass.sum() - 1) < 1e-3
    x = density.sample(50_000, seed=1)
    assert x.shape == (50_000, 2)
    assert x.dtype == torch.float64
    statistics = {
        "log p": (log_p.clamp(min=-1e4), density.log_prob(x)),
        "x": (points[:, 0], x[:, 0]),
        "y": (points[:, 1], x[:, 1]),
        "xy": (points.prod(1), x.prod(1)),
        "xx": (points[:, 0].square(), x[:, 0].square()),
        "yy": (points[:, 1].square(), x[:, 1].square()),
    }
    for what, (on_grid, of_samples) in statistics.items():
        expected = (mass * on_grid).sum() / mass.sum()
        error = of_samples.std() / math.sqrt(len(x))
        assert abs(of_samples.mean() - expected) < 4 * error + 2e-3, what


@pytest.mark.parametrize("name", list(GRIDS))
def test_histogram_agrees_with_the_density(name: str) -> None:
    density = toy.density(name)
    points, area = grid(name)
    cells, half = 20, GRIDS[name]
    mass = (
        (density.log_prob(points).exp() * area)
        .view(cells, POINTS // cells, cells, POINTS // cells)
        .sum((1, 3))
        .flatten()
    )
    x = density.sample(50_000, seed=2)
    index = ((x + half) / (2 * half) * cells).long()
    inside = ((index >= 0) & (index < cells)).all(1)
    counts = torch.bincount(index[inside, 0] * cells + index[inside, 1], minlength=cells**2).double()
    expected = mass * len(x)
    large = expected > 10
    chi_squared = ((counts - expected).square() / expected)[large].sum()
    degrees = int(large.sum())
    assert chi_squared < degrees + 5 * math.sqrt(2 * degrees)


def test_ring_is_the_push_forward_of_a_gaussian() -> None:
    # By change of variables and autograd: log p(x) = log N(z) - log |det dx/dz| at x = z / 10 + z / |z|.
    z = torch.randn(20, 2, dtype=torch.float64)

    def push(z: torch.Tensor) -> torch.Tensor:
        return z / 10 + z / z.norm()

    jacobians = torch.stack([torch.autograd.functional.jacobian(push, point) for point in z])
    expected = -z.square().sum(1) / 2 - math.log(2 * math.pi) - jacobians.det().abs().log()
    x = torch.stack([push(point) for point in z])
    torch.testing.assert_close(toy.density("ring").log_prob(x), expected)
    assert toy.density("ring").log_prob(torch.tensor([[0.5, 0.0]])).item() == -math.inf


def test_pinwheel_is_the_push_forward_of_its_arms() -> None:
    mean, scale = torch.tensor([[1.0, 0.0], [0.3, 0.1]], dtype=torch.float64)
    v = torch.randn(20, 2, dtype=torch.float64) * scale + mean

    def push(v: torch.Tensor) -> torch.Tensor:
        angle = 0.25 * v[0].exp()
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        return 2 * turn @ v

    jacobians = torch.stack([torch.autograd.functional.jacobian(push, point) for point in v])
    of_v = torch.distributions.Normal(mean, scale)
    one_arm = of_v.log_prob(v).sum(1) - jacobians.det().abs().log() - math.log(5)
    log_p = toy.density("pinwheel").log_prob(torch.stack([push(point) for point in v]))
    # The other four arms only add, and next to nothing near the middle of this one.
    assert (log_p - one_arm > -1e-9).all()
    assert (log_p - one_arm).median() < 1e-6


def test_moons_quadrature_is_accurate() -> None:
    from scipy.integrate import quad

    def integrand(t: float, arc: int, px: float, py: float) -> float:
        x, y = toy._moons_arcs(torch.tensor([t], dtype=torch.float64))[arc, 0].tolist()
        return math.exp(-((x - px) ** 2 + (y - py) ** 2) / 0.02) / (4 * math.pi**2 * 0.01)

    x = toy.density("moons").sample(8)
    values = [
        sum(quad(integrand, 0, math.pi, (arc, *point), epsabs=1e-13, limit=200)[0] for arc in (0, 1))
        for point in x.tolist()
    ]
    torch.testing.assert_close(
        toy.density("moons").log_prob(x).exp(), torch.tensor(values, dtype=torch.float64), rtol=1e-9, atol=0
    )


def test_correlated_gaussian_agrees_with_torch() -> None:
    x = torch.randn(10, 2)
    expected = torch.distributions.MultivariateNormal(
        torch.zeros(2).double(), torch.tensor([[1, 0.9], [0.9, 1]], dtype=torch.float64)
    ).log_prob(x.double())
    torch.testing.assert_close(toy.density("correlated-gaussian").log_prob(x), expected)


def test_loaded_toy_data_are_draws_of_the_density() -> None:
    split = load("moons", seed=3)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [10_000, 2_000, 2_000]
    assert split.spec.event_shape == (2,)
    assert split.spec.kind == "real"
    drawn = toy.density("moons").sample(14_000, seed=3)
    torch.testing.assert_close(split.test.to(dtype=torch.float64).all().x, drawn[12_000:])


def test_the_manifold_has_two_dimensions() -> None:
    x = load("manifold", seed=3).train.to(dtype=torch.float64).all().x
    torch.testing.assert_close(x, toy.manifold(14_000, seed=3)[:10_000])
    near = x[(x - x[0]).norm(dim=1).argsort()[:12]]
    spread = torch.linalg.svdvals(near - near.mean(0))
    assert spread[1] > 10 * spread[2], "the neighbours of a point lie in a plane"
    assert torch.linalg.svdvals(x - x.mean(0))[4] > 1, "and all of them do not"


def test_unknown_density() -> None:
    with pytest.raises(JensenError, match="did you mean 'moons'"):
        toy.density("moon")
