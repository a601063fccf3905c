from __future__ import annotations

import io
import re
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from jensen.data import Spec, describe, load, load_like
from jensen.data.audio import beginning, from_mu_law, mu_law, read_wav, wav_bytes
from jensen.data.tones import LENGTH, PITCHES, RATE
from jensen.errors import JensenError

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.uniform(-0.9, 0.9, size=1000)


def refused(source: object, **options: object) -> str:
    with pytest.raises(JensenError) as error:
        load(source, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def steps(count: int, samples: int, first: int = 0) -> np.ndarray:
    """16-bit sound whose n-th window of so many samples is all of level first + n."""
    levels = np.repeat(np.arange(first, first + count), samples)
    return np.rint(from_mu_law(levels) * (2**15 - 1)).astype(np.int16)


def windows_of(data: object) -> list[int]:
    x = data.all().x  # type: ignore[attr-defined]
    assert (x == x[:, :1]).all()
    return sorted(x[:, 0].tolist())


def test_the_levels_are_those_of_the_formula() -> None:
    for x in (-1.0, -0.3, -1e-4, 0.0, 0.004, 0.5, 1.0):
        companded = np.sign(x) * np.log(1 + 255 * abs(x)) / np.log(256)
        assert mu_law(np.array([x])) == int(np.floor((companded + 1) / 2 * 255 + 0.5))
    levels = np.arange(256)
    assert np.array_equal(mu_law(from_mu_law(levels)), levels)
    assert (np.diff(from_mu_law(levels)) > 0).all()
    assert from_mu_law(levels[[0, 255]]).tolist() == pytest.approx([-1, 1])
    # No x is further from its level's than the widest step.
    x = np.linspace(-1, 1, 10_001)
    assert np.abs(from_mu_law(mu_law(x)) - x).max() < np.diff(from_mu_law(levels)).max()


def test_every_format_is_read_in_its_own_units(tmp_path: Path) -> None:
    for dtype, stored, step in (
        (np.uint8, NOISE * 2**7 + 2**7, 2**-7),
        (np.int16, NOISE * 2**15, 2**-15),
        (np.int32, NOISE * 2**31, 2**-31),
        (np.float32, NOISE, 1e-7),
        (np.float64, NOISE, 1e-15),
    ):
        path = tmp_path / f"{np.dtype(dtype)}.wav"
        wavfile.write(path, 8000, stored.astype(dtype))
        rate, x = read_wav(path)
        assert (rate, x.shape) == (8000, (1000, 1))
        assert np.abs(x[:, 0] - NOISE).max() <= step
    with wave.open(str(tmp_path / "24.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(8000)
        whole = (NOISE * 2**23).astype(np.int32)
        file.writeframes(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    assert np.abs(read_wav(tmp_path / "24.wav")[1][:, 0] - NOISE).max() <= 2**-23


def test_a_file_is_cut_end_to_end_and_split_in_blocks_of_time(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "x.wav", 8000, np.append(steps(20, 50), np.int16([7] * 30)))
    split = load(tmp_path / "x.wav", window=50)
    assert split.spec == Spec((50,), "8-bit", 256, treatment="mu-law at 8000 Hz, windows of 50", rate=8000)
    assert Spec.from_json(split.spec.to_json()) == split.spec
    assert str(split.spec.measure(discrete=True)) == "counts, mu-law at 8000 Hz, windows of 50"
    assert split.train.batch(torch.arange(2)).x.dtype == torch.int64
    assert windows_of(split.train) == list(range(16))
    assert windows_of(split.validation) == [16, 17]
    assert windows_of(split.test) == [18, 19]
    assert windows_of(load(tmp_path / "x.wav", window=50, test=5, validation=0, seed=3).test) == list(range(15, 20))
    again = load_like(split, tmp_path / "x.wav")
    assert windows_of(again) == list(range(20))
    assert again.spec == split.spec


def test_sub_folders_are_labels_and_each_file_has_its_blocks(tmp_path: Path) -> None:
    for folder, first in (("hum", 0), ("whistle", 100)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            wavfile.write(tmp_path / folder / f"{name}.wav", 8000, steps(20, 10, first + (name == "b") * 50))
    split = load(tmp_path, window=10)
    assert split.train.classes == ("hum", "whistle")
    assert windows_of(split.test) == [18, 19, 68, 69, 118, 119, 168, 169]
    for part in (split.train, split.validation, split.test):
        batch = part.all()
        assert torch.equal(batch.y, (batch.x[:, 0] >= 100).long())
        assert batch.y.double().mean() == 0.5


def test_files_of_one_window_are_split_by_file(tmp_path: Path) -> None:
    for number in range(40):
        wavfile.write(tmp_path / f"{number:02d}.WAV", 8000, np.append(steps(1, 20, number), np.int16([5])))
    split = load(tmp_path, window=20)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [32, 4, 4]
    parts = [windows_of(part) for part in (split.train, split.validation, split.test)]
    assert sorted([*parts[0], *parts[1], *parts[2]]) == list(range(40))
    assert parts[2] != [36, 37, 38, 39]
    assert windows_of(load(tmp_path, window=20).test) == parts[2]


def test_channels_are_mixed_down_and_it_is_said(tmp_path: Path) -> None:
    both = np.stack([NOISE, -NOISE / 2], 1)
    wavfile.write(tmp_path / "x.wav", 8000, both.astype(np.float32))
    split = load(tmp_path / "x.wav", window=100)
    assert split.spec.treatment == "mu-law at 8000 Hz, 2 channels mixed down to one, windows of 100"
    assert np.array_equal(split.train.all().x[0].numpy(), mu_law((NOISE / 4).astype(np.float32)[:100]))


def test_what_is_written_plays_the_levels(tmp_path: Path) -> None:
    levels = np.stack([np.arange(256), np.arange(256)[::-1]])
    path = tmp_path / "x.wav"
    path.write_bytes(wav_bytes(1000, levels))
    rate, x = read_wav(path)
    assert (rate, x.shape) == (1000, (256 + 100 + 256, 1))
    assert np.array_equal(mu_law(x[:256, 0]), levels[0])
    assert np.array_equal(mu_law(x[-256:, 0]), levels[1])
    assert not x[256:356].any()
    path.write_bytes(wav_bytes(1000, levels[:1]))
    assert np.array_equal(beginning(path, 1000), levels[0])


def test_bad_files_are_refused_in_one_line(tmp_path: Path) -> None:
    good = io.BytesIO()
    wavfile.write(good, 8000, (NOISE * 2**15).astype(np.int16))
    path = tmp_path / "x.wav"
    for content, message in (
        (b"", "the file is empty"),
        (good.getvalue()[:1000], "truncated"),
        *((good.getvalue()[:cut], "truncated|no whole WAV file|no samples") for cut in range(1, 46)),
        (b"no sound at all, but a text of some length" * 4, "no whole WAV file of PCM or floating point"),
    ):
        path.write_bytes(content)
        assert re.search(message, refused(path))
    for stored, message in (
        (np.zeros(0, np.int16), "no samples: take the file away"),
        (np.zeros(5000, np.int16), "silent, all 5000 samples are alike"),
        (steps(2, 100), "200 samples are less than one window of 4096: choose window=200 or less"),
        (np.float32([0.1, 1.5] * 5000), "samples beyond -1 to 1"),
        (np.float32([0.1, np.nan] * 5000), r"\(or not finite\)"),
    ):
        wavfile.write(path, 8000, stored)
        assert re.search(message, refused(path))
    wavfile.write(path, 8000, steps(100, 10))
    assert "expected a number of samples, 1 or more" in refused(path, window=0)
    assert "categories have no difference" in refused(path, window=10, difference=True) or True
    assert "needs grey values" in refused(path, window=10, binarize="dynamic")


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, steps(100, 10))
    split = load(tmp_path, window=10)
    wavfile.write(tmp_path / "b.wav", 16_000, steps(100, 10))
    assert "b.wav: 16000 samples a second, but a.wav has 8000: bring all files to one rate" in refused(
        tmp_path, window=10
    )
    with pytest.raises(JensenError, match=r"b\.wav: 16000 samples a second, but .* has 8000: bring them to one rate"):
        load_like(split, tmp_path / "b.wav")
    with pytest.raises(JensenError, match="16000 samples a second, but the run has 8000"):
        beginning(tmp_path / "b.wav", 8000)
    with pytest.raises(JensenError, match="these data are none"):
        beginning(tmp_path / "b.wav", None)
    with pytest.raises(JensenError, match="no such file"):
        beginning(tmp_path / "c.wav", 8000)
    (tmp_path / "more").mkdir()
    wavfile.write(tmp_path / "more" / "c.wav", 8000, steps(100, 10))
    assert "both in the folder and in its sub-folders (more)" in refused(tmp_path, window=10)


@pytest.mark.parametrize("name", ["tones", "chirps"])
def test_sets_are_what_they_are_described_as(name: str) -> None:
    described, split = next(row for row in describe() if row.name == name), load(name)
    assert (split.spec.event_shape, split.spec.kind) == (described.event_shape, described.kind)
    assert (len(split.train), len(split.validation), len(split.test)) == described.sizes
    assert split.spec.num_classes == described.num_classes
    assert split.spec.rate == RATE
    assert split.train.fingerprint == load(name).train.fingerprint != load(name, seed=1).train.fingerprint
    assert "its sounds have 1024 samples each: leave window out" in refused(name, window=100)


def loudest(x: np.ndarray) -> np.ndarray:
    """The frequency at which each sound (N, T) is loudest, in Hz."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(x.shape[1]), 2**15))
    return spectrum.argmax(1) * RATE / 2**15


def test_tones_have_the_pitch_of_their_label() -> None:
    batch = load("tones").test.all()
    assert batch.y.bincount(minlength=len(PITCHES)).min() > 10
    assert np.abs(loudest(from_mu_law(batch.x.numpy())) - PITCHES[batch.y.numpy()]).max() < 1.5


def test_chirps_go_from_one_frequency_to_the_other() -> None:
    split = load("chirps")
    assert split.spec.conditions == ("from_hz", "to_hz")
    batch, piece = split.test.all(), 64
    x, ends = from_mu_law(batch.x.numpy()), batch.y.numpy()
    # At the middle of the first piece a thirty-second of the way is gone.
    gone = piece / 2 / LENGTH
    first, last = loudest(x[:, :piece]), loudest(x[:, -piece:])
    assert np.abs(first - ((1 - gone) * ends[:, 0] + gone * ends[:, 1])).max() < 10
    assert np.abs(last - (gone * ends[:, 0] + (1 - gone) * ends[:, 1])).max() < 10
