"""The two directions of KL: the Gaussian nearest in KL(p || q) covers both modes of p, that in KL(q || p) seeks one.

p is an equal mixture of two Gaussians in the plane. Forward, q has the moments of p (`match_moments`, here of a grid,
so without error). Reverse, q is found by gradient (`fit_vi`), from a start at each side. All divergences are integrals
over the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from benchmarks.figures.common import markdown
from jensen.inference import fit_vi, match_moments
from jensen.reporting.style import CLASS_COLORS, FIRST, INK, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORWARD, LEFT, RIGHT = "forward, KL(p ‖ q)", "reverse, KL(q ‖ p), from the left", "reverse, from the right"


@dataclass(frozen=True)
class Directions:
    """The grid (G, G, 2), log p there, and each q by its name."""

    grid: Tensor
    log_p: Tensor
    q: dict[str, Distribution]

    def forward(self, name: str) -> float:
        """KL(p || q), nats."""
        return self._integral(self.log_p, self.log_q(name))

    def reverse(self, name: str) -> float:
        """KL(q || p), nats."""
        return self._integral(self.log_q(name), self.log_p)

    def log_q(self, name: str) -> Tensor:
        return self.q[name].log_prob(self.grid)

    def _integral(self, log_first: Tensor, log_second: Tensor) -> float:
        cell = float(self.grid[1, 0, 0] - self.grid[0, 0, 0]) ** 2
        return float((log_first.exp() * (log_first - log_second)).sum() * cell)


def target() -> MixtureSameFamily:
    means = torch.tensor([[-1.6, -1.6], [1.6, 1.6]], dtype=torch.float64)
    covariances = torch.tensor([[[0.7, -0.35], [-0.35, 0.7]], [[0.5, 0.2], [0.2, 0.5]]], dtype=torch.float64)
    equal = Categorical(torch.full((2,), 0.5, dtype=torch.float64))
    return MixtureSameFamily(equal, MultivariateNormal(means, covariances))


def compute(tiny: bool) -> Directions:
    p = target()
    line = torch.linspace(-9, 9, 181 if tiny else 451, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)
    log_p = p.log_prob(grid)
    q = {FORWARD: match_moments(grid.flatten(0, 1), log_p.flatten())}
    for name, start in ((LEFT, -2.0), (RIGHT, 2.0)):
        settings = {"num_samples": 50, "max_steps": 400} if tiny else {}
        q[name] = fit_vi(p.log_prob, 2, "full", start=torch.full((2,), start, dtype=torch.float64), **settings).q
    return Directions(grid, log_p, q)


def table(found: Directions) -> str:
    rows = []
    for name, q in found.q.items():
        (variance, covariance), (_, other) = q.covariance_matrix.tolist()
        rows.append(
            (
                name,
                f"({', '.join(f'{entry:.2f}' for entry in q.mean.tolist())})",
                f"{variance:.2f}, {other:.2f}",
                f"{covariance:.2f}",
                f"{found.forward(name):.3f}",
                f"{found.reverse(name):.3f}",
            )
        )
    return markdown(("q", "mean", "variances", "covariance", "KL(p ‖ q), nats", "KL(q ‖ p), nats"), rows)


def draw(found: Directions) -> Figure:
    figure = new_figure(8.4, 4.3)
    for axes, title, shown in zip(
        figure.subplots(1, 2),
        ("KL(p ‖ q): q seeks the mean, and covers both modes", "KL(q ‖ p): q seeks a mode, the one near its start"),
        ((FORWARD,), (LEFT, RIGHT)),
        strict=True,
    ):
        _contours(axes, found, found.log_p, INK, filled=True)
        for name, color in zip(shown, (FIRST, SECOND) if len(shown) > 1 else (FIRST,), strict=True):
            _contours(axes, found, found.log_q(name), color)
            axes.plot(*found.q[name].mean.tolist(), "o", color=color, markersize=5)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_aspect("equal")
        axes.set_xlim(-5.2, 5.2)
        axes.set_ylim(-5.2, 5.2)
        axes.set_xlabel("$z_1$", fontsize=10, color=INK)
        axes.set_ylabel("$z_2$", fontsize=10, color=INK)
        tidy(axes, grid=False)
    return figure


def _contours(axes: Axes, found: Directions, log_density: Tensor, color: str, filled: bool = False) -> None:
    """Where the density is a half, an eighth and a thirty-second of its greatest value."""
    x, y = found.grid[:, 0, 0].numpy(), found.grid[0, :, 1].numpy()
    share = (log_density - log_density.max()).exp().T.numpy()
    levels = [2**-5, 2**-3, 2**-1]
    if filled:
        axes.contourf(x, y, share, levels=[*levels, 1], colors=[CLASS_COLORS[2]], alpha=0.25)
    axes.contour(x, y, share, levels=levels, colors=color, linewidths=0.8 if filled else 1.6)
