"""Captions: their bytes, the sets that have them, and one's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jensen.data import load, load_like, shapes
from jensen.data.captioned import captioned_shapes, digit, shape_and_color
from jensen.data.captions import decoded, encoded
from jensen.data.spec import Spec
from jensen.errors import JensenError

IMAGES = np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32)


def test_bytes_are_the_captions() -> None:
    captions = ["a red heart", "", "ein großes Herz", "赤いハート"]
    y = encoded(captions)
    assert y.shape == (4, max(len(caption.encode()) for caption in captions))
    assert decoded(y) == captions
    assert decoded(encoded(captions, 30)) == captions
    assert encoded([""]).shape == (1, 1)
    with pytest.raises(JensenError, match=r"a caption of 11 bytes, 'a red heart\.\.\.', and the model's have up to 4"):
        encoded(["", "a red heart"], 4)
    with pytest.raises(JensenError, match=r"caption 1 .* holds a byte 0"):
        encoded(["a", "b\0c"])


def test_captions_of_shapes_say_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "SIZES", (500, 50, 50))
    monkeypatch.setattr(shapes, "_rendered", lambda name, factors: np.zeros((len(factors), 3, 2, 2), np.uint8))
    first, again, other = (captioned_shapes(seed) for seed in (0, 0, 1))
    assert first.y is not None
    assert (first.y == again.y).all()
    assert (first.y != other.y).mean() > 0.5
    factors = shapes.factors_of("color-shapes")
    assert [shape_and_color(caption) for caption in first.y] == list(map(tuple, factors[:, [0, 5]].tolist()))
    for caption, (_, scale, _, x, y, _) in zip(first.y, factors.tolist(), strict=True):
        words = caption.replace(",", "").split()
        assert not {"small", "medium", "large"} & set(words) - {("small", "medium", "large")[scale // 2]}
        if {"left", "right", "top", "bottom", "centre"} & set(words):
            assert ("left" in words, "right" in words) == (x < 32 / 3, x >= 64 / 3)
            assert ("top" in words, "bottom" in words) == (y < 32 / 3, y >= 64 / 3)
        assert not any(wrong in f" {caption} " for wrong in ("  ", " ,", " a oval ", " a ellipse "))
    said = np.array(
        [["at the" in c or "centre" in c, any(s in c for s in ("small", "medium", "large"))] for c in first.y]
    )
    # Two times out of three each: the standard error of a share of 600 is 0.019.
    assert np.abs(said.mean(0) - 2 / 3).max() < 4 * 0.02


def test_captioned_digits_are_the_digits() -> None:
    captioned, digits = load("captioned-digits"), load("digits")
    assert digits.train.y is not None
    assert captioned.train.y is not None
    assert [digit(caption) for caption in decoded(captioned.train.y)] == digits.train.y.tolist()
    assert captioned.train.x.equal(digits.train.x)  # type: ignore[union-attr]
    spec = captioned.spec
    assert spec.caption_length == captioned.train.y.shape[1]
    assert [spec.num_classes, captioned.train.labels, captioned.train.labelled] == [None] * 3
    assert Spec.from_json(spec.to_json()) == spec
    assert captioned.train.batch(torch.arange(3)).y.dtype == torch.int64  # type: ignore[union-attr]


def test_captions_of_ones_own_images() -> None:
    captions = [f"image {place} of twenty" for place in range(20)]
    split = load(IMAGES, labels=captions)
    assert split.train.y is not None
    assert decoded(split.train.y) == [captions[row] for row in range(20) if captions[row] in decoded(split.train.y)]
    assert load(IMAGES, **split.options).train.y.equal(split.train.y)  # type: ignore[union-attr]
    other = load_like(split, "captioned-digits")
    assert other.y is not None
    assert other.y.shape[1] == split.spec.caption_length
    assert decoded(other.y) == decoded(load("captioned-digits").test.y)  # type: ignore[arg-type]
    short = load(IMAGES, labels=["a", "b"] * 10)
    with pytest.raises(JensenError, match="and the model's have up to 1: shorten it"):
        load_like(short, "captioned-digits")
    assert load_like(split, "digits").y is None
    with pytest.raises(JensenError, match="needs data with labels"):
        load(IMAGES, labels=captions, labelled=10)
