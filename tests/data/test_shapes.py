from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jensen.data import load, shapes
from jensen.data.shapes import COLORS, LEFT_OUT, SETS, SHAPES, Shapes, factors_of, is_left_out, sizes_of

WHITE, COLORED = Shapes(), Shapes(32, color=True)
# What the three shapes cover at scale 1, in units of (size / 4)^2.
AREAS = (1.24**2, np.pi * 0.94 * 0.52, 0.93**2 * (1 + np.pi / 4))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and sets of 60 rows, or 80."""
    monkeypatch.setattr(shapes, "cache", lambda: tmp_path)
    monkeypatch.setattr(shapes, "SIZES", (50, 5, 5))
    monkeypatch.setattr(shapes, "MANY", 70)
    return tmp_path


def combinations(rendered: Shapes, count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.stack([random.integers(0, size, count) for size in rendered.sizes], 1)


def moments(image: np.ndarray) -> tuple[float, np.ndarray]:
    """The area, and the centre (x, y), of an image (size, size) in pixels."""
    weights, at = image / 255, np.arange(len(image)) + 0.5
    area = weights.sum()
    return area, np.array([weights.sum(0) @ at, weights.sum(1) @ at]) / area


def test_factors_are_those_of_dsprites_and_a_color() -> None:
    assert WHITE.sizes == (3, 6, 40, 32, 32)
    assert COLORED.sizes == (3, 6, 40, 32, 32, 6)
    assert [factor.name for factor in COLORED.factors if not factor.ordered] == ["shape", "color"]


@pytest.mark.parametrize("size", [32, 64])
def test_a_shape_has_its_area_and_is_cut_nowhere(size: int) -> None:
    rendered = Shapes(size)
    factors = combinations(rendered, 300)
    scale = np.linspace(0.5, 1, 6)[factors[:, 1]]
    for row, image, s in zip(factors, rendered.render(factors)[:, 0], scale, strict=True):
        expected = AREAS[row[0]] * (s * size / 4) ** 2
        # A pixel's coverage is taken from the distance of its centre: within a strip of a twentieth of a pixel about
        # an outline six times as long as the scale.
        assert moments(image)[0] == pytest.approx(expected, abs=6 * s * size / 4 / 20)


@pytest.mark.parametrize("shape", range(3))
def test_positions_are_of_the_centroid_and_move_nothing_else(shape: int) -> None:
    rows = np.array([[shape, 3, 7, x, y] for x, y in ((0, 0), (31, 0), (0, 31), (31, 31))])
    found = [moments(image)[1] for image in WHITE.render(rows)[:, 0]]
    # The middle half of 64 pixels, x to the right and y downwards; the images are those of whole pixels.
    for centre, expected in zip(found, ((16, 16), (48, 16), (16, 48), (48, 48)), strict=True):
        np.testing.assert_allclose(centre, expected, atol=0.05)
    images = WHITE.render(rows)[:, 0]
    assert np.array_equal(images[0, :32, :32], images[3, 32:, 32:])


def test_rotations_go_over_the_full_turn_counterclockwise() -> None:
    quarter = [WHITE.render(np.array([[shape, 5, 0, 0, 0], [shape, 5, 10, 0, 0]]))[:, 0] for shape in range(3)]
    for upright, turned in quarter:
        # The centre is (16, 16), between pixels, so that turning the 32 x 32 block turns the shape.
        difference = np.rot90(upright[:32, :32]).astype(int) - turned[:32, :32]
        assert np.abs(difference).max() <= 1, "but for rounding"
    heart, upside_down = WHITE.render(np.array([[2, 5, 0, 0, 0], [2, 5, 20, 0, 0]]))[:, 0]
    assert heart[16:, :].astype(int).sum() != heart[:16, :].astype(int).sum()
    assert not np.array_equal(heart, upside_down)


def test_colors_are_pure() -> None:
    rows = np.array([[0, 5, 0, 16, 16, color] for color in range(6)])
    middle = COLORED.render(rows)[:, :, 16, 16]
    named = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "cyan": (0, 1, 1)}
    for name, rgb in named.items():
        assert tuple(middle[COLORS.index(name)] // 255) == rgb
    grey = Shapes(32).render(rows[:, :5])
    np.testing.assert_array_equal(COLORED.render(rows).max(1, keepdims=True), grey)


def test_an_image_depends_on_its_own_factors_alone() -> None:
    rows = combinations(COLORED, 40)
    together = COLORED.render(rows)
    for row, image in zip(rows, together, strict=True):
        assert np.array_equal(COLORED.render(row[None])[0], image)
    assert COLORED.render(rows[:0]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("name", SETS)
def test_sets_are_fixed_draws_without_replacement(name: str) -> None:
    factors = factors_of(name)
    assert np.array_equal(factors, factors_of(name))
    assert len(np.unique(factors, axis=0)) == len(factors) == sum(sizes_of(name))
    assert (factors.min(0) == 0).all()
    pair = is_left_out(SETS[name], factors) if SETS[name].color else np.zeros(len(factors), bool)
    if name == "color-shapes-without-pair":
        assert not pair[:55_000].any()
        assert pair[55_000:].all()
        factors = factors[:50_000]
    # Each value equally often, within five standard errors of a count; of the pair's colour and shape, a little less.
    for column, (factor, size) in enumerate(zip(SETS[name].factors, SETS[name].sizes, strict=True)):
        if name == "color-shapes-without-pair" and factor.name in LEFT_OUT:
            continue
        expected = len(factors) / size
        assert np.abs(np.bincount(factors[:, column]) - expected).max() < 5 * np.sqrt(expected)


def test_loading_renders_once_and_keeps_the_images(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = load("color-shapes")
    assert (split.spec.event_shape, split.spec.kind, split.spec.num_classes) == ((3, 32, 32), "unit", 3)
    assert split.train.classes == SHAPES
    (kept,) = (empty_cache / "shapes").iterdir()
    assert np.load(kept).shape == (60, 32, 32), "without color"
    labels = factors_of("color-shapes")[:, 0]
    assert split.test.y is not None
    assert split.test.y.tolist() == labels[55:].tolist()
    monkeypatch.setattr(Shapes, "covered", lambda *_: pytest.fail("rendered again"))
    assert torch.equal(load("color-shapes", seed=3).train.all().x, split.train.all().x)
    monkeypatch.undo()
    assert kept.exists()


@pytest.mark.usefixtures("empty_cache")
def test_many_shapes_have_the_same_held_out_parts_and_more_for_training() -> None:
    few, many = load("color-shapes"), load("many-color-shapes")
    assert (len(many.train), len(many.validation), len(many.test)) == (70, 5, 5)
    for part in ("validation", "test"):
        assert torch.equal(getattr(few, part).all().x, getattr(many, part).all().x)
    assert torch.equal(few.train.all().x, many.train.all().x[:50])


def test_a_damaged_or_forbidden_cache_is_no_hindrance(empty_cache: Path) -> None:
    whole = load("shapes", binarize="threshold").train.all().x
    assert set(whole.unique().tolist()) == {0.0, 1.0}
    (kept,) = (empty_cache / "shapes").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[:1000])
    assert torch.equal(load("shapes", binarize="threshold").train.all().x, whole)
    assert kept.read_bytes() == content, "it is mended"
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("a file where the folder should be")
    assert torch.equal(load("shapes", binarize="threshold").train.all().x, whole)
