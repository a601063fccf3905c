"""Every command and option in normal use, through the entry point."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from jensen import data as jensen_data
from jensen import training as jensen_training
from jensen.models.base import ModelKind
from jensen.registry import MODELS, entry
from jensen.settings import keys
from tests.command_line import contents, done, jensen, refusal

METRIC = {"name", "value", "kind", "unit", "standard_error", "mc_standard_error", "num_samples"}
ROWS = np.random.default_rng(0).normal(size=(200, 3)) * [5, 10, 2] + [170, 70, 40]


def write_table(path: Path, rows: np.ndarray, columns: str = "height,weight,age") -> Path:
    np.savetxt(path, rows, delimiter=",", header=columns, comments="", fmt="%.4f")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small runs, each evaluated: vae, made, grey, gan, gaussian-mixture and, of a table, table."""
    folder = tmp_path_factory.mktemp("runs")
    write_table(folder / "people.csv", ROWS)
    for line in (
        "vae --preset tiny --steps 60 --set log_every=20",
        "made --preset tiny --steps 60",
        "gan --preset tiny --steps 20",
        "gaussian-mixture --preset tiny --steps 5",
    ):
        done(f"fit {line} --out", folder / line.split()[0])
    done("fit vae --data digits --steps 5 --set likelihood=bernoulli --set latent_dim=2 --out", folder / "grey")
    table = "fit vae --steps 40 --batch-size 20 --set latent_dim=2 --set hidden=8 --set standardize=true"
    done(table, "--data", folder / "people.csv", "--out", folder / "table")
    for name in ("vae", "made", "grey", "gan", "gaussian-mixture", "table"):
        done("evaluate --num-samples 20", folder / name)
    return folder


def config(run: Path) -> dict:
    return json.loads((run / "config.json").read_text())


# fit


def test_fit_says_where_the_run_is_and_what_to_do_next(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert done("fit vae --preset tiny --steps 3 --out", out) == (
        f"{out}: fitted; next: jensen evaluate {out}, jensen report {out}\n"
    )
    assert set(contents(out)) == {"config.json", "model.safetensors", "training.safetensors", "metrics.jsonl"}


def test_set_reaches_every_section_and_flags_reach_training(tmp_path: Path) -> None:
    line = (
        "fit vae --preset tiny --steps 6 --batch-size 7 --seed 3 --set checkpoint_every=2 --set device=cpu "
        "--set likelihood=bernoulli --set hidden=8,4 --set beta=0.5 --set binarize=static --set data_seed=5 --out"
    )
    done(line, tmp_path / "run")
    found = config(tmp_path / "run")
    assert found["model"]["settings"] == {"latent_dim": 2, "hidden": [8, 4], "likelihood": "bernoulli"}
    assert found["objective"]["beta"] == 0.5
    assert (found["data"]["options"]["binarize"], found["data"]["options"]["seed"]) == ("static", 5)
    training = {"steps": 6, "batch_size": 7, "seed": 3, "checkpoint_every": 2, "device": "cpu"}
    assert training.items() <= found["training"].items()


def make_table(folder: Path) -> tuple[str, int]:
    write_table(folder / "x.csv", ROWS)
    return "x.csv", 200


def make_array(folder: Path) -> tuple[str, int]:
    np.save(folder / "x.npy", ROWS)
    return "x.npy", 200


def make_labelled_table(folder: Path) -> tuple[str, int]:
    lines = [f"{a:.3f},{b:.3f},{'tall' if a > 170 else 'small'}" for a, b, _ in ROWS]
    (folder / "x.csv").write_text("height,weight,size\n" + "\n".join(lines) + "\n")
    return "x.csv --set target=size", 200


def make_images(folder: Path) -> tuple[str, int]:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8)
    for number, image in enumerate(pixels):
        kind = folder / "images" / "ab"[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(kind / f"{number:02}.png")
    return "images --set binarize=dynamic", 40


def make_text(folder: Path) -> tuple[str, int]:
    (folder / "x.txt").write_text("to be or not to be, that is the question. " * 20)
    return "x.txt --set window=8", 100  # a tenth of 840 bytes are ten windows


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("vae", make_table),
        ("vae", make_array),
        ("vae", make_labelled_table),
        ("vae", make_images),
        ("made", make_images),
        ("made", make_text),
        ("gan", make_array),
        ("gaussian-mixture", make_table),
        ("vae", lambda folder: ("pinwheel", 20_000)),
        ("gaussian-mixture", lambda folder: ("correlated-gaussian", 20_000)),
    ],
)
def test_data_of_every_sort_are_fitted_evaluated_and_sampled(  # type: ignore[no-untyped-def]
    model: str, make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, total = make(tmp_path)
    monkeypatch.chdir(tmp_path)
    batch = "" if model == "gaussian-mixture" else "--batch-size 16"  # EM takes all the data in each step
    done(f"fit {model} --data {source} --steps 3 {batch} --out run")
    monkeypatch.chdir("/")  # a run finds its data from anywhere
    found = json.loads(done("evaluate --num-samples 2 --json", tmp_path / "run"))
    assert found["n"] == math.ceil(total / 10)
    assert all(np.isfinite(metric["value"]) for metric in found["metrics"])
    done("sample --num 4", tmp_path / "run", "--out", tmp_path / "x.npy")
    x = np.load(tmp_path / "x.npy")
    assert x.shape == (4, *config(tmp_path / "run")["model"]["spec"]["event_shape"])


def test_a_batch_may_be_larger_than_the_data(tmp_path: Path) -> None:
    done("fit vae --preset tiny --steps 2 --batch-size 5000 --out", tmp_path / "run")


def test_seeds_are_single_runs_side_by_side(tmp_path: Path) -> None:
    many, one = tmp_path / "many", tmp_path / "one"
    done("fit vae --preset tiny --steps 10 --seeds 0,1,2 --out", many)
    done("fit vae --preset tiny --steps 10 --seed 1 --out", one)
    assert (many / "seed-1" / "model.safetensors").read_bytes() == (one / "model.safetensors").read_bytes()
    assert (many / "seed-2" / "model.safetensors").read_bytes() != (one / "model.safetensors").read_bytes()

    found = json.loads(done("evaluate --num-samples 5 --json", many))
    alone = json.loads(done("evaluate --num-samples 5 --json", one))
    assert found["runs"][1] == alone
    for place, spread in enumerate(found["spread"]):
        values = [run["metrics"][place]["value"] for run in found["runs"]]
        assert spread["name"] == alone["metrics"][place]["name"]
        assert spread["values"] == values
        assert spread["mean"] == pytest.approx(np.mean(values))
        assert spread["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
    elbo = found["spread"][0]
    lines = done("evaluate --num-samples 5", many).splitlines()
    assert "seeds: 3" in lines[0]
    assert lines[2].split()[:3] == ["elbo", f"{elbo['mean']:.3f}", f"{elbo['standard_deviation']:.3f}"]
    assert done("report", many).strip() == str(many / "report.html")
    assert (many / "report.html").exists()


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    done("fit vae --preset tiny --steps 2 --seeds 4 --out", tmp_path)
    found = json.loads(done("evaluate --num-samples 2 --json", tmp_path))
    assert [spread["standard_deviation"] for spread in found["spread"]] == [None] * len(found["spread"])
    done("evaluate --num-samples 2", tmp_path)


def test_seeds_that_were_not_begun_are_begun_by_resume(tmp_path: Path) -> None:
    done("fit vae --preset tiny --steps 10 --seeds 0,1,2 --out", tmp_path / "whole")
    done("fit vae --preset tiny --steps 10 --seeds 0 --out", tmp_path / "cut")
    done("fit --resume --seeds 0,1,2 --out", tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    done("fit --resume --out", tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_finished_run_resumed_by_its_own_command_stays_as_it_is(runs: Path) -> None:
    before = contents(runs / "vae")
    done("fit vae --preset tiny --steps 60 --set log_every=20 --resume --out", runs / "vae")
    done("fit --resume --out", runs / "vae")
    assert contents(runs / "vae") == before


def test_a_converged_mixture_resumed_stays_as_it_is(tmp_path: Path) -> None:
    done("fit gaussian-mixture --preset tiny --set tolerance=1e-3 --out", tmp_path / "run")
    before = contents(tmp_path)
    done("fit --resume --out", tmp_path / "run")
    assert contents(tmp_path) == before


def test_ctrl_c_says_how_to_go_on_and_the_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    steps = "fit vae --preset tiny --steps 1500 --set log_every=100 --out"
    cut = tmp_path / "cut"
    with subprocess.Popen(
        [sys.executable, "-m", "jensen.cli", *steps.split(), str(cut)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        deadline = time.monotonic() + 60
        while not (cut / "metrics.jsonl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert f"go on with: jensen fit --resume --out {cut}" in said
    assert said.count("\n") == 1
    assert said.startswith("jensen: stopped after step ")
    done(said.split("jensen ")[-1])
    done(steps, tmp_path / "whole")
    assert contents(cut) == contents(tmp_path / "whole")


# evaluate


def test_evaluate_prints_json_of_exactly_these_keys(runs: Path) -> None:
    found = json.loads(done("evaluate --num-samples 20 --json", runs / "vae"))
    assert list(found) == ["model", "split", "n", "measure", "metrics"]
    assert (found["model"], found["split"], found["n"]) == ("vae", "digits/test", 250)
    assert found["measure"] == "counts, dynamic binarisation"
    assert all(set(metric) == METRIC for metric in found["metrics"])
    kinds = {metric["name"]: metric["kind"] for metric in found["metrics"]}
    assert kinds == {
        "elbo": "lower bound",
        "reconstruction": "estimate",
        "kl": "exact",
        "iwae_1": "lower bound",
        "iwae_10": "lower bound",
        "iwae_20": "lower bound",
        "bits_per_dim": "upper bound",
        "active_units": "estimate",
    }


def test_the_table_says_what_the_json_says(runs: Path) -> None:
    found = json.loads(done("evaluate --num-samples 20 --json", runs / "vae"))
    lines = done("evaluate --num-samples 20", runs / "vae").splitlines()
    assert lines[0] == "vae on digits/test: 250 examples; measure: counts, dynamic binarisation"
    for line, metric in zip(lines[2:], found["metrics"], strict=True):
        assert line.startswith(f"{metric['name']} ")
        assert f" {metric['value']:.4f} " in line
        assert f" {metric['kind']} " in line
        assert metric["unit"] in line


def test_other_data_are_evaluated_and_the_run_stays_as_it_is(runs: Path, tmp_path: Path) -> None:
    other = ROWS[:50] + 1.0
    write_table(tmp_path / "other.csv", other)
    write_table(tmp_path / "turned.csv", other[:, ::-1], "age,weight,height")
    before = contents(runs / "table")
    found, turned = (
        json.loads(done("evaluate --num-samples 5 --json", runs / "table", "--data", tmp_path / name))
        for name in ("other.csv", "turned.csv")
    )
    assert contents(runs / "table") == before
    assert found["n"] == 50
    assert found["split"] == "other.csv/test"
    assert turned["metrics"] == found["metrics"]  # columns are matched by name


def test_a_runs_own_file_is_its_held_out_rows(runs: Path) -> None:
    own = done("evaluate --num-samples 5 --json", runs / "table", "--data", runs / "people.csv")
    assert own == done("evaluate --num-samples 5 --json", runs / "table")
    assert json.loads(own)["n"] == 20


# sample, encode, reconstruct


def test_samples_are_a_function_of_the_seed(runs: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        done(f"sample --num 7 --seed {seed}", runs / "vae", "--out", tmp_path / f"{name}.npy")
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (7, 1, 8, 8)
    assert set(np.unique(a)) <= {0.0, 1.0}
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_samples_of_a_table_are_in_its_own_units(runs: Path, tmp_path: Path) -> None:
    said = done("sample --num 400", runs / "table", "--out", tmp_path / "x.csv")
    assert said == f"{tmp_path / 'x.csv'}: 400 draws\n"
    with open(tmp_path / "x.csv") as file:
        header, *rows = csv.reader(file)
    assert header == ["height", "weight", "age"]
    x = np.array(rows, dtype=float)
    error = ROWS.std(0) / np.sqrt(len(x)) + ROWS.std(0) / np.sqrt(len(ROWS))
    assert (np.abs(x.mean(0) - ROWS.mean(0)) < 6 * error).all()


def test_a_grid_of_samples_is_an_image(runs: Path, tmp_path: Path) -> None:
    assert "E[x | z]" in done("sample --num 9", runs / "vae", "--out", tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert len(np.unique(pixels)) > 10


def test_temperature_moves_the_samples(runs: Path, tmp_path: Path) -> None:
    for temperature in (0.05, 1.0):
        done(f"sample --num 300 --temperature {temperature}", runs / "made", "--out", tmp_path / f"{temperature}.npy")
    cold, warm = (np.load(tmp_path / f"{t}.npy") for t in (0.05, 1.0))
    assert cold.var(0).sum() < 0.7 * warm.var(0).sum()


@pytest.mark.parametrize(
    ("model", "option", "message"),
    [
        ("vae", "--given y=3", "takes no condition y: leave --given and --per-class out"),
        ("vae", "--per-class 3", "takes no condition y"),
        ("vae", "--given y=3 --per-class 3", "not both"),
        ("vae", "--given y=12", "label 12 is out of range: the data have 10 classes"),
        ("vae", "--given three", "--given takes y=LABEL"),
        ("table", "--given y=0", "label 0 is out of range: the data have no classes"),
        ("table", "--per-class 2", "these data have no labels"),
        ("gaussian-mixture", "--temperature 0.5", "has no temperature: leave --temperature out"),
        ("vae", "--temperature 0", "temperature must be above 0"),
        ("vae", "--num 0", "at least 1"),
    ],
)
def test_options_that_a_model_has_no_answer_to(
    runs: Path, tmp_path: Path, model: str, option: str, message: str
) -> None:
    assert message in refusal(f"sample {option}", runs / model, "--out", tmp_path / "x.npy")
    assert contents(tmp_path) == {}


def test_encode_writes_mean_and_scale_of_every_row(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "z.npy"
    assert "(2, 200, 2)" in done("encode", runs / "table", "--data", runs / "people.csv", "--out", out)
    mean, scale = np.load(out)
    split = jensen_data.load(runs / "people.csv", standardize=True)
    q_z = jensen_training.load(runs / "table").posterior(split.test.all().x)
    table = np.loadtxt(runs / "people.csv", delimiter=",", skiprows=1)
    rows = [int(np.flatnonzero((table == row).all(1))[0]) for row in split.test.x.numpy()]
    np.testing.assert_allclose(mean[rows], q_z.mean.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(scale[rows], q_z.stddev.detach().numpy(), atol=1e-5)
    done("encode", runs / "vae", "--data", "digits", "--out", out)
    assert np.load(out).shape == (2, 250, 2)


def test_reconstructions_are_in_the_datas_units(runs: Path, tmp_path: Path) -> None:
    done("reconstruct", runs / "table", "--data", runs / "people.csv", "--out", tmp_path / "x.csv")
    x = np.loadtxt(tmp_path / "x.csv", delimiter=",", skiprows=1)
    assert x.shape == ROWS.shape
    assert (np.abs(x.mean(0) - ROWS.mean(0)) < ROWS.std(0)).all()
    done("reconstruct", runs / "vae", "--data", "digits", "--out", tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (250, 1, 8, 8)
    done("reconstruct", runs / "vae", "--data", "digits", "--out", tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as image:
        assert min(image.size) > 100


@pytest.mark.parametrize("command", ["encode", "reconstruct"])
def test_models_without_latents_say_so(runs: Path, tmp_path: Path, command: str) -> None:
    said = refusal(command, runs / "made", "--data", "digits", "--out", tmp_path / "z.npy")
    assert "choose one with a posterior" in said


# compare


def test_compare_ranks_a_bound_against_an_exact_value_example_by_example(runs: Path) -> None:
    found = json.loads(done("compare --json", runs / "vae", runs / "made"))
    ((title, rows),) = found["tables"].items()
    assert title == "digits/test, counts, dynamic binarisation"
    values = {
        "vae": load_file(runs / "vae" / "evaluation.safetensors")["iwae_20"],
        "made": load_file(runs / "made" / "evaluation.safetensors")["log_prob"],
    }
    assert [row["model"] for row in rows] == sorted(values, key=lambda name: -values[name].mean())
    assert {row["model"]: row["metric"]["kind"] for row in rows} == {"vae": "lower bound", "made": "exact"}
    difference = values[rows[0]["model"]] - values[rows[1]["model"]]
    assert rows[1]["behind"] == pytest.approx(difference.mean())
    assert rows[1]["behind_standard_error"] == pytest.approx(difference.std(ddof=1) / np.sqrt(250))
    said = done("compare", runs / "vae", runs / "made")
    assert f"{rows[1]['behind']:.2f} ± {rows[1]['behind_standard_error']:.2f} (paired)" in said


def test_compare_refuses_what_is_no_likelihood_and_says_why(runs: Path) -> None:
    said = done("compare", *(runs / name for name in ("vae", "grey", "gan")))
    assert f"not ranked: {runs / 'grey'}: iwae_20 of vae is a training objective, no likelihood" in said
    assert f"not ranked: {runs / 'gan'}: gan has no density" in said
    found = json.loads(done("compare --json", *(runs / name for name in ("vae", "grey", "gan"))))
    assert set(found["refused"]) == {str(runs / "grey"), str(runs / "gan")}


def test_compare_never_ranks_across_measures(runs: Path) -> None:
    said = done("compare", runs / "vae", runs / "gaussian-mixture", runs / "table")
    assert "not ranked against each other: the tables differ in data or in measure" in said
    found = json.loads(done("compare --json", runs / "vae", runs / "gaussian-mixture", runs / "table"))
    assert [len(rows) for rows in found["tables"].values()] == [1, 1, 1]


def test_other_examples_are_not_paired(tmp_path: Path) -> None:
    for seed in (0, 1):
        done(f"fit gaussian-mixture --preset tiny --steps 2 --set data_seed={seed} --out", tmp_path / str(seed))
        done("evaluate", tmp_path / str(seed))
    assert "not paired: other examples" in done("compare", tmp_path / "0", tmp_path / "1")


def test_an_evaluation_of_other_weights_is_not_compared(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("fit made --preset tiny --steps 4 --out", run)
    assert "is not evaluated yet: run jensen evaluate" in refusal("compare", run)
    done("evaluate", run)
    done("compare", run)
    done("fit made --preset tiny --steps 5 --out", tmp_path / "longer")
    (run / "model.safetensors").write_bytes((tmp_path / "longer" / "model.safetensors").read_bytes())
    assert "was evaluated with other weights: run jensen evaluate" in refusal("compare", run)


# models, datasets, describe, report


def test_models_are_listed(runs: Path) -> None:
    assert [line.split()[0] for line in done("models").splitlines()[1:] if not line.startswith(" ")] == list(MODELS)
    listed = json.loads(done("models --json"))
    assert [one["name"] for one in listed] == list(MODELS)
    assert all(one["source"] and one["summary"] and one["kind"] in get_args(ModelKind) for one in listed)
    assert done("models --compare").split()[:6] == ["name", "kind", "prior", "kl", "objective", "samples"]


def test_datasets_are_listed() -> None:
    from jensen.data import NAMES

    said = done("datasets")
    assert [line.split()[0] for line in said.splitlines()[1:] if not line.startswith(" ")] == list(NAMES)
    listed = json.loads(done("datasets --json"))
    assert [one["name"] for one in listed] == list(NAMES)
    assert {"event_shape", "kind", "sizes", "num_classes", "source", "origin", "split"} <= set(listed[0])


@pytest.mark.parametrize("line", ["models", "models --compare", "datasets"])
def test_a_table_fits_the_page(line: str) -> None:
    assert max(map(len, done(line).splitlines())) <= 120


@pytest.mark.parametrize("name", MODELS)
def test_describe_names_every_preset_and_every_setting(name: str) -> None:
    first = [line.split()[0] for line in done(f"describe {name}").splitlines() if line]
    assert set(entry(name).all_presets()) <= set(first)
    assert set(keys(entry(name))) <= set(first)


def test_report_prints_the_page(runs: Path) -> None:
    assert done("report", runs / "vae").strip() == str(runs / "vae" / "report.html")
    assert (runs / "vae" / "report.html").read_text().startswith("<!")


# the process


def fastest(*command: str) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_help_answers_in_a_second() -> None:
    assert fastest(sys.executable, "-m", "jensen.cli", "--help") < 1.0


def test_import_takes_less_than_two_seconds() -> None:
    assert fastest(sys.executable, "-c", "import jensen") < 2.0


def test_help_names_every_command() -> None:
    said = done("--help")
    assert jensen("").out == said
    commands = ("fit", "evaluate", "sample", "encode", "reconstruct", "report", "compare", "models", "datasets")
    assert all(f"\n  {command} " in said for command in (*commands, "describe"))


def test_a_reader_that_leaves_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    said = subprocess.run([sys.executable, "-m", "jensen.cli", "models"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (said.returncode, said.stderr) == (1, b"")
