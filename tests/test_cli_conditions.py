"""Conditions, labels and completions on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import done, refusal

DIGITS = "--data digits --set binarize=dynamic --set latent_dim=2 --set hidden=16 --steps 20"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done(f"fit fs-vae {DIGITS} --out", folder / "labels")
    done(f"fit cvae {DIGITS} --set given=half --out", folder / "halves")
    done(f"fit ss-vae {DIGITS} --set labelled=50 --out", folder / "some")
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 3)) @ np.array([[1, 2, 0], [0, 1, 3], [0, 0, 1]]) + [0, 0, 40]
    (folder / "t.csv").write_text("a,b,c\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows))
    settings = "--set given=vector --set condition=c --set standardize=true --set latent_dim=2 --set hidden=16"
    done(f"fit cvae {settings} --steps 20 --data", folder / "t.csv", "--out", folder / "numbers")
    done("fit made --set standardize=true --set hidden=8 --steps 5 --data", folder / "t.csv", "--out", folder / "rows")
    done(f"fit fvsbn {DIGITS.replace('--set latent_dim=2 --set hidden=16', '')} --out", folder / "bits")
    return folder


def test_draws_of_a_class_and_of_every_class(runs: Path, tmp_path: Path) -> None:
    done("sample --given y=3 --num 7 --out", tmp_path / "x.npy", runs / "labels")
    assert np.load(tmp_path / "x.npy").shape == (7, 1, 8, 8)
    done("sample --per-class 3 --out", tmp_path / "x.npy", runs / "some")
    assert np.load(tmp_path / "x.npy").shape == (30, 1, 8, 8)


def test_draws_given_numbers(runs: Path, tmp_path: Path) -> None:
    done("sample --given c=41.5 --num 7 --out", tmp_path / "x.csv", runs / "numbers")
    with (tmp_path / "x.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 7
    assert list(table[0]) == ["a", "b"]


def test_rows_are_completed(runs: Path, tmp_path: Path) -> None:
    done("sample --given a=0.5,b=-2 --num 7 --out", tmp_path / "x.csv", runs / "rows")
    with (tmp_path / "x.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(float(row["a"]), float(row["b"])) for row in table] == [pytest.approx((0.5, -2), abs=1e-5)] * 7
    assert len({row["c"] for row in table}) == 7
    done("sample --given x0=1,x1=0 --num 3 --out", tmp_path / "x.npy", runs / "bits")
    assert np.load(tmp_path / "x.npy")[:, 0, 0, :2].tolist() == [[1, 0]] * 3


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        ("rows", "--given c=41.5", "entry 2 is given and entry 1, which the model draws before it, is not"),
        ("rows", "--given a=low", "--given takes NAME=NUMBER, got 'a=low'"),
        ("rows", "--given d=1", "entry of x 'd'"),
        ("bits", "--given y=1", "no entry of x is called 'y': they are x0 to x63"),
        ("bits", "--given x0=0.5", "the model is of bits, 0 or 1"),
        ("numbers", "--given b=1", "a number for each of c"),
        ("numbers", "--given c=high", "a number for each of c"),
        ("numbers", "--given c=1,b=2", "condition 'b'"),
        ("numbers", "--num 3", "given a condition alone"),
        ("halves", "--num 3", "given a condition alone"),
        ("labels", "--given y=10", "out of range"),
    ],
)
def test_conditions_that_cannot_be(runs: Path, tmp_path: Path, run: str, options: str, words: str) -> None:
    assert words in refusal(f"sample {options} --out", tmp_path / "x.npy", runs / run)


@pytest.mark.parametrize("run", ["labels", "some"])
def test_classes_are_written(runs: Path, tmp_path: Path, run: str) -> None:
    said = done("classify --num-samples 5 --out", tmp_path / "y.csv", runs / run)
    assert "accuracy" in said
    with (tmp_path / "y.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == 250
    log_p = np.array([[float(row[f"log_p_{label}"]) for label in range(10)] for row in table])
    assert np.allclose(np.exp(log_p).sum(1), 1, atol=1e-5)
    assert [int(row["class"]) for row in table] == log_p.argmax(1).tolist()


def test_a_model_without_classes_says_so(runs: Path, tmp_path: Path) -> None:
    assert "tells no classes apart" in refusal("classify --out", tmp_path / "y.csv", runs / "halves")


@pytest.mark.parametrize("run", ["labels", "halves", "some", "numbers"])
def test_every_verb_answers(runs: Path, tmp_path: Path, run: str) -> None:
    assert "elbo" in done("evaluate --num-samples 5", runs / run)
    done("report", runs / run)
    data = runs / "t.csv" if run == "numbers" else "digits"
    done("encode --out", tmp_path / "z.npy", runs / run, "--data", data)
    done("reconstruct --out", tmp_path / "x.npy", runs / run, "--data", data)
    done("score --num-samples 5 --out", tmp_path / "s.csv", runs / run)
    if run != "some":
        assert "annealed" in done("evaluate --num-samples 5 --annealed 4", runs / run)


def test_figures_of_conditions(runs: Path) -> None:
    done("report", runs / "labels")
    assert (runs / "labels" / "styles.png").exists()
    done("report", runs / "halves")
    assert (runs / "halves" / "completions.png").exists()


def test_what_a_model_says_of_classes_is_not_ranked_as_what_it_says_of_x(runs: Path) -> None:
    done("evaluate --num-samples 5", runs / "some")
    found = json.loads(done("compare --json", runs / "some"))
    (table,) = found["tables"].values()
    assert [row["metric"]["name"] for row in table] == ["iwae_5"]


def test_one_draw_has_no_spread_and_is_evaluated_in_silence(runs: Path) -> None:
    assert "iwae_1 " in done("evaluate --num-samples 1", runs / "labels")


@pytest.mark.parametrize("prior", ["conditional", "flow"])
def test_latents_of_a_learned_prior_are_drawn_at_one_condition(tmp_path: Path, prior: str) -> None:
    done(f"fit cvae {DIGITS} --set latent_dim=3 --set prior={prior} --out", tmp_path)
    done("report", tmp_path)
    assert {"styles", "traversals", "interpolations"} <= {path.stem for path in tmp_path.glob("*.png")}


@pytest.mark.parametrize("verb", ["information", "bracket"])
def test_what_is_of_one_prior_is_refused(runs: Path, verb: str) -> None:
    refusal(verb, runs / "labels")


def test_bits_per_dimension_are_of_what_is_modelled(runs: Path) -> None:
    found = json.loads(done("evaluate --num-samples 5 --json", runs / "halves"))
    figures = {metric["name"]: metric["value"] for metric in found["metrics"]}
    assert figures["bits_per_dim"] == pytest.approx(-figures["iwae_5"] / (32 * np.log(2)))
