"""Rate against distortion over beta: what the weight of the KL buys and costs.

Rate R = E KL(q(z | x) || p(z)), distortion D = -E log p(x | z), nats, both on test data: training minimises D + beta R,
and -ELBO = D + R (Alemi et al. 2018). One network is trained at each beta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import jensen
from benchmarks.figures.common import markdown
from jensen.data import Dataset, Split
from jensen.objectives import ELBO
from jensen.registry import entry
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETAS = (0.1, 0.5, 1.0, 4.0, 16.0)
EXAMPLES = 10_000  # of the training data, for its ELBO
DRAWS = 10


@dataclass(frozen=True)
class Point:
    """One beta's run: figures in nats with their standard errors over examples.

    gap is the ELBO on training data less that on test data. correlation is the root mean square of the correlations
    between two dimensions of z ~ q(z), the aggregate posterior of the test data.
    """

    beta: float
    rate: tuple[float, float]
    distortion: tuple[float, float]
    elbo: tuple[float, float]
    gap: tuple[float, float]
    active_units: int
    correlation: float


def settings(tiny: bool) -> tuple[Split, dict[str, Any], dict[str, Any]]:
    """Data, and the settings of model and training."""
    if tiny:
        training = {"steps": 300, "learning_rate": 5e-3, "batch_size": 200, "validate_every": 0, "precision": "32"}
        return jensen.data.load("digits", binarize="dynamic"), {"latent_dim": 4, "hidden": (32,)}, training
    preset = entry("vae").preset("cs236-fast")
    return jensen.data.load(**preset.data), preset.model, preset.training


def run(beta: float, split: Split, model_settings: dict[str, Any], training: dict[str, Any]) -> Point:
    torch.manual_seed(0)
    model = jensen.create("vae", split.spec, **model_settings)
    jensen.fit(model, split, ELBO(beta=beta), **training)
    found = jensen.evaluate(model, split.test, DRAWS)
    seen = jensen.evaluate(model, split.train.subset(torch.arange(min(EXAMPLES, len(split.train)))), DRAWS)
    elbo, trained = found["elbo"], seen["elbo"]
    assert elbo.standard_error is not None
    assert trained.standard_error is not None
    reconstruction = found["reconstruction"]
    return Point(
        beta,
        (found["kl"].value, found["kl"].standard_error or 0.0),
        (-reconstruction.value, reconstruction.standard_error or 0.0),
        (elbo.value, elbo.standard_error),
        (trained.value - elbo.value, float(np.hypot(elbo.standard_error, trained.standard_error))),
        int(found["active_units"].value),
        correlation(model, split.test),
    )


@torch.no_grad()
def correlation(model: nn.Module, data: Dataset) -> float:
    """The root mean square of the correlations between two dimensions of z, over some 10,000 draws."""
    draws = torch.Size([-(-EXAMPLES // len(data))])
    parts = [model.posterior(batch.x).sample(draws).flatten(0, 1) for batch in data.fixed().batches(1000)]
    z = torch.cat(parts)
    entries = z.T.corrcoef()[torch.ones(z.shape[1], z.shape[1]).triu(1) > 0]
    return float(entries.square().mean().sqrt())


def compute(tiny: bool) -> list[Point]:
    chosen = settings(tiny)
    return [run(beta, *chosen) for beta in BETAS]


def table(found: list[Point]) -> str:
    columns = (
        "beta", "rate", "distortion", "ELBO, test", "ELBO, train less test", "active units", "rms correlation in q(z)",
    )  # fmt: skip
    rows = [
        (
            f"{point.beta:g}",
            *(f"{value:.2f} ± {error:.2f}" for value, error in (point.rate, point.distortion, point.elbo, point.gap)),
            str(point.active_units),
            f"{point.correlation:.3f}",
        )
        for point in found
    ]
    return markdown(columns, rows)


def draw(found: list[Point]) -> Figure:
    figure = new_figure(7.6, 4.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1))
    plane, gap, correlations = (figure.add_subplot(place) for place in (grid[:, 0], grid[0, 1], grid[1, 1]))
    rates, distortions = (np.array([getattr(point, name) for point in found]).T for name in ("rate", "distortion"))
    best = max(found, key=lambda point: point.elbo[0])
    far = np.array([0.0, 1.2 * rates[0].max()])
    plane.plot(far, -best.elbo[0] - far, color=NEUTRAL, linewidth=1, linestyle=":", label="the best ELBO here")
    plane.errorbar(rates[0], distortions[0], distortions[1], rates[1], "o-", color=FIRST, markersize=5, linewidth=1.4)
    for point in found:
        plane.annotate(
            f"β = {point.beta:g}", (point.rate[0], point.distortion[0]), (6, 5), textcoords="offset points", fontsize=9,
            color=INK,
        )  # fmt: skip
    spread = distortions[0].max() - distortions[0].min()
    plane.set_ylim(distortions[0].min() - 0.1 * spread, distortions[0].max() + 0.12 * spread)
    plane.set_xlim(-0.03 * far[1], far[1])
    plane.set_xlabel("rate, KL(q(z | x) || p(z)) (nats)", fontsize=9, color=INK)
    plane.set_ylabel("distortion, −E log p(x | z) (nats)", fontsize=9, color=INK)
    plane.legend(loc="upper right", frameon=False, fontsize=8.5)
    betas = [point.beta for point in found]
    gap.errorbar(
        betas, [p.gap[0] for p in found], [p.gap[1] for p in found], color=SECOND, marker="o", markersize=4, capsize=3
    )
    gap.axhline(0, color=NEUTRAL, linewidth=0.8)
    gap.set_title("ELBO, train less test (nats)", fontsize=10, color=INK, loc="left")
    correlations.plot(betas, [p.correlation for p in found], "o-", color=SECOND, markersize=4)
    correlations.set_ylim(bottom=0)
    correlations.set_title("rms correlation in q(z)", fontsize=10, color=INK, loc="left")
    for axes in (gap, correlations):
        axes.set_xscale("log")
        axes.set_xticks(betas, [f"{beta:g}" for beta in betas])
        axes.minorticks_off()
    correlations.set_xlabel("β", fontsize=9, color=INK)
    for axes in figure.axes:
        tidy(axes)
    return figure
