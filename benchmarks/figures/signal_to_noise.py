"""The encoder gradient's signal-to-noise ratio against K: plain it drowns, doubly reparameterised it does not.

    z ~ N(0, I),   x | z ~ N(z, I),   q(z | x) = N(x / 2 + b, (2/3) I),   in 20 dimensions

(Rainforth et al. 2018, section 4, with the generative parameters at their optimum and b = 0.1). The ratio of the
gradient of the importance-weighted bound with respect to b is |mean| / standard deviation over draws of z. Plain, it
falls as K^(-1/2); doubly reparameterised (Tucker et al. 2019), it rises, in the end as K^(1/2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from benchmarks.figures.common import markdown
from jensen.models.latent.vae import VAE
from jensen.objectives import iwae_bound
from jensen.objectives.importance import doubly_reparameterised_bound
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = (1, 4, 16, 64, 256)
BOUNDS = {"plain": iwae_bound, "doubly reparameterised": doubly_reparameterised_bound}
DIMS = 20
SHIFT = 0.1
ENTRIES = 2**21  # numbers drawn at once


@dataclass(frozen=True)
class SignalToNoise:
    """For each gradient, at each K: the ratio over draws, a root mean square over the entries of b, and its error."""

    ratio: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    draws: int

    def slope(self, name: str) -> tuple[float, float]:
        """d log ratio / d log K from K = 4 on, by weighted least squares, and its standard error."""
        ratio, error = self.ratio[name][1:], self.error[name][1:]
        line, covariance = np.polyfit(np.log(SAMPLES[1:]), np.log(ratio), 1, w=ratio / error, cov="unscaled")
        return float(line[0]), math.sqrt(covariance[0, 0])


class Encoder(nn.Module):
    """q(z | x) = N(x / 2 + b, (2/3) I) with a b for each example, so that each has a gradient of its own."""

    def __init__(self, num_examples: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((num_examples, DIMS), SHIFT))

    def forward(self, x: Tensor) -> Independent:
        return Independent(Normal(x / 2 + self.shift, math.sqrt(2 / 3)), 1)


def gradients(name: str, x: Tensor, num_samples: int) -> Tensor:
    """Of the bound of each row of x with respect to its b, (B, 20)."""
    zero = torch.zeros(DIMS)
    model = VAE(lambda: Independent(Normal(zero, 1.0), 1), Encoder(len(x)), lambda z: Independent(Normal(z, 1.0), 1))
    bound = BOUNDS[name](model, x, num_samples).sum()
    return torch.autograd.grad(bound, model.posterior.shift)[0]


def measure(name: str, x: Tensor, num_samples: int, draws: int) -> tuple[float, float]:
    """The ratio for one x (20,), and its standard error.

    The square of an estimated mean is too large by its variance, which is taken off. The entries of b see the same
    weights but different entries of x and z, and the error is that of their mean.
    """
    at_once = max(1, ENTRIES // (num_samples * DIMS))
    parts = [gradients(name, x.expand(min(at_once, draws - i), -1), num_samples) for i in range(0, draws, at_once)]
    found = torch.cat(parts).double()
    square = found.mean(0).square() / found.var(0) - 1 / draws
    mean, error = float(square.mean()), float(square.std()) / math.sqrt(DIMS)
    ratio = math.sqrt(max(mean, 1 / draws / math.sqrt(DIMS)))
    return ratio, error / (2 * ratio)


def compute(tiny: bool) -> SignalToNoise:
    draws = 8000 if tiny else 50_000
    x = math.sqrt(2) * torch.randn(DIMS)
    found = {name: [measure(name, x, k, draws) for k in SAMPLES] for name in BOUNDS}
    columns = {name: np.array(values).T for name, values in found.items()}
    return SignalToNoise(
        {name: c[0] for name, c in columns.items()}, {name: c[1] for name, c in columns.items()}, draws
    )


def table(found: SignalToNoise) -> str:
    rows = [
        (
            name,
            *(f"{r:.4f} ± {e:.4f}" for r, e in zip(ratio, found.error[name], strict=True)),
            "{:.2f} ± {:.2f}".format(*found.slope(name)),
        )
        for name, ratio in found.ratio.items()
    ]
    return markdown((f"ratio, {found.draws:,} draws", *(f"K = {k}" for k in SAMPLES), "slope, log-log"), rows)


def draw(found: SignalToNoise) -> Figure:
    figure = new_figure(6.0, 4.0)
    axes = figure.add_subplot()
    for (name, ratio), color, marker in zip(found.ratio.items(), (FIRST, SECOND), ("o", "s"), strict=True):
        axes.errorbar(
            SAMPLES, ratio, found.error[name], color=color, marker=marker, markersize=5, linewidth=1.4, capsize=3,
            label=f"{name}: slope {found.slope(name)[0]:.2f}".replace("-", "−"),
        )  # fmt: skip
    guide = np.array(SAMPLES[1:], dtype=float)
    axes.plot(
        guide, found.ratio["plain"][1] * (guide / guide[0]) ** -0.5, color=NEUTRAL, linestyle=":", label="slope −1/2"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(SAMPLES, [str(k) for k in SAMPLES])
    axes.minorticks_off()
    axes.set_xlabel("importance samples K", fontsize=9, color=INK)
    axes.set_ylabel("signal-to-noise ratio of the encoder's gradient", fontsize=9, color=INK)
    axes.legend(frameon=False, fontsize=8.5)
    tidy(axes)
    return figure
