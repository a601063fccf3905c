"""Gradients of the minimax and of the non-saturating loss against D and against the logit: which end vanishes.

With D = sigmoid(a), dD/da = D (1 - D):

    loss              in D          in a
    log(1 - D)        -1 / (1 - D)  -D          minimax: in a it vanishes at D = 0, a sample that is plainly fake
    -log D            -1 / D        -(1 - D)    non-saturating: it vanishes at D = 1, a sample that passes for data

What a generator follows is the gradient in a, because a is what the network gives; the gradient in D of the minimax
loss is -1 at D = 0 and does not vanish there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmarks.figures.common import markdown
from jensen.models.adversarial import minimax_loss, non_saturating_loss
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = {"minimax": minimax_loss, "non-saturating": non_saturating_loss}
NAMES = {"minimax": "minimax, log(1 − D)", "non-saturating": "non-saturating, −log D"}
COLORS = {"minimax": SECOND, "non-saturating": FIRST}


@dataclass(frozen=True)
class Gradients:
    """Of each loss at the logits a (N,): dD/da (N,), and the gradients in a and in D, by automatic differentiation."""

    logit: np.ndarray
    in_logit: dict[str, np.ndarray]
    in_d: dict[str, np.ndarray]

    @property
    def d(self) -> np.ndarray:
        """D = sigmoid(a)."""
        return 1 / (1 + np.exp(-self.logit))


def compute(tiny: bool) -> Gradients:
    a = torch.linspace(-8, 8, 81 if tiny else 801, dtype=torch.float64)
    return Gradients(
        a.numpy(),
        {name: gradient(loss, a) for name, loss in LOSSES.items()},
        {name: gradient(lambda d, loss=loss: loss(d.logit()), a.sigmoid()) for name, loss in LOSSES.items()},
    )


def gradient(loss: object, at: Tensor) -> np.ndarray:
    """The derivative of the loss of one sample, at each point (N,)."""
    at = at.clone().requires_grad_()
    value = torch.stack([loss(one[None]) for one in at.unbind()]).sum()  # type: ignore[operator]
    return torch.autograd.grad(value, at)[0].numpy()


def table(found: Gradients) -> str:
    at = [int(np.abs(found.d - d).argmin()) for d in (0.0, 0.1, 0.5, 0.9, 1.0)]
    rows = [
        (NAMES[name], f"in {variable}", *(f"{values[name][i]:.4f}" for i in at))
        for variable, values in (("the logit a", found.in_logit), ("D", found.in_d))
        for name in LOSSES
    ]
    return markdown(("loss", "gradient", *(f"D = {found.d[i]:.4f}" for i in at)), rows)


def draw(found: Gradients) -> Figure:
    figure = new_figure(9.6, 3.6)
    panels = figure.subplots(1, 3)
    shown = (
        ("D(G(z))", found.d, found.in_d, "gradient in D", (-12, 1)),
        ("D(G(z))", found.d, found.in_logit, "gradient in the logit a", (-1.08, 0.08)),
        ("a, the logit of D(G(z))", found.logit, found.in_logit, "gradient in the logit a", (-1.08, 0.08)),
    )
    for axes, (across, x, gradients, title, limits) in zip(panels, shown, strict=True):
        for name, values in gradients.items():
            axes.plot(x, values, color=COLORS[name], linewidth=1.8)
        axes.axhline(0, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axes.set_ylim(*limits)
        axes.set_xlabel(across, fontsize=9, color=INK)
        axes.set_title(title, fontsize=10, color=INK)
        tidy(axes)
    for place, side, color in ((0.14, "left", SECOND), (0.86, "right", FIRST)):
        said = f"vanishes\nat D = {0 if side == 'left' else 1}"
        panels[1].text(place, -0.02, said, fontsize=8.5, color=color, ha=side, va="top")
    handles = [panels[0].lines[place] for place in range(len(LOSSES))]
    figure.legend(
        handles, [NAMES[name] for name in LOSSES], loc="outside upper center", ncols=2, frameon=False, fontsize=9
    )
    return figure
