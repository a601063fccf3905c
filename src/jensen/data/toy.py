"""Densities in the plane whose log p is known: what a density model can be judged against; and a surface in R^20.

Each density has `log_prob(x)`, (B, 2) -> (B,) in nats, and `sample(num_samples, seed)`, both in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from jensen.errors import unknown


@dataclass(frozen=True)
class Density:
    """A density in the plane, by its name, its log p (B, 2) -> (B,), and how n points are drawn."""

    name: str
    log_density: Callable[[Tensor], Tensor]
    draw: Callable[[int, torch.Generator], Tensor]

    def log_prob(self, x: Float[Tensor, "batch 2"]) -> Float64[Tensor, "batch"]:
        """log p(x), (B,) nats, worked out in float64; -inf outside the support."""
        return self.log_density(x.double())

    def sample(self, num_samples: int, seed: int = 0) -> Float64[Tensor, "num_samples 2"]:
        """Independent draws (N, 2), a function of the seed."""
        return self.draw(num_samples, torch.Generator().manual_seed(seed))


def density(name: str) -> Density:
    """The toy density of that name."""
    if name not in _DENSITIES:
        raise unknown("toy density", name, _DENSITIES)
    return _DENSITIES[name]


def manifold(num_samples: int, seed: int = 0) -> Float64[Tensor, "num_samples 20"]:
    """Points of a smooth surface of dimension 2 in R^20, (N, 20): x = sin(u W + b), u uniform on the square [-1, 1]^2.

    W and b are the same for every seed. There is no density: all mass is on a set of volume 0, which is what a learned
    scale of the likelihood has to find out (Dai & Wipf 2019).
    """
    fixed, generator = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    weight = torch.randn(2, 20, dtype=torch.float64, generator=fixed)
    bias = 2 * math.pi * _uniform(20, fixed)
    return (torch.stack([2 * _uniform(num_samples, generator) - 1 for _ in range(2)], 1) @ weight + bias).sin()


PENDULUM = 1.5, -0.9  # a period of about ten steps, and a swing that has died to a half after thirteen


def pendulum(num_steps: int, seed: int = 0) -> Float64[Tensor, "num_steps 1"]:
    """A pendulum pelted with peas (Yule, 1927): x_t = 1.5 x_{t-1} - 0.9 x_{t-2} + e_t, e_t ~ N(0, 1), (T, 1)."""
    first, second = PENDULUM
    forgotten = 500  # steps from rest, after which the start is forgotten
    x = [0.0, 0.0]
    for e in torch.randn(
        num_steps + forgotten, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    ).tolist():
        x.append(first * x[-1] + second * x[-2] + e)
    return torch.tensor(x[-num_steps:], dtype=torch.float64)[:, None]


def _normal(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 2, dtype=torch.float64, generator=generator)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, dtype=torch.float64, generator=generator)


def _isotropic(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """log N(x; mean, scale^2 I) of x (B, 2) under each mean (K, 2): (B, K)."""
    squared = torch.cdist(x, mean, compute_mode="donot_use_mm_for_euclid_dist").square()
    return -squared / (2 * scale**2) - math.log(2 * math.pi * scale**2)


# Ring (Doersch, 2016): x = z / 10 + z / |z| of z ~ N(0, I). With s = |z| of Rayleigh density s exp(-s^2 / 2), the
# radius is r = s / 10 + 1, of density p(r) = 100 (r - 1) exp(-50 (r - 1)^2) for r > 1; the angle is uniform, so
# p(x) = p(r) / (2 pi r).
def _ring_log_prob(x: Tensor) -> Tensor:
    r = x.norm(dim=1)
    excess = (r - 1).clamp(min=0)
    return (100 * excess).log() - 50 * excess.square() - (2 * math.pi * r).log()


def _ring_draw(n: int, generator: torch.Generator) -> Tensor:
    z = _normal(n, generator)
    return z / 10 + z / z.norm(dim=1, keepdim=True)


# Eight Gaussians: equal weights, means on a circle of radius 2, scale 0.1.
_EIGHT_SCALE = 0.1
_EIGHT_ANGLES = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
_EIGHT_MEANS = 2 * torch.stack([_EIGHT_ANGLES.cos(), _EIGHT_ANGLES.sin()], 1)


def _eight_log_prob(x: Tensor) -> Tensor:
    return _isotropic(x, _EIGHT_MEANS.to(x.device), _EIGHT_SCALE).logsumexp(1) - math.log(8)


def _eight_draw(n: int, generator: torch.Generator) -> Tensor:
    which = torch.randint(8, (n,), generator=generator)
    return _EIGHT_MEANS[which] + _EIGHT_SCALE * _normal(n, generator)


# Two moons: a point uniform in angle on one of two half circles of radius 1, plus Gaussian noise of scale 0.1.
_MOONS_SCALE = 0.1


def _moons_arcs(t: Tensor) -> Tensor:
    """Points (2, T, 2) of the two half circles at angles t (T,) in [0, pi]."""
    upper = torch.stack([t.cos(), t.sin()], -1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], -1)
    return torch.stack([upper, lower])


def _moons_log_prob(x: Tensor) -> Tensor:
    # The integral over the angle by 96 Gauss-Legendre nodes, at most half a noise scale apart: relative error below
    # 1e-9 where samples lie (tested against adaptive quadrature).
    nodes, weights = _gauss_legendre(96, 0.0, math.pi)
    means = _moons_arcs(nodes.to(x.device)).reshape(-1, 2)
    log_weights = (weights / (2 * math.pi)).log().to(x.device).repeat(2)
    return _mixture(x, means, _MOONS_SCALE, log_weights)


def _moons_draw(n: int, generator: torch.Generator) -> Tensor:
    which = torch.randint(2, (n,), generator=generator)
    points = _moons_arcs(math.pi * _uniform(n, generator))
    return points[which, torch.arange(n)] + _MOONS_SCALE * _normal(n, generator)


# Pinwheel (Johnson et al., 2016): v = (a, b) with a ~ N(1, 0.3^2) along and b ~ N(0, 0.1^2) across one of five arms,
# turned by the angle of the arm plus 0.25 exp(a), and doubled in size.
_ARMS, _RADIAL, _TANGENTIAL, _TWIST, _SIZE = 5, 0.3, 0.1, 0.25, 2.0


def _pinwheel_draw(n: int, generator: torch.Generator) -> Tensor:
    arm = torch.randint(_ARMS, (n,), generator=generator)
    a, b = (_normal(n, generator) * torch.tensor([_RADIAL, _TANGENTIAL], dtype=torch.float64)).unbind(1)
    v = torch.complex(1 + a, b)
    angle = arm * (2 * math.pi / _ARMS) + _TWIST * v.real.exp()
    return torch.view_as_real(_SIZE * v * torch.polar(torch.ones_like(angle), angle))


def _pinwheel_log_prob(x: Tensor) -> Tensor:
    # With v = rho (cos beta, sin beta), an arm of angle theta reaches x = size rho (cos alpha, sin alpha) where
    # h(beta) = beta + twist exp(rho cos beta) = alpha - theta, and det dx/dv = size^2 h'(beta). h rises from -pi to its
    # first turning point; what lies beyond that is 4 and more scales off the arm and holds less than 1e-8 of the mass.
    rho = x.norm(dim=1) / _SIZE
    alpha = torch.atan2(x[:, 1], x[:, 0])
    low = torch.full_like(rho, -math.pi)
    high = _first_turning_point(rho)
    arms = []
    for k in range(_ARMS):
        start = _angle_reached(low, rho)
        wanted = start + (alpha - 2 * math.pi * k / _ARMS - start).remainder(2 * math.pi)
        beta = _bisect(partial(_overshoot, rho=rho, wanted=wanted), low, high)
        a, b = rho * beta.cos(), rho * beta.sin()
        slope = 1 - _TWIST * b * a.exp()
        log_v = -((a - 1) / _RADIAL).square() / 2 - (b / _TANGENTIAL).square() / 2
        reached = wanted <= _angle_reached(high, rho)
        arms.append(torch.where(reached, log_v - slope.clamp(min=1e-300).log(), -math.inf))
    constant = math.log(2 * math.pi * _RADIAL * _TANGENTIAL * _ARMS * _SIZE**2)
    return torch.stack(arms).logsumexp(0) - constant


def _overshoot(beta: Tensor, rho: Tensor, wanted: Tensor) -> Tensor:
    return _angle_reached(beta, rho) - wanted


def _angle_reached(beta: Tensor, rho: Tensor) -> Tensor:
    return beta + _TWIST * (rho * beta.cos()).exp()


def _first_turning_point(rho: Tensor) -> Tensor:
    """The first beta > 0 where h' = 1 - twist rho sin(beta) exp(rho cos(beta)) falls to 0, or pi if it never does."""

    def slope(beta: Tensor) -> Tensor:
        return 1 - _TWIST * rho * beta.sin() * (rho * beta.cos()).exp()

    steepest = (2 * rho / (1 + (1 + 4 * rho.square()).sqrt())).acos()
    turning = _bisect(lambda beta: -slope(beta), torch.zeros_like(rho), steepest)
    return torch.where(slope(steepest) > 0, math.pi, turning)


def _bisect(rising: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """The root of an increasing function between low and high, to the last digit of float64."""
    for _ in range(54):
        middle = (low + high) / 2
        below = rising(middle) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


# Correlated Gaussian: mean 0, unit variances, correlation 0.9.
_RHO = 0.9


def _gaussian_log_prob(x: Tensor) -> Tensor:
    a, b = x.unbind(1)
    quadratic = (a.square() - 2 * _RHO * a * b + b.square()) / (1 - _RHO**2)
    return -0.5 * quadratic - math.log(2 * math.pi) - 0.5 * math.log(1 - _RHO**2)


def _gaussian_draw(n: int, generator: torch.Generator) -> Tensor:
    a, b = _normal(n, generator).unbind(1)
    return torch.stack([a, _RHO * a + math.sqrt(1 - _RHO**2) * b], 1)


def _gauss_legendre(count: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = (high - low) / 2
    return torch.from_numpy(nodes * half + (high + low) / 2), torch.from_numpy(weights * half)


def _mixture(x: Tensor, means: Tensor, scale: float, log_weights: Tensor) -> Tensor:
    # In pieces: (B, K) would not fit for a fine grid of points.
    pieces = [(_isotropic(piece, means, scale) + log_weights).logsumexp(1) for piece in x.split(16_384)]
    return torch.cat(pieces)


_DENSITIES = {
    "ring": Density("ring", _ring_log_prob, _ring_draw),
    "moons": Density("moons", _moons_log_prob, _moons_draw),
    "eight-gaussians": Density("eight-gaussians", _eight_log_prob, _eight_draw),
    "pinwheel": Density("pinwheel", _pinwheel_log_prob, _pinwheel_draw),
    "correlated-gaussian": Density("correlated-gaussian", _gaussian_log_prob, _gaussian_draw),
}
SOURCES = {
    "ring": "Doersch (2016)",
    "moons": "Pedregosa et al. (2011)",
    "eight-gaussians": "Metz, Poole, Pfau and Sohl-Dickstein (2017)",
    "pinwheel": "Johnson, Duvenaud, Wiltschko, Datta and Adams (2016)",
    "correlated-gaussian": "Bishop (2006), chapter 10",
}
