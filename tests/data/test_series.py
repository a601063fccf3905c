from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from jensen.data import load, load_like
from jensen.errors import JensenError

RANDOM = np.random.default_rng(0)
# Row t holds t and -t: a window says which rows it has.
COUNTED = np.stack([np.arange(100) + 0.5, -np.arange(100) - 0.5], 1)


def refused(source: object, **options: object) -> str:
    with pytest.raises(JensenError) as error:
        load(source, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def times(data: object) -> list[list[int]]:
    return (data.all().x[..., 0] - 0.5).long().tolist()  # type: ignore[attr-defined]


def test_windows_stay_within_blocks_of_time() -> None:
    split = load(COUNTED, window=7, validation=20, test=15)
    assert split.spec.event_shape == (7, 2)
    assert times(split.train) == [list(range(t, t + 7)) for t in range(65 - 6)]
    # End to end; 20 and 15 rows hold two windows each, and a rest.
    assert times(split.validation) == [list(range(65, 72)), list(range(72, 79))]
    assert times(split.test) == [list(range(85, 92)), list(range(92, 99))]
    assert torch.equal(split.train.all().x[..., 1], -split.train.all().x[..., 0])
    assert split.spec.treatment == "windows of 7"
    assert str(split.spec.measure(discrete=False)) == "volume, windows of 7"
    default = load(COUNTED, window=7)
    assert times(default.test) == [list(range(90, 97))]
    assert times(load(COUNTED, window=7, seed=5).test) == times(default.test)


def test_windows_share_the_rows_memory() -> None:
    split = load(RANDOM.normal(size=(1000, 3)), window=50)
    assert split.train.x.untyped_storage().nbytes() == 800 * 3 * 8
    assert len(split.train) == 751


def test_a_batch_is_like_any_other() -> None:
    split = load(RANDOM.normal(size=(200, 3)), window=5)
    whole = split.train.all().x
    index = torch.tensor([3, 0, 100])
    assert torch.equal(split.train.batch(index).x, whole[index])
    assert torch.equal(split.train.subset(index).all().x, whole[index])
    assert torch.equal(torch.cat([batch.x for batch in split.train.batches(64)]), whole)
    assert split.train.to(dtype=torch.float64).all().x.dtype == torch.float64
    assert load(np.arange(60.0) / 7, window=4).spec.event_shape == (4, 1)


def test_standardised_with_the_training_rows() -> None:
    x = RANDOM.normal(3, 2, size=(300, 2)) * [1, 10]
    split = load(x, window=6, standardize=True)
    treatment, rows = split.train.treatment, torch.from_numpy(x[:240])
    torch.testing.assert_close(treatment.shift, rows.mean(0))
    torch.testing.assert_close(treatment.scale, rows.std(0, correction=0))
    found = split.test.to(dtype=torch.float64).all().x
    torch.testing.assert_close(found[0], (torch.from_numpy(x[270:276]) - treatment.shift) / treatment.scale)
    torch.testing.assert_close(split.test.to_raw(found)[0], torch.from_numpy(x[270:276]))
    # Each of the six rows was scaled.
    torch.testing.assert_close(split.test.log_det(found), (-6 * treatment.scale.log().sum()).expand(len(found)))


def test_differences() -> None:
    x = RANDOM.normal(size=(101, 2)).cumsum(0)
    split = load(x, window=5, difference=True)
    steps = torch.from_numpy(np.diff(x, axis=0))
    double = [part.to(dtype=torch.float64).all().x for part in (split.train, split.validation, split.test)]
    assert torch.equal(double[0][:, 0], steps[:76])
    assert torch.equal(double[2].flatten(0, 1), steps[90:])
    assert split.spec.treatment == "differences, windows of 5"
    # The levels of a window, given the row before it, are its differences summed: a map of determinant 1.
    before = torch.from_numpy(x[90])
    jacobian = torch.autograd.functional.jacobian(
        lambda d: (before + d.view(5, 2).cumsum(0)).flatten(), double[2][0].flatten()
    )
    torch.testing.assert_close(before + double[2][0].cumsum(0), torch.from_numpy(x[91:96]))
    torch.testing.assert_close(jacobian.slogdet().logabsdet, torch.tensor(0.0).double(), atol=1e-12, rtol=0)


def test_what_is_drawn_is_drawn_by_row() -> None:
    split = load(RANDOM.integers(2, 250, (80, 3), dtype=np.uint8), window=4, dequantize=True)
    rows = load_like(load(split.train.x[:0].new_zeros(20, 3).byte() + 9, dequantize=True), np.full((4, 3), 9, np.uint8))
    assert split.test.all().x.shape == (2, 4, 3)
    assert torch.equal(split.test.all().x, split.test.all().x)
    assert rows.spec.event_shape == (3,)


def test_the_same_again_and_other_data_alike(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a,b\n" + "".join(f"{i}.5,{-i * i}\n" for i in range(60)))
    split = load(path, window=4, difference=True, standardize=True)
    again = load(split.source, **split.options)
    assert again.test.fingerprint == split.test.fingerprint
    assert again.spec == split.spec
    (tmp_path / "other.csv").write_text("b,a\n" + "".join(f"{3 * i},{i}\n" for i in range(12)))
    data = load_like(split, tmp_path / "other.csv")
    assert data.spec == split.spec
    assert data.to_raw(data.all().x).round().tolist() == [[[1, 3]] * 4] * 2
    with pytest.raises(JensenError, match=r"rows of shape|examples of shape \(3,\), expected \(2,\)"):
        load_like(split, RANDOM.normal(size=(30, 3)))
    with pytest.raises(JensenError, match="hold no window of 4"):
        load_like(split, RANDOM.normal(size=(4, 2)))


def test_bits_of_a_series_are_a_series() -> None:
    split = load(RANDOM.integers(2, 250, (80, 3), dtype=np.uint8), window=4, binarize="dynamic")
    data = load_like(split, RANDOM.integers(0, 2, (80, 3), dtype=np.uint8))
    assert data.spec.treatment == "windows of 4"
    assert data.all().x.shape == (20, 4, 3)


def test_exchange_rate_of_the_published_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "timeseries"
    folder.mkdir()
    lines = "".join(",".join(f"{t + c / 10:.6f}" for c in range(8)) + "\n" for t in range(50))
    (folder / "exchange_rate.txt.gz").write_bytes(gzip.compress(lines.encode()))
    monkeypatch.setenv("JENSEN_DATA", str(tmp_path))
    split = load("exchange-rate", window=3)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [38, 1, 1]
    assert split.test.all().x[0, :, 0].tolist() == [45, 46, 47]
    stepped = load("exchange-rate", window=3, difference=True)
    assert len(stepped.train) == 37
    assert stepped.test.all().x.allclose(torch.ones(()), atol=1e-6)
    (folder / "exchange_rate.txt.gz").write_bytes(gzip.compress(lines.encode())[:50])
    assert "download it again" in refused("exchange-rate", window=3)


def test_exchange_rate(jensen_data: Path) -> None:
    split = load("exchange-rate")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [6070, 759, 759]
    assert split.spec.event_shape == (8,)
    assert split.train.all().x[0, 0] == pytest.approx(0.7855)
    assert load_like(load("exchange-rate", window=10), "exchange-rate").all().x.shape == (75, 10, 8)


def test_what_is_no_series_is_refused(tmp_path: Path) -> None:
    assert "window cuts rows of numbers in the order of time, got rows of shape (1, 8, 8)" in refused(
        "digits", window=4
    )
    assert "got rows of shape (2, 3)" in refused(RANDOM.normal(size=(50, 2, 3)), window=4)
    assert "80 rows in the train part hold no window of 81: choose a window of at most 80" in refused(
        COUNTED, window=81
    )
    assert "10 rows in the validation part hold no window of 11" in refused(COUNTED, window=11)
    assert "window=0: expected a number of rows" in refused(COUNTED, window=0)
    assert "has no label: leave labels and target out" in refused(COUNTED, window=4, labels=[0] * 100)
    assert "difference is for series: give window" in refused(COUNTED, difference=True)
    levels = RANDOM.integers(0, 5, (50, 2))
    assert "categories have no difference" in refused(levels, window=4, as_levels=True, difference=True)
    (tmp_path / "x.csv").write_text("a,b\n" + "x,2\ny,3\n" * 30)
    assert "columns of mixed type" in refused(tmp_path / "x.csv", columns="mixed", window=4)
    np.save(tmp_path / "x.npy", COUNTED)
    assert "stream and window exclude each other" in refused(tmp_path / "x.npy", window=4, stream=True)
    assert load(COUNTED, window=4, validation=0, test=0).validation.all().x.shape == (0, 4, 2)


def test_series_of_unequal_length_are_refused(tmp_path: Path) -> None:
    unequal = [RANDOM.normal(size=(length, 2)) for length in (9, 12, 7)]
    said = "series of unequal length (7 to 12): cut them to one length"
    assert said in refused(unequal)
    assert "numpy.stack" in refused([unequal[0], unequal[0]])
    objects = np.empty(3, dtype=object)
    objects[:] = unequal
    assert "unequal length" in refused(objects)
    np.savez(tmp_path / "x.npz", x=objects)
    np.save(tmp_path / "x.npy", objects)
    assert "unequal length" in refused(tmp_path / "x.npz")
    assert "unequal length" in refused(tmp_path / "x.npy")
