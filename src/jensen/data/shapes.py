"""Images of one shape each, rendered from known factors, after dSprites (Matthey, Higgins, Hassabis, Lerchner 2017)."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jensen.data.download import cache
from jensen.data.raw import Raw


class Factor(NamedTuple):
    """One factor of variation: its values are 0 .. size - 1, and `ordered` says whether their order means anything."""

    name: str
    size: int
    ordered: bool = True


SHAPES = ("square", "ellipse", "heart")
COLORS = ("red", "green", "blue", "yellow", "magenta", "cyan")
_RGB = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)], np.uint8)
_SCALES = np.linspace(0.5, 1, 6)
_ROTATIONS = np.arange(40) * (2 * math.pi / 40)
_POSITIONS = np.linspace(0.25, 0.75, 32)

Plane = Float[np.ndarray, "batch rows columns"]


def _square(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(u), np.abs(v)) - 0.62


def _ellipse(u: Plane, v: Plane) -> Plane:
    a, b = 0.94, 0.52
    level = np.hypot(u / a, v / b)
    # To first order: the level less 1, over its slope.
    return level * (level - 1) / np.maximum(np.hypot(u / a**2, v / b**2), 1e-6)


def _heart(u: Plane, v: Plane) -> Plane:
    # A square that stands on a corner, and a disc on each of its upper sides; moved to where its centroid is 0.
    side = 0.93
    u, v, centre = np.abs(u), v + 0.2215 * side, side / math.sqrt(8)
    return np.minimum((u + np.abs(v) - side / math.sqrt(2)) / math.sqrt(2), np.hypot(u - centre, v - centre) - side / 2)


# The signed distance to the outline of each shape at scale 1 about its centroid, in quarters of the image's side. The
# areas are equal within a hundredth, and a circle of radius 0.95 holds each.
_OUTLINES: tuple[Callable[[Plane, Plane], Plane], ...] = (_square, _ellipse, _heart)
_RADIUS = 0.95


@dataclass(frozen=True)
class Shapes:
    """Renders a shape on black from its factors: white (1, size, size), or in colour (3, size, size).

    | factor | values |
    |---|---|
    | shape | square, ellipse, heart |
    | scale | 6, from 1/2 to 1 |
    | rotation | 40, over the full turn |
    | position_x, position_y | 32 each, over the middle half of the image |
    | color, where there is one | red, green, blue, yellow, magenta, cyan |

    >>> Shapes().render(np.array([[0, 5, 0, 16, 16]])).shape
    (1, 1, 64, 64)
    """

    size: int = 64
    color: bool = False

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors, in the order of their columns."""
        return (
            Factor("shape", len(SHAPES), ordered=False),
            Factor("scale", len(_SCALES)),
            Factor("rotation", len(_ROTATIONS)),
            Factor("position_x", len(_POSITIONS)),
            Factor("position_y", len(_POSITIONS)),
            *([Factor("color", len(COLORS), ordered=False)] if self.color else []),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each factor has."""
        return tuple(factor.size for factor in self.factors)

    def render(self, factors: Int[np.ndarray, "batch factors"]) -> UInt8[np.ndarray, "batch channels size size"]:
        """The images of these combinations, grey from 0 to 255: the part of a pixel that the shape covers."""
        return self.colored(self.covered(factors), factors)

    def covered(self, factors: Int[np.ndarray, "batch factors"]) -> UInt8[np.ndarray, "batch size size"]:
        """The images without their color."""
        images = np.zeros((len(factors), self.size, self.size), np.uint8)
        for shape, outline in enumerate(_OUTLINES):
            rows = np.flatnonzero(factors[:, 0] == shape)
            for some in np.array_split(rows, max(1, len(rows) // 500)):
                self._draw(images, some, outline, factors[some])
        return images

    def colored(
        self, images: UInt8[np.ndarray, "batch size size"], factors: Int[np.ndarray, "batch factors"]
    ) -> UInt8[np.ndarray, "batch channels size size"]:
        """The images in their color, where there is one."""
        return images[:, None] * _RGB[factors[:, 5], :, None, None] if self.color else images[:, None]

    def _draw(
        self, images: np.ndarray, rows: np.ndarray, outline: Callable[[Plane, Plane], Plane], factors: np.ndarray
    ) -> None:
        unit, scale, angle = self.size / 4, _SCALES[factors[:, 1]], _ROTATIONS[factors[:, 2]]
        centre = self.size * _POSITIONS[factors[:, 3:5]]
        # Only the pixels of a window that holds the shape are drawn.
        reach = math.ceil(_RADIUS * unit + 0.5)
        corner = (np.floor(centre).astype(np.int64) - reach).clip(0, self.size - 2 * reach - 1)
        pixels = corner[:, :, None] + np.arange(2 * reach + 1)
        x, y = ((pixels + 0.5 - centre[:, :, None]) / (unit * scale)[:, None, None]).astype(np.float32).swapaxes(0, 1)
        cos, sin = (turn.astype(np.float32)[:, None] for turn in (np.cos(angle), np.sin(angle)))
        u = (cos * x)[:, None, :] - (sin * y)[:, :, None]
        v = -(sin * x)[:, None, :] - (cos * y)[:, :, None]  # y points down, v up
        distance = outline(u, v) * (unit * scale).astype(np.float32)[:, None, None]
        covered = np.clip(0.5 - distance, 0, 1) * 255
        images[rows[:, None, None], pixels[:, 1, :, None], pixels[:, 0, None, :]] = np.rint(covered)


SETS = {
    "shapes": Shapes(),
    "color-shapes": Shapes(32, color=True),
    "color-shapes-without-pair": Shapes(32, color=True),
    "many-color-shapes": Shapes(32, color=True),
}
SIZES = (50_000, 5_000, 5_000)
MANY = 400_000
LEFT_OUT = {"shape": SHAPES.index("heart"), "color": COLORS.index("green")}
_VERSION = 2  # of the images below the cache: another drawing is another number


def sizes_of(name: str) -> tuple[int, int, int]:
    """How many rows the three parts of a set have."""
    return (MANY, *SIZES[1:]) if name == "many-color-shapes" else SIZES


def factors_of(name: str) -> Int[np.ndarray, "rows factors"]:
    """The factors of a set's rows, training first: combinations drawn without replacement under a fixed seed.

    Of "color-shapes-without-pair" the training and validation rows have no green heart, and the test rows nothing
    else. "many-color-shapes" has the rows of "color-shapes", each in its part, and more for training.
    """
    sizes = SETS[name].sizes
    order = np.random.default_rng(0).permutation(math.prod(sizes))
    if name == "color-shapes-without-pair":
        enough = np.stack(np.unravel_index(order[: 4 * sum(SIZES)], sizes), 1)
        pair = is_left_out(SETS[name], enough)
        return np.concatenate([enough[~pair][: sum(SIZES[:2])], enough[pair][: SIZES[2]]])
    # What a set has beyond SIZES is for training, so that the held-out parts stay what they are.
    train, held_out, more = np.split(order[: sum(sizes_of(name))], [SIZES[0], sum(SIZES)])
    return np.stack(np.unravel_index(np.concatenate([train, more, held_out]), sizes), 1)


def is_left_out(shapes: Shapes, factors: Int[np.ndarray, "batch factors"]) -> np.ndarray:
    """Which combinations (B,) are of the pair that "color-shapes-without-pair" does not train on."""
    names = [factor.name for factor in shapes.factors]
    return np.logical_and.reduce([factors[:, names.index(name)] == value for name, value in LEFT_OUT.items()])


def reader(name: str) -> Callable[[int], Raw]:
    """Reads a rendered set, whatever the seed; the label is the shape."""

    def read(seed: int) -> Raw:
        factors = factors_of(name)
        train, validation, test = np.split(np.arange(len(factors)), np.cumsum(sizes_of(name))[:2])
        images, parts = _rendered(name, factors), (train, validation, test)
        return Raw(images, name, factors[:, 0], "grey", 255, classes=SHAPES, parts=parts, num_classes=len(SHAPES))

    return read


def _rendered(name: str, factors: np.ndarray) -> np.ndarray:
    """The images, from the cache where they are whole; it has them without their color, a third of the bytes."""
    shapes = SETS[name]
    return shapes.colored(_covered(shapes, factors, cache() / "shapes" / f"{name}-{_VERSION}.npy"), factors)


def _covered(shapes: Shapes, factors: np.ndarray, path: Path) -> np.ndarray:
    with contextlib.suppress(OSError, ValueError, EOFError):
        found = np.load(path)
        if found.shape == (len(factors), shapes.size, shapes.size) and found.dtype == np.uint8:
            return found
    images = shapes.covered(factors)
    with contextlib.suppress(OSError):  # the cache saves time, no more
        _keep(images, path)
    return images


def _keep(images: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        with partial.open("wb") as file:
            np.save(file, images)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
