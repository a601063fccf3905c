"""Figures of images, drawn pixel by pixel: every pixel of x is a square of whole screen pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
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
    return labelled_rows({"originals": originals, "reconstructions": reconstructions, "samples": samples})


def labelled_rows(rows: Mapping[str, Float[Tensor, "images channels height width"]]) -> Figure:
    """One row of images (N, C, H, W) in [0, 1] under another, each with its label on the left."""
    gap = _gap(next(iter(rows.values())))
    sheets = [mosaic(images, len(images), gap) for images in rows.values()]
    height, width, _ = sheets[0].shape
    below = [np.concatenate([np.ones((3 * gap, width, 3), dtype=np.float32), sheet]) for sheet in sheets[1:]]
    figure, axes = _sheet(np.concatenate([sheets[0], *below]), width=1000, left=175)
    for place, label in enumerate(rows):
        middle = place * (height + 3 * gap) + height / 2 - 0.5
        axes.annotate(
            label, (0, middle), (-12, 0), textcoords="offset points", xycoords=("axes fraction", "data"),
            ha="right", va="center", fontsize=13, color=INK,
        )  # fmt: skip
    return figure


def captioned_rows(
    captions: Sequence[str], groups: Mapping[str, Float[Tensor, "rows images channels height width"]]
) -> Figure:
    """Rows of images (R, N, C, H, W) in [0, 1], groups beside each other under their names, captions on the left."""
    gap = _gap(next(iter(groups.values()))[0])
    sheets = [mosaic(rows.flatten(0, 1), rows.shape[1], gap) for rows in groups.values()]
    height = sheets[0].shape[0]
    between, head = np.ones((height, 3 * gap, 3), np.float32), (height + gap) // len(captions) // 2
    beside = np.concatenate([part for sheet in sheets for part in (between, sheet)][1:], 1)
    figure, axes = _sheet(np.concatenate([np.ones((head, beside.shape[1], 3)), beside]), width=700, left=420)
    for place, caption in enumerate(captions):
        middle = head + (place + 0.5) * (height + gap) / len(captions) - gap / 2
        axes.annotate(
            textwrap.fill(caption, 40), (0, middle), (-12, 0), textcoords="offset points",
            xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=12, color=INK,
        )  # fmt: skip
    left = 0
    for name, sheet in zip(groups, sheets, strict=True):
        axes.annotate(name, (left, head / 2), ha="left", va="center", fontsize=12, color=INK)
        left += sheet.shape[1] + 3 * gap
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


@torch.no_grad()
def traversals(
    model: Latent,
    start: Float[Tensor, "latent"],
    dimensions: Sequence[int],
    to_image: Callable[[Tensor], Tensor] = lambda x: x,
    columns: int = 11,
) -> Figure:
    """E[x | z] while one dimension of z runs over the quantiles of the prior: a row each, the others left at `start`.

    Args:
        model: any with latents (Z,).
        start: z, (Z,).
        dimensions: which of them, from 0.
        to_image: E[x | z] (N, *event) -> images (N, C, H, W) in [0, 1].
        columns: the quantiles (i + 1/2) / columns.
    """
    values = quantiles(model.prior(), columns)
    rows = {}
    for dimension in dimensions:
        z = start.repeat(columns, 1)
        z[:, dimension] = values[:, dimension]
        rows[f"$z_{{{dimension + 1}}}$"] = to_image(model.likelihood(z).mean)
    return labelled_rows(rows)


@torch.no_grad()
def interpolations(
    model: Latent,
    ends: Float[Tensor, "pairs 2 latent"],
    originals: Float[Tensor, "pairs 2 channels height width"],
    to_image: Callable[[Tensor], Tensor] = lambda x: x,
    columns: int = 9,
) -> Figure:
    """E[x | z] on the straight line between two codes: a row each, between the two originals.

    Args:
        model: any with latents (Z,).
        ends: the codes, (N, 2, Z).
        originals: what they are codes of, as images in [0, 1].
        to_image: E[x | z] (N, *event) -> images (N, C, H, W) in [0, 1].
        columns: points on the line, its ends included.
    """
    share = torch.linspace(0, 1, columns).to(ends)[:, None]
    z = (1 - share) * ends[:, :1] + share * ends[:, 1:]
    between = to_image(model.likelihood(z.flatten(0, 1)).mean).unflatten(0, (len(ends), columns))
    rows = torch.cat([originals[:, :1], between, originals[:, 1:]], 1)
    return image_grid(rows.flatten(0, 1), columns + 2)


def quantiles(prior: Distribution, count: int, num_samples: int = 100_000) -> Float[Tensor, "count latent"]:
    """The quantiles (i + 1/2) / count of each latent dimension, ascending: exact for a Gaussian, else empirical."""
    levels = (torch.arange(count) + 0.5) / count
    base = prior
    while isinstance(base, Independent):
        base = base.base_dist
    if isinstance(base, Normal):
        return base.icdf(levels[:, None].to(base.loc))
    z = prior.sample(torch.Size([num_samples]))
    return z.quantile(levels.to(z), dim=0)


def prior_quantiles(prior: Distribution, count: int) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """`quantiles` of two latent dimensions."""
    across, up = quantiles(prior, count).T
    return across, up


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
