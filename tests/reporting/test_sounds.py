from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from tests.command_line import done, refusal

import jensen
from jensen.data import Dataset
from jensen.data.audio import from_mu_law, mu_law, read_wav
from jensen.errors import JensenError
from jensen.reporting.draw import draw, write_examples
from jensen.reporting.gallery import pictures
from jensen.reporting.sounds import gradients, receptive_field, sounds_beside

SMALL = {"layers": 3, "channels": 4, "skip_channels": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    hum = (0.5 * np.sin(np.arange(3000) / 5) * 2**15).astype(np.int16)
    wavfile.write(folder / "hum.wav", 8000, hum)
    split = jensen.data.load(folder / "hum.wav", window=64)
    model = jensen.create("wavenet", split.spec, **SMALL)
    jensen.fit(model, split, steps=5, batch_size=4, out=folder / "run")
    return folder


def short(name: str) -> Dataset:
    """The first 64 samples of two sounds of a test part."""
    test = jensen.data.load(name).test.subset(torch.arange(2))
    assert isinstance(test.x, torch.Tensor)
    return replace(test, x=test.x[:, :64], spec=replace(test.spec, event_shape=(64,)))


@pytest.mark.parametrize(("name", "given"), [("tones", "label"), ("chirps", "vector"), ("tones", "none")])
def test_a_model_of_sounds_gets_draws_completions_and_its_receptive_field(name: str, given: str) -> None:
    data = short(name)
    model = jensen.create("wavenet", data.spec, given=given, **SMALL).eval()
    drawn = list(pictures(model, data.spec, data))
    assert [picture.name for picture in drawn] == ["samples", "completions", "receptive_field"]
    assert ("given the condition" in drawn[0].caption) == (given != "none")
    assert "more than 8 samples before, the receptive field (2 ms)" in drawn[2].caption
    assert [len(picture.figure.axes) for picture in drawn] == [8, 8, 1]


def test_other_models_of_sounds_get_their_draws() -> None:
    data = short("tones")
    model = jensen.create("independent", data.spec)
    model.fit_to(data.all().x, data.all().x)
    assert [picture.name for picture in pictures(model, data.spec, data)] == ["samples"]


def test_a_spectrogram_is_brightest_at_the_pitch() -> None:
    wave = np.stack([0.5 * np.sin(2 * np.pi * pitch * np.arange(4000) / 4000) for pitch in (300, 1500)])
    figure = sounds_beside({"data": torch.from_numpy(mu_law(wave)).long()}, 4000, mark=0.5)
    for row, pitch in enumerate((300, 1500)):
        shape, spectrum = figure.axes[2 * row : 2 * row + 2]
        image = spectrum.get_images()[0]
        _, _, low, high = image.get_extent()
        found = image.get_array().argmax(0) / (image.get_array().shape[0] - 1) * (high - low) + low
        assert np.abs(found - pitch).max() <= 4000 / 256
        assert np.abs(shape.lines[0].get_ydata() - wave[row]).max() < 0.02
        assert shape.lines[1].get_xdata()[0] == 0.5


def test_the_gradient_ends_at_the_receptive_field() -> None:
    data = short("tones")
    model = jensen.create("wavenet", data.spec, given="label", **SMALL).eval()
    found = gradients(model, data.all())
    assert found.shape == (63,)
    assert (found[:8] > 0).all()
    assert (found[8:] == 0).all()
    line = receptive_field(found, 8).axes[0].lines[0]
    assert line.get_xdata().tolist() == list(range(1, 9))


def test_draws_are_written_as_a_wav_of_the_run_s_rate(run: Path, tmp_path: Path) -> None:
    for name in ("x.wav", "x.npy"):
        done("sample --num 3", run / "run", "--out", tmp_path / name)
    rate, x = read_wav(tmp_path / "x.wav")
    levels = np.load(tmp_path / "x.npy")
    assert rate == 8000
    assert x.shape == (3 * 64 + 2 * 800, 1)
    for place in range(3):
        assert np.array_equal(mu_law(x[place * 864 :][:64, 0]), levels[place])
    done("sample --num 2 --length 100", run / "run", "--out", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (2, 100)


def test_a_wav_is_gone_on_from(run: Path, tmp_path: Path) -> None:
    start = (0.3 * np.sin(np.arange(80) / 5) * 2**15).astype(np.int16)
    wavfile.write(tmp_path / "start.wav", 8000, start)
    given = ("--given", tmp_path / "start.wav", "--out", tmp_path / "x.npy")
    done("sample --num 2 --length 90", run / "run", *given)
    drawn = np.load(tmp_path / "x.npy")
    assert drawn.shape == (2, 90)
    assert np.abs(from_mu_law(drawn[:, :80]) - start / 2**15).max() < 0.02
    assert "the beginning has 80 samples and the sequence 64" in refusal("sample --num 2", run / "run", *given)
    wavfile.write(tmp_path / "start.wav", 4000, start)
    assert "4000 samples a second, but the run has 8000" in refusal("sample --num 2", run / "run", *given)


def test_what_is_no_sound_is_refused(run: Path, tmp_path: Path) -> None:
    data = jensen.data.load(np.eye(40, 6)).train
    model = jensen.create("fvsbn", data.spec)
    with pytest.raises(JensenError, match=r"x of shape \(6,\) is no sound: write \.npy or \.csv instead of \.wav"):
        write_examples(tmp_path / "x.wav", model.sample(2), data)
    with pytest.raises(JensenError, match="this model has no length: leave --length out"):
        draw(model, 2, spec=data.spec, length=9)
    with pytest.raises(JensenError, match="the beginning of a sound, and these data are none"):
        draw(model, 2, spec=data.spec, given=str(run / "hum.wav"), data=data)
