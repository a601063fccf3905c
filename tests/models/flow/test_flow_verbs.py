"""Flows on the command line, and on the page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.command_line import done, refusal

import jensen
from jensen.evaluation.runs import load_split
from jensen.reporting.gallery import raw_log_prob


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    small = "--set hidden=8 --set num_layers=2 --steps 10"
    done(
        f"fit realnvp {small} --data digits --set dequantize=true --set logit=0.05 --set given=label --out",
        folder / "i",
    )
    random = np.random.default_rng(0)
    rows = [(*random.normal([40 * k, -k], [9, 1]), k) for k in [0, 1, 2] * 70]
    (folder / "t.csv").write_text("a,b,c\n" + "\n".join(f"{a:.3f},{b:.3f},{c}" for a, b, c in rows))
    done(f"fit nsf {small} --set target=c --set given=label --data", folder / "t.csv", "--out", folder / "plane")
    done(f"fit maf {small} --set condition=c --set given=vector --data", folder / "t.csv", "--out", folder / "numbers")
    return folder


def test_images_given_their_label(runs: Path, tmp_path: Path) -> None:
    found = json.loads(done("evaluate --json", runs / "i"))
    assert found["measure"] == "volume, dequantised"
    assert [metric["kind"] for metric in found["metrics"]] == ["exact", "exact"]
    done("report", runs / "i")
    assert {"samples", "styles"} <= {path.stem for path in (runs / "i").glob("*.png")}
    done("sample --per-class 2 --out", tmp_path / "x.png", runs / "i")
    assert "accuracy" in done("classify --out", tmp_path / "y.csv", runs / "i")
    assert "reconstructs nothing" in refusal("reconstruct --out", tmp_path / "x.npy", runs / "i", "--data", "digits")


def test_the_density_on_the_page_is_of_x_in_its_own_units(runs: Path) -> None:
    """Over a plane of labelled points: sum_y p(y) p(x | y)."""
    done("report", runs / "plane")
    assert (runs / "plane" / "samples.png").exists()
    split = load_split(runs / "plane")
    log_prob = raw_log_prob(jensen.load(runs / "plane"), split.test)
    a, b = torch.linspace(-400, 500, 226), torch.linspace(-20, 20, 161)
    with torch.no_grad():
        p = log_prob(torch.cartesian_prod(a, b).double()).exp()
    assert (p.sum() * (a[1] - a[0]) * (b[1] - b[0])).item() == pytest.approx(1, abs=1e-3)


def test_a_table_given_numbers(runs: Path, tmp_path: Path) -> None:
    done("sample --given c=1 --num 3 --out", tmp_path / "x.csv", runs / "numbers")
    assert (tmp_path / "x.csv").read_text().startswith("a,b\n")
    assert "mean" in done("score --out", tmp_path / "s.csv", runs / "numbers")
    assert math.isfinite(json.loads(done("evaluate --json", runs / "numbers"))["metrics"][0]["value"])
    done("report", runs / "numbers")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("maf --data digits", "load with dequantize=true"),
        ("nice --data digits --set binarize=static", "choose a model of discrete x, such as made"),
        ("nsf --data moons --set logit=0.1", "logit is of x in [0, 1]"),
        ("nsf --data moons --set given=label", "given=label needs data with labels"),
        ("nsf --data moons --set univariate=cubic", "univariate 'cubic'"),
    ],
)
def test_what_is_refused(tmp_path: Path, line: str, words: str) -> None:
    assert words in refusal(f"fit {line} --steps 1 --out", tmp_path / "run")


def test_a_table_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "\n".join(f"{0.37 * i % 1:.3f}" for i in range(1, 90)))
    settings = "--set standardize=true --steps 1 --data"
    assert "needs at least 2, got 1" in refusal(f"fit nice {settings}", tmp_path / "t.csv", "--out", tmp_path / "run")
    done(f"fit nsf {settings}", tmp_path / "t.csv", "--out", tmp_path / "run")
