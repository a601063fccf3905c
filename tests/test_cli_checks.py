"""score and information on small runs, through the entry point; verify has its own file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars
import pytest

from tests.command_line import done, refusal


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small runs of vae, made and gan on digits."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("vae", "made", "gan"):
        done(f"fit {name} --preset tiny --steps 60 --out", folder / name)
    return folder


@pytest.mark.parametrize("name", ["vae", "made"])
def test_rows_are_scored(runs: Path, tmp_path: Path, name: str) -> None:
    out = done("score", runs / name, "--num-samples", "20", "--out", tmp_path / "s.csv")
    table = polars.read_csv(tmp_path / "s.csv")
    assert len(table) == 250
    assert table["percentile"].is_between(0, 100).all()
    kind = {"vae": "lower bound", "made": "exact"}[name]
    assert set(table["kind"]) == {kind}
    assert (table["standard_error"].null_count() == 250) == (name == "made")
    assert f"{name} on digits/test: 250 rows; {kind}" in out
    assert "percentile among 1,297 training rows" in out
    assert "AUROC" not in out
    assert out.splitlines()[-1] == f"{tmp_path / 's.csv'}: 250 rows"


def test_other_data_are_told_apart(runs: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (30, 1, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "noise.npy", noise)
    out = done("score", runs / "made", "--data", tmp_path / "noise.npy", "--out", tmp_path / "s.csv")
    assert "AUROC 1.0000" in out
    assert "250 rows of digits/test" in out
    assert polars.read_csv(tmp_path / "s.csv")["percentile"].max() < 5


def test_what_score_refuses_leaves_what_was_there(runs: Path, tmp_path: Path) -> None:
    there = tmp_path / "s.csv"
    there.write_text("mine")
    assert "gan has no density" in refusal("score", runs / "gan", "--out", there)
    assert "at least 1" in refusal("score", runs / "vae", "--num-samples", "0", "--out", there)
    assert "choose a name" in refusal("score", runs / "vae", "--out", tmp_path / "s.txt")
    assert there.read_text() == "mine"


def test_information_of_a_run(runs: Path) -> None:
    out = done("information", runs / "vae", "--num-draws", "500")
    assert "the mixture of all 1,297 posteriors" in out
    assert "log 1,297 = 7.1678 nats" in out
    found = json.loads(done("information", runs / "vae", "--num-draws", "500", "--json"))
    assert found["num_examples"] == 1297
    difference = found["difference"]
    assert abs(difference["value"]) < 3 * difference["standard_error"]
    assert "latents" in refusal("information", runs / "made")
    assert "num_draws" in refusal("information", runs / "vae", "--num-draws", "1")
