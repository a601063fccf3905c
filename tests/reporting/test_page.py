"""The page of a run: self-contained, complete, the same each time, and honest about what is missing."""

from __future__ import annotations

import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

import jensen
from jensen.data.spec import Kind
from jensen.errors import JensenError
from jensen.evaluation.runs import EVALUATION, evaluate_run
from jensen.models.base import Mixture
from jensen.reporting import report
from jensen.reporting.gallery import pictures
from jensen.reporting.page import _VALUES, number
from jensen.reporting.run import command, read_rows, read_runs, settings_of
from jensen.settings import configure
from jensen.training.config import DESCENT

SHORT = {"steps": 40, "batch_size": 32, "log_every": 5, "validate_every": 10, "threads": 1, "precision": "32"}
SHORT_EM = {name: value for name, value in SHORT.items() if name not in DESCENT}


def test_every_kind_of_data_has_its_words() -> None:
    assert set(_VALUES) == set(get_args(Kind))


class Page(HTMLParser):
    """The parts of a page that tests ask about."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def sections(self) -> list[str | None]:
        return [attributes["id"] for tag, attributes in self.tags if tag == "section"]

    @property
    def images(self) -> int:
        return sum(tag == "img" for tag, _ in self.tags)


def fit_vae(folder: Path, source: object = "digits", seed: int = 0, **options: object) -> None:
    split = jensen.data.load(source, **options)
    torch.manual_seed(seed)
    model = jensen.create("vae", split.spec, latent_dim=2, hidden=(16,))
    jensen.fit(model, split, out=folder, seed=seed, **SHORT)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "vae"
    fit_vae(folder, binarize="dynamic")
    evaluate_run(folder, num_samples=10)
    return folder


@pytest.fixture
def run(evaluated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evaluated, tmp_path / "vae"))


def test_the_page_needs_nothing_else(run: Path) -> None:
    path = report(run)
    assert path == run / "report.html"
    page = Page(path)
    assert "http" not in path.read_text().replace("data:image/png;base64,", "")
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset"):
            if attributes.get(name):
                inside = "data:image/png;base64," if tag == "img" else "#"
                assert str(attributes[name]).startswith(inside)


def test_every_section_is_there_and_every_figure_lies_beside_the_page(run: Path) -> None:
    page = Page(report(run))
    assert page.sections == ["run", "learning", "evaluation", "samples", "reconstructions", "latent"]
    files = {path.stem for path in run.glob("*.png")}
    of_model = {"samples", "reconstructions", "latent", "kl", "manifold", "interpolations"}
    assert files == {"learning_curve", "bounds", "collapse"} | of_model
    assert page.images == len(files)
    targets = {str(a["href"]).removeprefix("#") for tag, a in page.tags if tag == "a"}
    assert targets == set(page.sections)


def test_every_figure_is_shown_with_its_errors_and_kind(run: Path) -> None:
    page = Page(report(run))
    found = json.loads((run / EVALUATION).read_text())
    for metric in found["metrics"]:
        assert metric["name"] in page.words
        assert metric["kind"] in page.words
        assert number(metric["standard_error"]) in page.words
    elbo = found["metrics"][0]
    assert number(elbo["value"], elbo["standard_error"]) in page.words
    assert found["measure"] in page.words
    assert "250 examples" in page.words
    assert "not a likelihood" not in page.words


def test_the_same_run_gives_the_same_bytes_and_leaves_the_random_state_alone(run: Path) -> None:
    before = torch.get_rng_state()
    first = report(run).read_bytes()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert report(run).read_bytes() == first


def test_the_command_makes_the_same_run(run: Path) -> None:
    (one,) = read_runs(run)
    line = command([one], "again")
    assert line is not None
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:7] == ["jensen", "fit", "vae", "--data", "digits", "--out", "again"]
    flags = dict(zip(words[7::2], words[8::2], strict=True))
    assignments = [value for flag, value in zip(words[7::2], words[8::2], strict=True) if flag == "--set"]
    assignments += [f"{flag[2:].replace('-', '_')}={value}" for flag, value in flags.items() if flag != "--set"]
    settings = configure("vae", None, "digits", assignments)
    split = jensen.data.load("digits", **settings.data)
    assert split.train.fingerprint == one.config["data"]["fingerprint"]
    assert split.options == one.config["data"]["options"]
    assert settings.hyperparameters == {"latent_dim": 2, "hidden": (16,)}
    assert json.loads(json.dumps(jensen.Training(**settings.training).to_json())) == one.config["training"]


def test_settings_that_differ_are_told_from_those_that_do_not(run: Path) -> None:
    (one,) = read_runs(run)
    settings = {setting.key: setting for setting in settings_of(one.config)}
    assert settings["latent_dim"].differs
    assert settings["latent_dim"].default == 10
    assert settings["binarize"].section == "data"
    assert not settings["learning_rate"].differs
    assert not settings["betas"].differs
    assert not settings["beta"].differs


def test_a_run_without_an_evaluation_says_how_to_get_one(run: Path) -> None:
    (run / EVALUATION).unlink()
    page = Page(report(run))
    assert f"not evaluated yet: run jensen evaluate {run}" in page.words
    assert "bounds" not in {path.stem for path in run.glob("*.png")}


def test_a_training_loss_is_called_one(run: Path) -> None:
    found = json.loads((run / EVALUATION).read_text())
    for metric in found["metrics"]:
        metric["kind"] = "objective"
    (run / EVALUATION).write_text(json.dumps(found))
    assert "this is a training loss, not a likelihood" in Page(report(run)).words


def test_damaged_lines_of_metrics_are_left_out_and_counted(run: Path) -> None:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], '{"step": 12, "pa\x00\n', "3\n", *lines[2:], '{"step": 41, "part": "tr']))
    rows, damaged = read_rows(path)
    assert (len(rows), damaged) == (len(lines), 2)
    page = Page(report(run))
    assert "2 damaged lines of vae/metrics.jsonl are left out" in page.words
    assert "learning" in page.sections


def test_a_run_whose_data_are_gone_keeps_what_needs_none(tmp_path: Path) -> None:
    data = tmp_path / "a <b> & c.npy"
    np.save(data, np.random.default_rng(0).random((100, 8, 8)) < 0.3)
    fit_vae(tmp_path / "vae", str(data))
    assert "reconstructions" in Page(report(tmp_path / "vae")).sections
    shutil.rmtree(tmp_path / "vae")
    fit_vae(tmp_path / "vae", str(data))

    np.save(data, np.random.default_rng(1).random((100, 8, 8)) < 0.3)
    assert "are not those that the run was trained on" in Page(report(tmp_path / "vae")).words
    data.unlink()
    page = Page(report(tmp_path / "vae"))
    assert "The data are not there any more" in page.words
    assert page.sections == ["run", "learning", "evaluation", "samples", "latent"]
    assert {path.stem for path in (tmp_path / "vae").glob("*.png")} == {
        "learning_curve", "collapse", "samples", "manifold",
    }  # fmt: skip
    assert "a <b> & c.npy" in page.words


def test_an_array_gets_no_command(tmp_path: Path) -> None:
    fit_vae(tmp_path / "vae", np.random.default_rng(0).random((100, 8, 8)) < 0.3)
    page = Page(report(tmp_path / "vae"))
    assert "The data were an array in memory" in page.words
    assert "No command makes this run again" in page.words


def test_a_model_of_ones_own_is_drawn_where_it_is_given(tmp_path: Path) -> None:
    split = jensen.data.load("digits", binarize="threshold")
    model = jensen.create("vae", split.spec, latent_dim=3, hidden=(16,))
    del model.recipe
    jensen.fit(model, split, out=tmp_path / "own", **SHORT)
    page = Page(report(tmp_path / "own"))
    assert "jensen.report(run, model)" in page.words
    assert page.sections == ["run", "learning", "evaluation", "latent"], "of the latents, what was logged"
    page = Page(report(tmp_path / "own", model))
    assert page.sections == ["run", "learning", "evaluation", "samples", "reconstructions", "latent"]


@pytest.mark.parametrize(
    ("name", "source", "options", "panels", "others"),
    [
        # samples over data, the density, its colour bar
        ("gaussian-mixture", "moons", {}, 3, {"responsibilities"}),
        ("gan", "eight-gaussians", {}, 1, set()),
        ("made", "digits", {"binarize": "threshold"}, 1, {"halves"}),
    ],
)
def test_what_a_model_cannot_do_is_absent(
    tmp_path: Path, name: str, source: str, options: dict[str, str], panels: int, others: set[str]
) -> None:
    split = jensen.data.load(source, **options)
    model = jensen.create(name, split.spec)
    training = SHORT_EM if isinstance(model, Mixture) else SHORT
    jensen.fit(model, split, out=tmp_path / "run", **{**training, "steps": 2})
    page = Page(report(tmp_path / "run"))
    assert page.sections == ["run", "learning", "evaluation", "samples"]
    assert {path.stem for path in (tmp_path / "run").glob("*.png")} == {"learning_curve", "samples"} | others
    drawn = {picture.name: picture for picture in pictures(model, split.spec, split.test)}
    assert set(drawn) == {"samples"} | others
    assert len(drawn["samples"].figure.axes) == panels


def test_a_table_is_drawn_column_by_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n" + "\n".join(f"{i},{i / 7},{-(i % 5)}" for i in range(200)))
    split = jensen.data.load(str(tmp_path / "t.csv"), standardize=True)
    model = jensen.create("gaussian-mixture", split.spec)
    jensen.fit(model, split, out=tmp_path / "run", **SHORT_EM)
    (picture,) = pictures(model, split.spec, split.test)
    assert [axes.get_title() for axes in picture.figure.axes] == ["a", "b", "c"]
    low, high = picture.figure.axes[0].get_xlim()
    assert low < 20
    assert high > 180  # the data's own units
    page = Page(report(tmp_path / "run"))
    assert page.sections == ["run", "learning", "evaluation", "samples"]
    assert "the log-determinant" in page.words


def test_seeds_get_one_page_with_means_and_spreads(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    values = []
    for seed in (0, 1, 2):
        fit_vae(folder / f"seed-{seed}", seed=seed, binarize="dynamic")
        if seed < 2:
            values.append(evaluate_run(folder / f"seed-{seed}", num_samples=5)["elbo"].value)
    page = Page(report(folder))
    assert page.sections == ["run", "learning", "evaluation", "samples", "reconstructions", "latent"]
    deviation = float(np.std(values, ddof=1))
    assert number(float(np.mean(values)), deviation) in page.words
    assert number(deviation) in page.words
    assert "2 of 3 seeds" in page.words
    assert "seed-2 is not evaluated yet" in page.words
    assert "--seeds 0,1,2" in page.words.replace("\\\n ", "")
    assert "Of the run with seed 0" in page.words

    other = json.loads((folder / "seed-1" / EVALUATION).read_text())
    (folder / "seed-1" / EVALUATION).write_text(json.dumps(other | {"measure": "volume"}))
    with pytest.raises(JensenError, match="evaluate them again, all alike"):
        report(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "config.json is damaged"),
        (EVALUATION, '{"model": "vae"}', "is damaged: run jensen evaluate"),
        ("model.safetensors", "nothing", "was evaluated with other weights"),
    ],
)
def test_a_damaged_file_is_one_line_and_no_page(run: Path, name: str, content: str, said: str) -> None:
    (run / name).write_text(content)
    with pytest.raises(JensenError, match=said):
        report(run)
    assert not (run / "report.html").exists()
    with pytest.raises(JensenError, match="no run in"):
        report(run / "nowhere")


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (-99.71234, 0.298, "−99.71"),
        (0.298, None, "0.30"),
        (19.5, 0.0049, "19.5000"),
        (0.0, None, "0"),
        (9.0, None, "9"),
        (2.0, 0.0, "2"),
        (-1130.26396, None, "−1,130"),
        (None, None, ""),
        (float("nan"), None, ""),
    ],
)
def test_numbers_are_shown_to_the_second_digit_of_their_error(
    value: float | None, error: float | None, shown: str
) -> None:
    assert number(value, error) == shown
