"""Figures of images, drawn pixel by pixel: every pixel of x is a square of whole screen pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from jensen.models.base import Latent
from jensen.reporting.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_TOUCHING = 16  # pixels: from this height on, images on the manifold need no gap to be told apart
# Between tiles: neither black nor white nor grey, so that no image runs into it.
_GROUT = (0.66, 0.74, 0.84)


def mosaic(
    images: Float[Tensor, "images channels height width"], columns: int, gap: int
) -> Float[np.ndarray, "rows columns 3"]:
    """Images (N, C, H, W) with C = 1 or 3 and values in [0, 1], tiled row by row with `gap` pixels between."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    tiles = torch.tensor(_GROUT).view(3, 1, 1).repeat(rows * columns, 1, height + gap, width + gap)
    tiles[:count, :, :height, :width] = images.detach().cpu().float().clamp(0, 1)
    sheet = tiles.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * (height + gap), columns * (width + gap), 3)
    return sheet[: len(sheet) - gap, : sheet.shape[1] - gap].numpy()


def image_grid(images: Float[Tensor, "images channels height width"], columns: int = 20) -> Figure:
    """Images (N, C, H, W) in [0, 1], `columns` in a row."""
    figure, _ = _sheet(mosaic(images, columns, _gap(images)), width=1200)
    return figure


def three_rows(
    originals: Float[Tensor, "images channels height width"],
    reconstructions: Float[Tensor, "images channels height width"],
    samples: Float[Tensor, "images channels height width"],
) -> Figure:
    """Originals over their reconstructions over samples, each (N, C, H, W) in [0, 1], as three labelled rows."""
    gap = _gap(originals)
    rows = [mosaic(part, len(part), gap) for part in (originals, reconstructions, samples)]
    height, width, _ = rows[0].shape
    between = np.ones((3 * gap, width, 3), dtype=np.float32)
    figure, axes = _sheet(np.concatenate([rows[0], between, rows[1], between, rows[2]]), width=1000, left=175)
    for place, label in enumerate(("originals", "reconstructions", "samples")):
        middle = place * (height + 3 * gap) + height / 2 - 0.5
        axes.annotate(
            label, (0, middle), (-12, 0), textcoords="offset points", xycoords=("axes fraction", "data"),
            ha="right", va="center", fontsize=13, color=INK,
        )  # fmt: skip
    return figure


@torch.no_grad()
def manifold(
    model: Latent,
    to_image: Callable[[Tensor], Tensor] = lambda x: x,
    side: int = 20,
) -> Figure:
    """E[x | z] over a grid of `side` x `side` points z in the plane, at equally spaced quantiles of the prior.

    Args:
        model: one with two latent dimensions.
        to_image: E[x | z] (N, *event) -> images (N, C, H, W) in [0, 1].
        side: points along each axis: the quantiles (i + 1/2) / side.
    """
    across, up = prior_quantiles(model.prior(), side)
    z = torch.stack(torch.meshgrid(up.flip(0), across, indexing="ij")[::-1], -1).flatten(0, 1)
    images = to_image(model.likelihood(z).mean)
    gap = 0 if images.shape[-2] >= _TOUCHING else 1
    figure, axes = _sheet(mosaic(images, side, gap), width=900, left=115, bottom=70)
    marks = np.linspace(0, side - 1, 4).round().astype(int)
    height, width = (size + gap for size in images.shape[-2:])
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    axes.set_xticks(marks * width + (width - gap - 1) / 2, [_signed(across[i]) for i in marks], fontsize=13, color=INK)
    axes.set_yticks(
        (side - 1 - marks) * height + (height - gap - 1) / 2, [_signed(up[i]) for i in marks], fontsize=13, color=INK
    )
    axes.set_xlabel("$z_1$", fontsize=15, color=INK)
    axes.set_ylabel("$z_2$", fontsize=15, color=INK, rotation=0, labelpad=12)
    return figure


def prior_quantiles(
    prior: Distribution, count: int, num_samples: int = 100_000
) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """The quantiles (i + 1/2) / count of two latent dimensions, ascending: exact for a Gaussian, else empirical."""
    levels = (torch.arange(count) + 0.5) / count
    base = prior
    while isinstance(base, Independent):
        base = base.base_dist
    if isinstance(base, Normal):
        quantiles = base.icdf(levels[:, None].to(base.loc))
    else:
        z = prior.sample(torch.Size([num_samples]))
        quantiles = z.quantile(levels.to(z), dim=0)
    return quantiles[:, 0], quantiles[:, 1]


def one_of_each(y: Int64[Tensor, "examples"] | None, available: int, columns: int = 10) -> Int64[Tensor, "columns"]:
    """The examples to show: the first of each class, then the second of each, and so on; without labels the first."""
    columns = min(columns, available)
    if y is None:
        return torch.arange(columns)
    y = y[:available].cpu()
    occurrence = torch.zeros_like(y)
    for label in y.unique():
        mine = y == label
        occurrence[mine] = torch.arange(int(mine.sum()))
    order = np.lexsort((y.numpy(), occurrence.numpy()))
    return torch.from_numpy(order[:columns].astype(np.int64))


def _signed(value: Tensor) -> str:
    return f"{float(value):.2f}".replace("-", "−")


def _gap(images: Tensor) -> int:
    return max(1, images.shape[-2] // 14)


def _sheet(
    pixels: Float[np.ndarray, "rows columns 3"], width: int, left: int = 0, bottom: int = 0
) -> tuple[Figure, Axes]:
    """A figure of these pixels, each enlarged to a whole number of screen pixels, nearest to `width` in all."""
    scale = max(1, round(width / pixels.shape[1]))
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    total: Sequence[int] = (width + left, height + bottom)
    # Half a pixel more, because matplotlib rounds the size down.
    figure = new_figure((total[0] + 0.5) / _DPI, (total[1] + 0.5) / _DPI, dpi=_DPI, layout=None)
    box = figure.bbox
    axes = figure.add_axes((left / box.width, bottom / box.height, width / box.width, height / box.height))
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure, axes
