from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import done, refusal

PROSE = "to be or not to be, that is the question. "


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_text(PROSE * 40)
    settings = "--set tokens=bpe:280 --set window=12 --set width=16 --set depth=1 --set heads=1"
    done(
        f"fit transformer {settings} --steps 120 --set learning_rate=2e-2 --data",
        folder / "a.txt",
        "--out",
        folder / "run",
    )
    return folder / "run"


def test_text_is_printed_written_and_continued(run: Path, tmp_path: Path) -> None:
    printed = done("sample", run).rstrip("\n").split("\n" + "-" * 80 + "\n")
    assert len(printed) == 3
    assert all(set(text) <= set(PROSE) for text in printed), "every byte that it draws is one of the training text's"
    assert any("be" in text for text in printed)
    done("sample --num 3 --out", tmp_path / "x.txt", "--", run)
    assert (tmp_path / "x.txt").read_text().rstrip("\n").split("\n" + "-" * 80 + "\n") == printed
    done("sample --num 3 --out", tmp_path / "x.npy", "--", run)
    assert np.load(tmp_path / "x.npy").shape == (3, 12)
    continued = done("sample --num 2 --top-k 1 --prompt", "that is", "--", run)
    assert continued.startswith("that is the question")
    assert done("sample --num 2 --top-p 0.01 --prompt", "that is", "--", run) == continued


def test_its_figures_and_its_page(run: Path) -> None:
    table = done("evaluate", run)
    assert "measure: counts, bpe:280, windows of 12" in table
    assert re.search(r"bits_per_byte_in_context +\d\.\d+ .*upper bound +bits/byte", table)
    page = Path(done("report", run).strip()).read_text()
    assert page.count("<pre>") >= 5  # the command, and four texts
    assert "Text drawn from the model, 1 of 4" in page
    assert 'alt="Histograms' not in page, "tokens are no numbers to make a histogram of"


def test_what_cannot_be_asked_is_refused(run: Path, tmp_path: Path) -> None:
    assert "the prompt has 13 tokens, the model is of 1 to 12" in refusal("sample --prompt", "q" * 13, "--", run)
    assert "the prompt has 0 tokens" in refusal("sample --prompt", "", "--", run)
    assert "no --given" in refusal("sample --prompt to --given x0=1", run)
    assert "top_k must be at least 1" in refusal("sample --top-k 0", run)
    assert "is no image" in refusal("sample --out", tmp_path / "x.png", "--", run)
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin1") * 40)
    assert "no UTF-8 text" in refusal("evaluate --data", tmp_path / "latin.txt", "--", run)


def test_models_of_other_things_have_no_text(tmp_path: Path) -> None:
    done("fit nsf --preset tiny --steps 2 --out", tmp_path / "run")
    assert "sample needs --out FILE" in refusal("sample", tmp_path / "run")
    out = ("--out", tmp_path / "x.npy", "--", tmp_path / "run")
    assert "this model has no top_k: leave --top-k out" in refusal("sample --top-k 3", *out)
    assert "--prompt takes a model that completes x" in refusal("sample --prompt to", *out)
    assert "is no text" in refusal("sample --out", tmp_path / "x.txt", "--", tmp_path / "run")
