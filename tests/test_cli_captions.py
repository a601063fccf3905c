"""Captions on the command line, and on the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.command_line import done, refusal


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done("fit parti --preset tiny --steps 5 --out", folder / "captions")
    done("fit fvsbn --preset tiny --steps 2 --out", folder / "plain")
    return folder


def test_draws_of_a_caption(runs: Path, tmp_path: Path) -> None:
    for name, options in (("own", ""), ("again", "--guidance 0"), ("guided", "--guidance 3000 --temperature 0.8")):
        done(f'sample --given "caption=a three" {options} --num 7 --out', tmp_path / f"{name}.npy", runs / "captions")
    drawn = {name: np.load(tmp_path / f"{name}.npy") for name in ("own", "again", "guided")}
    assert drawn["own"].shape == (7, 1, 8, 8)
    assert (drawn["own"] == drawn["again"]).all()
    assert (drawn["own"] != drawn["guided"]).any()
    done("sample --num 7 --out", tmp_path / "none.npy", runs / "captions")
    assert "E[x | z]" in done(
        'sample --given "caption=the digit 3" --num 7 --out', tmp_path / "x.png", runs / "captions"
    )


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        ("captions", '--given "caption=a very long story of a three"', "a caption of 28 bytes, 'a very long story of"),
        ("captions", "--given y=3", "--given takes caption=WORDS, got 'y=3'"),
        ("captions", '--given "caption=a three" --guidance -1', "guidance must be a number from 0 up, got -1"),
        ("captions", "--guidance 2", "--guidance takes a model of x given a caption, and --given caption=..."),
        ("captions", '--given "caption=a three" --top-k 3', "this model has no top_k"),
        ("plain", "--guidance 2", "--guidance takes a model of x given a caption"),
    ],
)
def test_draws_that_cannot_be(runs: Path, tmp_path: Path, run: str, options: str, words: str) -> None:
    assert words in refusal(f"sample {options} --out", tmp_path / "x.npy", runs / run)
    assert not (tmp_path / "x.npy").exists()


def test_data_without_captions_are_refused(runs: Path, tmp_path: Path) -> None:
    said = refusal("fit parti --preset tiny --data digits --out", tmp_path / "x")
    assert "parti needs images with captions, and these data have none: choose captioned-shapes" in said
    assert "these data have none" in refusal("evaluate --num-samples 1 --data digits", runs / "captions")


def test_the_page_has_captions_beside_samples(runs: Path) -> None:
    assert "elbo" in done("evaluate --num-samples 1", runs / "captions")
    done("report", runs / "captions")
    assert (runs / "captions" / "captions.png").exists()
    page = (runs / "captions" / "report.html").read_text()
    assert "draws given the caption, and as many with guidance 2" in page
