"""What the conditional of the middle pixel sees in each model of images, by gradient.

A pixel before it, in raster order, is seen where the conditional's logit has a gradient by it. Two depths: the least,
and one at which the field grows no more; what is not seen then is the blind spot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.figures.common import markdown
from jensen.data import Spec
from jensen.registry import create
from jensen.reporting.style import FIRST, INK, SECOND, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The setting that is the depth of each.
DEPTHS = {"pixelcnn": "blocks", "gated-pixelcnn": "layers", "row-lstm": "layers", "diagonal-bilstm": "layers"}
COLORS = {"seen": FIRST, "before, not seen": SECOND, "the pixel": INK, "later": "#e6e8eb"}


@dataclass(frozen=True)
class Fields:
    """For each model and depth the pixels that are seen, (H, W), of images of odd height and width."""

    seen: dict[tuple[str, int], Tensor]

    def kinds(self, which: tuple[str, int]) -> Tensor:
        """The place of each pixel's kind in COLORS, (H, W)."""
        seen = self.seen[which]
        place = torch.arange(seen.numel()).view_as(seen)
        middle = seen.numel() // 2
        kinds = torch.where(place < middle, torch.where(seen, 0, 1), 3)
        kinds[seen.shape[0] // 2, seen.shape[1] // 2] = 2
        return kinds


def compute(tiny: bool) -> Fields:
    size = 9 if tiny else 19
    return Fields({(name, depth): field(name, depth, size) for name in DEPTHS for depth in (1, size)})


def field(name: str, depth: int, size: int) -> Tensor:
    """By which pixels the logit of the middle one has a gradient, at any of some random images."""
    torch.manual_seed(0)
    spec = Spec((1, size, size), "binary", levels=2)
    model: Any = create(name, spec, width=16, output_width=32, kernel_size=3, **{DEPTHS[name]: depth}).double()
    x = torch.randn(10, 1, size, size, dtype=torch.float64, requires_grad=True)
    logits = model.conditionals(x).logits
    (gradient,) = torch.autograd.grad(logits[:, 0, size // 2, size // 2].sum(), x)
    return gradient.abs().sum((0, 1)) > 0


def table(found: Fields) -> str:
    rows = []
    for (name, depth), seen in found.seen.items():
        kinds = found.kinds((name, depth))
        later = seen.flatten()[seen.numel() // 2 :]
        counts = (int(part.sum()) for part in (kinds == 0, kinds == 1, later))
        rows.append((f"`{name}`", f"{depth}", *map(str, counts)))
    return markdown(("model", "depth", "pixels before that are seen", "that are not", "others that are seen"), rows)


def draw(found: Fields) -> Figure:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    depths = sorted({depth for _, depth in found.seen})
    figure = new_figure(2.4 * len(DEPTHS), 1.65 * len(depths) + 0.4)
    panels = figure.subplots(len(depths), len(DEPTHS))
    for row, depth in zip(panels, depths, strict=True):
        for axes, name in zip(row, DEPTHS, strict=True):
            kinds = found.kinds((name, depth))
            kinds = kinds[: len(kinds) // 2 + 2]  # the rows below are later, all of them
            axes.imshow(kinds.numpy(), cmap=ListedColormap(list(COLORS.values())), vmin=0, vmax=3)
            axes.set_xticks([place - 0.5 for place in range(kinds.shape[1])], [])
            axes.set_yticks([place - 0.5 for place in range(kinds.shape[0])], [])
            axes.grid(color="white", linewidth=0.6)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(f"{name}, {DEPTHS[name].rstrip('s') if depth == 1 else DEPTHS[name]}: {depth}", fontsize=9.5)
    marks = [Patch(color=color, label=name) for name, color in COLORS.items()]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=9.5)
    return figure
