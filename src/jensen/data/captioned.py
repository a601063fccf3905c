"""Images with captions, made here: the coloured shapes and the digits, each with what it shows in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jensen.data import published, shapes
from jensen.data.raw import Raw
from jensen.data.shapes import COLORS

_SHAPES = "color-shapes"
_SHAPE_WORDS = {"square": 0, "ellipse": 1, "oval": 1, "heart": 2}
_SIZES = ("small", "medium", "large")  # two scales each
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")  # thirds of where a centre can be
_SHAPE_WORDINGS = (
    "a {size} {color} {shape} {place}",
    "{size} {color} {shape} {place}",
    "there is a {size} {color} {shape} {place}",
    "a {size} {shape} {place}, in {color}",
)
_SAID = 2 / 3  # how often the size is said, and the place

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_WORDINGS = (
    "a {word}",
    "{word}",
    "the digit {number}",
    "the number {word}",
    "{number}",
    "a handwritten {number}",
)


def captioned_shapes(seed: int) -> Raw:
    """The images of "color-shapes", y a caption such as "a large red heart at the top left".

    Shape and colour are always said, size and place two times out of three each; the wording is drawn with the seed.
    """
    raw, factors = shapes.reader(_SHAPES)(seed), shapes.factors_of(_SHAPES)
    random = np.random.default_rng(seed)
    captions = [_of_shape(row, random) for row in factors.tolist()]
    return replace(raw, name="captioned-shapes", y=np.array(captions), classes=None, num_classes=None)


def captioned_digits(seed: int) -> Raw:
    """The images of "digits", y a caption such as "a three" or "the digit 3", drawn with the seed."""
    raw, random = published.digits(seed), np.random.default_rng(seed)
    assert raw.y is not None
    captions = [
        _spelt(_any(_DIGIT_WORDINGS, random).format(word=DIGITS[digit], number=digit)) for digit in raw.y.tolist()
    ]
    return replace(raw, name="captioned-digits", y=np.array(captions), classes=None, num_classes=None)


def shape_and_color(caption: str) -> tuple[int, int]:
    """The shape and the colour that a caption asks for, as numbers of `SHAPES` and `COLORS`.

    >>> shape_and_color("a large oval at the top left, in cyan")
    (1, 5)
    """
    words = caption.replace(",", " ").split()
    return next(_SHAPE_WORDS[word] for word in words if word in _SHAPE_WORDS), next(
        COLORS.index(word) for word in words if word in COLORS
    )


def digit(caption: str) -> int:
    """The digit that a caption asks for.

    >>> digit("the number three"), digit("a handwritten 3")
    (3, 3)
    """
    last = caption.split()[-1]
    return DIGITS.index(last) if last in DIGITS else int(last)


def _of_shape(factors: list[int], random: np.random.Generator) -> str:
    shape, scale, _, x, y, color = factors
    third = shapes.Shapes().sizes[3] / 3
    where = f"{_ROWS[int(y // third)]} {_COLUMNS[int(x // third)]}".strip()
    place = f"at the {where}" if where else "in the centre"
    caption = _any(_SHAPE_WORDINGS, random).format(
        size=_SIZES[scale // 2] if random.random() < _SAID else "",
        color=COLORS[color],
        shape=_any([word for word, number in _SHAPE_WORDS.items() if number == shape], random),
        place=place if random.random() < _SAID else "",
    )
    return _spelt(caption)


def _any(words: Sequence[str], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]


def _spelt(text: str) -> str:
    """One space between words, none before a comma, and "an" where it belongs."""
    text = " ".join(text.split()).replace(" ,", ",")
    return " ".join(
        "an" if word == "a" and after[:1] in "aeio" else word
        for word, after in zip(text.split(), [*text.split()[1:], "-"], strict=True)
    )
