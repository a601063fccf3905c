from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jensen.data import load, load_like
from jensen.errors import JensenError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 4, 5), dtype=np.uint8)


def refused(split, source) -> str:
    with pytest.raises(JensenError) as error:
        load_like(split, source)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_fitted_mean_and_scale_are_those_of_the_run(tmp_path: Path) -> None:
    split = load(RANDOM.normal(5, 3, size=(100, 2)), standardize=True)
    other = RANDOM.normal(-7, 1, size=(30, 2))
    np.save(tmp_path / "x.npy", other)
    data = load_like(split, tmp_path / "x.npy").to(dtype=torch.float64)
    treatment = split.train.treatment
    torch.testing.assert_close(data.all().x, (torch.from_numpy(other) - treatment.shift) / treatment.scale)
    torch.testing.assert_close(data.to_raw(data.all().x), torch.from_numpy(other))
    assert len(data) == 30
    assert data.part == "test"


def test_real_data_stay_real_whatever_their_values() -> None:
    split = load(RANDOM.normal(size=(50, 3, 4)))
    for values in (np.zeros((9, 3, 4)), RANDOM.random((9, 3, 4)), np.full((9, 3, 4), 7)):
        assert torch.equal(load_like(split, values).all().x, torch.from_numpy(values).float())


def test_binarisation_is_drawn_once() -> None:
    split = load(GREY, binarize="dynamic")
    data = load_like(split, GREY)
    assert torch.equal(data.all().x, data.all().x)
    assert data.spec == split.spec
    assert data.realisation == "dynamic binarisation, drawn with seed 0"
    # The same rows of the same part have the same bits, wherever they come from.
    same = load_like(split, GREY[:7])
    assert torch.equal(same.all().x, data.batch(torch.arange(7)).x)


def test_bits_are_taken_as_they_are_by_a_run_that_binarises() -> None:
    split = load(GREY, binarize="dynamic")
    bits = GREY // 128
    data = load_like(split, bits)
    assert torch.equal(data.all().x[:, 0], torch.from_numpy(bits).float())
    assert data.spec.treatment == "none"
    assert data.realisation == "as stored"


def test_grey_floats_and_grey_bytes_agree() -> None:
    split = load(GREY)
    torch.testing.assert_close(load_like(split, GREY / 255).all().x, load_like(split, GREY).all().x)


def test_other_units_are_refused() -> None:
    assert "expected grey values 0..255" in refused(load(GREY, as_levels=True), GREY / 255)
    assert "expected grey values 0..255" in refused(load(GREY), GREY // 128)
    assert "expected grey values 0..255" in refused(load(GREY), RANDOM.normal(size=(9, 1, 4, 5)))
    assert "expected bits" in refused(load(GREY // 128), GREY)
    levels = load(np.arange(20).reshape(10, 2) % 5, as_levels=True)
    assert "expected levels 0..4" in refused(levels, np.full((3, 2), 9))
    assert load_like(levels, np.full((3, 2), 1)).all().x.tolist() == [[1, 1]] * 3


def test_another_shape_is_refused() -> None:
    assert "examples of shape (8, 8)" not in refused(load(GREY), "digits")
    assert "examples of shape (1, 8, 8), expected (1, 4, 5)" in refused(load(GREY), "digits")


def test_a_named_set_gives_its_test_part() -> None:
    split = load("digits", binarize="dynamic")
    data = load_like(split, "digits")
    assert data.fingerprint == split.test.fingerprint
    assert data.realisation == split.test.realisation
    assert torch.equal(data.all().x, split.test.all().x)


def test_how_the_run_was_read_does_not_bind_other_sources(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RANDOM.normal(size=(30, 2)))
    streamed = load(tmp_path / "x.npy", stream=True)
    assert isinstance(load_like(streamed, tmp_path / "x.npy").x, np.memmap)
    assert load_like(streamed, np.ones((3, 2))).all().x.tolist() == [[1, 1]] * 3
    assert len(load_like(streamed, "moons")) == 2000
    (tmp_path / "x.csv").write_text("a,b,y\n" + "1.5,2,0\n" * 9)
    assert len(load_like(load(tmp_path / "x.csv", target="y"), np.ones((3, 2)))) == 3
    images = load(RANDOM.normal(size=(30, 1, 8, 8)))
    assert "grey values 0..16, expected real values" in refused(images, "digits")


def test_larochelles_bits_under_a_dynamic_run(jensen_data: Path) -> None:
    split = load("mnist", binarize="dynamic")
    data = load_like(split, "binarized-mnist")
    assert data.spec.treatment == "Larochelle's static binarisation"
    assert len(data) == 10_000
    assert data.y is None
    assert "expected bits" in refused(load("binarized-mnist"), "mnist")


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b,y\n" + "".join(f"{i}.5,{-i},{i % 3}\n" for i in range(20)))
    split = load(tmp_path / "train.csv", target="y")
    (tmp_path / "test.csv").write_text("b,a\n1,2\n3,4\n")
    data = load_like(split, tmp_path / "test.csv")
    assert data.all().x.tolist() == [[2, 1], [4, 3]]
    assert data.y is None
    (tmp_path / "other.csv").write_text("b,c\n1,2\n3,4\n")
    assert "missing: a; not known: c" in refused(split, tmp_path / "other.csv")
    (tmp_path / "labels.csv").write_text("a,b,y\n1,2,3\n")
    assert "label 3, expected labels below 3" in refused(split, tmp_path / "labels.csv")


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    for folder, names in (("train", ("ant", "bee", "cat")), ("test", ("cat", "bee")), ("bad", ("dog",))):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            for i in range(2):
                Image.fromarray(RANDOM.integers(2, 256, (4, 4), dtype=np.uint8)).save(
                    tmp_path / folder / name / f"{i}.png"
                )
    split = load(tmp_path / "train", validation=0, test=0)
    data = load_like(split, tmp_path / "test")
    assert data.y is not None
    assert data.y.tolist() == [1, 1, 2, 2]
    assert data.classes == ("ant", "bee", "cat")
    assert "class 'dog'" in refused(split, tmp_path / "bad")
