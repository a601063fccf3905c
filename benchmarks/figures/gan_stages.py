"""D, p and q over four stages of the training of a GAN on one number: D = p / (p + q) at the end of each, and 1/2 last.

    z ~ N(0, 1),   x = G(z) = b + s z,   so that q(x) = N(b, s^2),

against data p = N(0, 1). The stages are those of Goodfellow et al. (2014), figure 1: a discriminator that has not
learned yet; one that has, against the generator as it was; the generator after following it for a while; and the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.figures.common import markdown
from jensen.data.spec import Batch
from jensen.models.adversarial import GAN
from jensen.models.base import Clock, Turn
from jensen.models.latent.priors import StandardNormal
from jensen.nets import MLP
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START = (2.0, 0.5)  # b and s at the start
CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))


class Affine(nn.Module):
    """G(z) = b + s z, whose push-forward of N(0, 1) is N(b, s^2)."""

    def __init__(self, shift: float, scale: float) -> None:
        super().__init__()
        self.shift, self.log_scale = nn.Parameter(torch.tensor([shift])), nn.Parameter(torch.tensor([math.log(scale)]))

    def forward(self, z: Tensor) -> Tensor:
        return self.shift + self.log_scale.exp() * z


@dataclass(frozen=True)
class Stage:
    """What is so at a stage, and over the grid x (N,): D, p and q; V(G, D), and 2 JS - log 4, its value at D*, nats."""

    name: str
    x: np.ndarray
    d: np.ndarray
    p: np.ndarray
    q: np.ndarray
    shift: float
    scale: float

    @property
    def best_d(self) -> np.ndarray:
        """D* = p / (p + q)."""
        return self.p / (self.p + self.q)

    @property
    def value(self) -> float:
        """V(G, D) by quadrature."""
        return self._value(self.d)

    @property
    def best_value(self) -> float:
        """V(G, D*) = 2 JS(p, q) - log 4."""
        return self._value(self.best_d)

    def _value(self, d: np.ndarray) -> float:
        d = np.clip(d, 1e-300, 1 - 1e-16)
        return float((self.p * np.log(d) + self.q * np.log1p(-d)).sum() * (self.x[1] - self.x[0]))


def compute(tiny: bool) -> list[Stage]:
    """Trained by the model's own turns; a stage in which the generator waits leaves its turn out."""
    discriminator = nn.Sequential(MLP((1, 32, 32, 1), "tanh"), nn.Flatten(0))
    model = GAN(StandardNormal(1), Affine(*START), discriminator)
    size = 256 if tiny else 1024
    adam = {
        "discriminator": torch.optim.Adam(model.discriminator.parameters(), 5e-3, (0.5, 0.9)),
        "generator": torch.optim.Adam(model.generator.parameters(), 5e-3, (0.5, 0.9)),
    }

    def steps(count: int, *players: str) -> None:
        for _ in range(count):
            for turn in model.turns(Batch(torch.randn(size, 1)), CLOCK):
                if turn.player in players:
                    move(turn, adam[turn.player])

    def settle() -> Stage:
        # A discriminator at rest: its best answer to the generator as it now is, at a rate that falls to 0.
        count = 300 if tiny else 1500
        for number in range(count):
            adam["discriminator"].param_groups[0]["lr"] = 5e-3 * (1 - number / count)
            steps(1, "discriminator")
        adam["discriminator"].param_groups[0]["lr"] = 5e-3
        return look("", model)

    stages = [look("before training", model)]
    stages.append(named("D trained, G waits", settle()))
    steps(150, "discriminator", "generator")
    stages.append(named("G has followed D for 150 steps", settle()))
    for rate in np.linspace(1, 0, 400 if tiny else 2000, endpoint=False):
        for optimizer in adam.values():
            optimizer.param_groups[0]["lr"] = 5e-3 * rate
        steps(1, "discriminator", "generator")
    stages.append(named("at the end", settle()))
    return stages


def named(name: str, stage: Stage) -> Stage:
    return Stage(name, *(getattr(stage, field) for field in ("x", "d", "p", "q", "shift", "scale")))


def move(turn: Turn, optimizer: torch.optim.Adam) -> None:
    optimizer.zero_grad()
    turn.loss.backward(inputs=list(turn.parameters))
    optimizer.step()


@torch.no_grad()
def look(name: str, model: GAN) -> Stage:
    x = torch.linspace(-6, 6, 1201)
    shift, scale = model.generator.shift.item(), model.generator.log_scale.exp().item()  # type: ignore[operator,union-attr]
    p = torch.distributions.Normal(0.0, 1.0).log_prob(x.double()).exp()
    q = torch.distributions.Normal(shift, scale).log_prob(x.double()).exp()
    d = model.discriminator(x[:, None]).double().sigmoid()
    return Stage(name, x.double().numpy(), d.numpy(), p.numpy(), q.numpy(), shift, scale)


def distance(stage: Stage) -> float:
    """The mean of |D - D*| over x from (p + q) / 2."""
    weight = (stage.p + stage.q) / 2 * (stage.x[1] - stage.x[0])
    return float((weight * np.abs(stage.d - stage.best_d)).sum())


def table(found: list[Stage]) -> str:
    rows = [
        (
            stage.name,
            f"N({stage.shift:.2f}, {stage.scale:.2f}²)",
            f"{stage.value:.4f}",
            f"{stage.best_value:.4f}",
            f"{distance(stage):.4f}",
        )
        for stage in found
    ]
    return markdown(("stage", "q", "V(G, D), nats", "2 JS − log 4", "mean of abs(D − D*)"), rows)


def draw(found: list[Stage]) -> Figure:
    figure = new_figure(11.0, 3.2)
    panels = figure.subplots(1, len(found), sharey=True)
    for axes, stage in zip(panels, found, strict=True):
        axes.fill_between(stage.x, stage.p, color=INK, alpha=0.12, linewidth=0)
        axes.plot(stage.x, stage.p, color=INK, linewidth=1.4, label="p, the data")
        axes.plot(stage.x, stage.q, color=SECOND, linewidth=1.6, label="q, the samples")
        axes.plot(stage.x, stage.d, color=FIRST, linewidth=1.8, label="D")
        axes.plot(stage.x, stage.best_d, color=FIRST, linewidth=1.2, linestyle=(0, (2, 2)), label="D* = p / (p + q)")
        axes.axhline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_xlim(-4, 5)
        axes.set_ylim(0, 1.05)
        axes.set_title(stage.name, fontsize=10, color=INK)
        axes.set_xlabel("x", fontsize=9, color=INK)
        tidy(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure
