from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jensen.data import Dataset, Spec, load


def grey(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 4, 5), dtype=np.uint8)


def parts(split: object) -> list[Dataset]:
    return [getattr(split, name) for name in ("train", "validation", "test")]


@pytest.mark.parametrize("options", [{"binarize": "dynamic"}, {"dequantize": True}])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_fixed_realisation_does_not_depend_on_how_it_is_read(options: dict, streamed: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", grey())
    train = load(tmp_path / "x.npy", stream=streamed, **options).train
    whole = train.fixed(3).all().x
    order = torch.randperm(len(train))
    fixed = train.fixed(3)
    assert torch.equal(fixed.batch(order).x, whole[order])
    assert torch.equal(torch.cat([batch.x for batch in fixed.batches(7)]), whole)
    assert torch.equal(fixed.subset(order[:9]).all().x, whole[order[:9]])
    assert torch.equal(train.subset(order[:9]).fixed(3).all().x, whole[order[:9]])
    assert not torch.equal(train.fixed(4).all().x, whole)
    assert fixed.fixed(4) is fixed
    assert fixed.realisation.endswith("drawn with seed 3")


def test_held_out_data_come_fixed_and_training_data_do_not() -> None:
    split = load(grey(), binarize="dynamic")
    assert torch.equal(split.test.all().x, split.test.all().x)
    assert torch.equal(split.validation.all().x, split.validation.all().x)
    assert not torch.equal(split.train.all().x, split.train.all().x)
    assert split.test.realisation == "dynamic binarisation, drawn with seed 0"
    assert split.train.realisation == "drawn anew for each batch"


def test_static_binarisation_is_drawn_once_for_all_parts() -> None:
    one, same, other = (load(grey(), binarize="static", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.train.all().x, one.train.all().x)
    assert torch.equal(one.train.all().x, same.train.all().x)
    assert one.train.realisation == "static binarisation, drawn with seed 0"
    assert other.train.realisation == "static binarisation, drawn with seed 1"
    assert one.spec.treatment == "static binarisation"


def test_data_that_are_not_random_are_their_own_realisation() -> None:
    for part in parts(load(grey())):
        assert part.fixed() is part
        assert part.realisation == "as stored"


def test_split_is_a_partition_that_the_seed_decides() -> None:
    x = np.arange(100.0)[:, None] * 1.5
    split = load(x)
    assert [len(part) for part in parts(split)] == [80, 10, 10]
    rows = torch.cat([part.all().x for part in parts(split)])
    assert torch.equal(rows.sort(0).values, torch.from_numpy(x).float())
    assert not torch.equal(load(x, seed=1).test.all().x, split.test.all().x)
    assert torch.equal(load(x).test.all().x, split.test.all().x)


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        ({"validation": 0}, [90, 0, 10]),
        ({"validation": 0, "test": 0}, [100, 0, 0]),
        ({"validation": 7, "test": 0.25}, [68, 7, 25]),
    ],
)
def test_sizes_that_are_asked_for(asked: dict, sizes: list[int]) -> None:
    split = load(np.random.default_rng(0).normal(size=(100, 2)), **asked)
    assert [len(part) for part in parts(split)] == sizes
    assert split.validation.all().x.shape == (sizes[1], 2)


def test_empty_parts_can_be_fixed() -> None:
    split = load(grey(), binarize="dynamic", validation=0)
    assert split.validation.all().x.shape == (0, 1, 4, 5)
    assert list(split.validation.batches(8)) == []


def test_options_give_the_same_split_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", grey())
    split = load(tmp_path / "x.npy", binarize="static", validation=3, seed=4, labels=list(range(40)))
    options = json.loads(json.dumps(split.options))
    again = load(split.source, **options)
    for part, same in zip(parts(split), parts(again), strict=True):
        assert part.fingerprint == same.fingerprint
        assert torch.equal(part.all().x, same.all().x)
        assert part.y is not None
        assert torch.equal(part.y, same.y)
    assert split.spec == again.spec == Spec.from_json(json.loads(json.dumps(split.spec.to_json())))


def test_batches_come_in_the_type_of_the_kind() -> None:
    assert load(grey()).train.all().x.dtype == torch.float32
    assert load(grey()).train.to(dtype=torch.float64).all().x.dtype == torch.float64
    assert load(grey(), as_levels=True).train.all().x.dtype == torch.int64
    table = load(np.random.default_rng(0).normal(size=(50, 2)))
    assert table.train.all().x.dtype == torch.float32
    stored = table.train.to(dtype=torch.float64).all().x
    assert stored.dtype == torch.float64
    assert not torch.equal(stored, stored.float().double())


def test_labels_stay_with_their_rows() -> None:
    x = np.arange(100.0)[:, None] + 0.5
    for part in parts(load(x, labels=torch.arange(100))):
        batch = part.batch(torch.arange(len(part)).flip(0))
        assert batch.y is not None
        assert batch.y.dtype == torch.int64
        assert torch.equal(batch.x[:, 0], batch.y + 0.5)
        subset = part.subset(torch.tensor([3, 1])).all()
        assert subset.y is not None
        assert torch.equal(subset.x[:, 0], subset.y + 0.5)


def test_fingerprint_tells_data_apart() -> None:
    x = grey()
    changed = x.copy()
    changed[0, 0, 0] ^= 1
    prints = [load(data, validation=0, test=0).train.fingerprint for data in (x, changed, x.reshape(40, 5, 4), x[:39])]
    assert len(set(prints)) == 4
    assert all(len(text) == 16 for text in prints)
    labelled = load(x, validation=0, test=0, labels=[0] * 40).train.fingerprint
    assert labelled not in prints
    assert load(x.copy(), validation=0, test=0).train.fingerprint == prints[0]


def test_streamed_data_equal_those_in_memory(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(">f4")
    np.save(tmp_path / "x.npy", x)
    streamed, stored = (load(tmp_path / "x.npy", stream=stream, standardize=True) for stream in (True, False))
    assert isinstance(streamed.train.x, np.memmap)
    assert isinstance(stored.train.x, torch.Tensor)
    for one, other in zip(parts(streamed), parts(stored), strict=True):
        assert torch.equal(one.all().x, other.all().x)
        subset = torch.tensor([2, 0])
        assert torch.equal(one.subset(subset).all().x, other.subset(subset).all().x)
    assert streamed.train.fingerprint == load(tmp_path / "x.npy", stream=True, standardize=True).train.fingerprint
    assert streamed.train.fingerprint != streamed.test.fingerprint


def test_large_arrays_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", grey())
    monkeypatch.setattr("jensen.data.files.STREAM_ABOVE", 100)
    assert isinstance(load(tmp_path / "x.npy").train.x, np.memmap)
