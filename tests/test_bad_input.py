"""Bad input, each kind through the entry point: one line that names the remedy, exit code 2, and the disk as it was."""

from __future__ import annotations

import errno
import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from jensen.training import checkpoint
from tests.command_line import contents, done, refusal

ROWS = np.random.default_rng(0).normal(size=(40, 3))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small runs: vae and made on bits of digits, table on a table that lies beside them."""
    folder = tmp_path_factory.mktemp("runs")
    np.savetxt(folder / "x.csv", ROWS, delimiter=",", header="a,b,c", comments="")
    for line in (
        "vae --preset tiny --steps 12 --set checkpoint_every=5",
        "made --preset tiny --steps 3",
        f"vae --data {folder / 'x.csv'} --steps 3",
    ):
        done(f"fit {line} --out", folder / ("table" if "x.csv" in line else line.split()[0]))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def unchanged(folder: Path, line: str, *more: str | Path) -> str:
    """The one line of a refused command, which leaves `folder` as it was, hidden and temporary files included."""
    before = contents(folder)
    said = refusal(line, *more)
    assert contents(folder) == before
    return said


# what is in the data


def array(name: str, values: np.ndarray) -> Callable[[], object]:
    return lambda: np.save(name, values)


def text(name: str, content: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(content)


def idx(values: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


IMAGES = idx(np.zeros((30, 4, 4), np.uint8))


def images_of_two_sizes() -> None:
    Path("images").mkdir()
    for name, width in (("a", 8), ("b", 9)):
        Image.new("L", (width, 8)).save(f"images/{name}.png")


def with_value(value: float) -> np.ndarray:
    x = ROWS.copy()
    x[7, 2] = value
    return x


@pytest.mark.parametrize(
    ("make", "source", "messages"),
    [
        (array("x.npy", with_value(np.nan)), "x.npy", ("nan at row 7", "entry 2", "drop such rows")),
        (array("x.npy", with_value(np.inf)), "x.npy", ("inf at row 7", "entry 2")),
        (text("x.csv", "a,b\n1,2\n3,nan\n5,6\n"), "x.csv", ("nan at row 1", "column 'b'")),
        (array("x.npy", ROWS), "x.npy --set likelihood=bernoulli", ("needs x in [0, 1]", "choose likelihood=gaussian")),
        (array("x.npy", ROWS), "x.npy --set likelihood=poisson", ("needs counts", "choose likelihood=gaussian")),
        (text("x.npy", ""), "x.npy", ("is empty", "check that it was written")),
        (text("x.csv", ""), "x.csv", ("is empty",)),
        (text("x.csv", "a,b\n"), "x.csv", ("no rows", "give at least one")),
        (lambda: Path("x.idx").write_bytes(IMAGES[:100]), "x.idx", ("truncated: 100 bytes", "promises 496")),
        (lambda: Path("x.gz").write_bytes(gzip.compress(IMAGES)[:30]), "x.gz", ("truncated", "download it again")),
        (lambda: Path("x.npy").write_bytes(b"\x93NUMPY\x01\0"), "x.npy", ("not a complete .npy file", "save it again")),
        (text("x.csv", "a,b\n1,2\n3,four\n"), "x.csv", ("column 'b'", "'four'", "line 3", "drop the column")),
        (text("x.csv", "a,b\n1,2\n3\n4,5\n"), "x.csv", ("line 3 has 1 fields", "make all lines of one length")),
        (text("x.csv", "1,2\n3,4\n"), "x.csv", ("no header", "put the names of the columns in a first line")),
        (images_of_two_sizes, "images", ("b.png: 9 x 8 pixels", "bring all images to one size")),
        (lambda: Path("images").mkdir(), "images", ("no PNG or JPEG images",)),
        (array("x.npy", np.array([{}, 1], dtype=object)), "x.npy", ("not a complete .npy file of numbers",)),
        (array("x.npy", ROWS[:1]), "x.npy", ("1 rows leave none for training", "make validation and test smaller")),
        (text("x.csv", "a,b\n1,x\n2,y\n"), "x.csv --set target=bb", ("column 'bb'", "did you mean 'b'?")),
        (text("x.weird", "?"), "x.weird", ("no reader for '.weird'", "expected .npy")),
    ],
)
def test_bad_data(here: Path, make: Callable[[], object], source: str, messages: tuple[str, ...]) -> None:
    make()
    said = unchanged(here, f"fit vae --data {source} --steps 2 --out run")
    for message in messages:
        assert message in said


def test_a_preset_whose_treatment_does_not_suit_other_data_says_how_to_undo_it(here: Path) -> None:
    np.save("x.npy", ROWS)
    said = unchanged(here, "fit vae --preset tiny --data x.npy --out run")
    assert "--preset tiny put it there: --set binarize=none" in said
    done("fit vae --preset tiny --data x.npy --set binarize=none --steps 2 --out run")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("wide.csv", "a,b,c,d\n1,2,3,4\n", "not known: d"),
        ("narrow.csv", "a,b\n1,2\n", "missing: c"),
        ("nan.csv", "a,b,c\n1,2,nan\n", "nan at row 0"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "encode", "reconstruct"])
def test_evaluation_data_unlike_the_training_data(
    runs: Path, here: Path, name: str, values: str, message: str, command: str
) -> None:
    Path(name).write_text(values)
    out = () if command == "evaluate" else ("--out", here / "z.npy")
    before = contents(runs)
    assert message in unchanged(here, command, runs / "table", "--data", name, *out)
    assert contents(runs) == before


@pytest.mark.parametrize(
    ("shape", "message"),
    [((20, 5), "examples of shape (5,), expected (3,)"), ((20, 4, 4), "examples of shape (4, 4), expected (3,)")],
)
def test_a_shape_that_differs_from_training(runs: Path, here: Path, shape: tuple[int, ...], message: str) -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=shape))
    assert message in unchanged(here, "evaluate", runs / "table", "--data", "x.npy")


def test_data_that_changed_since_training(here: Path) -> None:
    np.save("x.npy", ROWS)
    done("fit vae --data x.npy --steps 2 --out run")
    np.save("x.npy", ROWS + 1)
    assert "has changed since run was trained on it: restore it" in unchanged(here, "evaluate run")
    assert "the data are not those" in unchanged(here, "fit --resume --out run")
    Path("x.npy").unlink()
    assert "no such file or folder" in unchanged(here, "evaluate run")


def test_labels_that_are_missing_where_they_are_needed(runs: Path, here: Path) -> None:
    said = unchanged(here, "sample --per-class 2 --out x.npy", runs / "table")
    assert "needs a model of labelled data, and these data have no labels" in said


# what is asked for


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vea --data digits", "unknown model 'vea': did you mean 'vae'?"),
        ("vae --data minst", "'minst': did you mean 'mnist'?"),
        ("vae --data nowhere.npy", "no such file or folder 'nowhere.npy': check the path"),
        ("vae --preset tyni", "unknown preset of vae 'tyni': did you mean 'tiny'?"),
        ("vae --preset tiny --set latent_dmi=3", "unknown setting of vae 'latent_dmi': did you mean 'latent_dim'?"),
        ("vae --preset tiny --set latent_dim", "--set takes key=value, got 'latent_dim': see jensen describe vae"),
        ("vae --preset tiny --set latent_dim=two", "latent_dim needs a whole number, got 'two'"),
        ("vae --preset tiny --set latent_dim=0", "latent_dim must be at least 1, got 0"),
        ("vae --preset tiny --set activation=rleu", "unknown value of activation 'rleu': did you mean 'relu'?"),
        ("vae --preset tiny --set binarize=dynamc", "unknown binarize 'dynamc': did you mean 'dynamic'?"),
        ("vae --preset tiny --set learning_rate=0", "learning_rate must be above 0"),
        ("vae --preset tiny --set learning_rate=nan", "learning_rate needs a finite number"),
        ("vae --preset tiny --set beta=-1", "beta must be at least 0, got -1"),
        ("vae --preset tiny --set num_samples=0", "num_samples must be at least 1"),
        ("vae --preset tiny --set validation=-1", "expected a number of rows"),
        ("vae --preset tiny --steps 0", "steps must be at least 1, got 0"),
        ("vae --preset tiny --steps -5", "steps must be at least 1, got -5"),
        ("vae --preset tiny --steps many", "Invalid value for '--steps'"),
        ("vae --preset tiny --batch-size -1", "batch_size must be at least 1, got -1"),
        ("vae --preset tiny --set hidden=-5", "a layer needs a width of at least 1"),
        ("vae --preset tiny --set hidden=8,0", "a layer needs a width of at least 1"),
        ("vae --preset tiny --seed -1", "seed must be at least 0, got -1"),
        ("vae --preset tiny --seed 99999999999999999999", "seed must be below 2**62"),
        ("vae --preset tiny --set data_seed=-1", "seed=-1: expected a whole number from 0 up"),
        ("vae --preset tiny --set devices=3", "batch_size 100 cannot be shared equally by 3 processes"),
        ("vae --preset tiny --set device=tpu", "unknown device 'tpu': use cpu, cuda or cuda:0"),
        ("vae --preset tiny --set device=mps", "device 'mps' is not supported: use cpu or cuda"),
        ("vae --preset tiny --set device=cuda:99", "device 'cuda:99' is not there"),
        ("vae --preset tiny --seeds 0,x", "seeds needs a whole number, got 'x'"),
        ("vae --preset tiny --seeds 1,1", "--seeds takes different whole numbers"),
        ("vae --preset tiny --seeds 0,1 --seed 2", "give --seed or --seeds, not both"),
        ("vae", "vae needs data: give --data, or a --preset (tiny,"),
        ("", "fit needs a model: jensen fit NAME"),
        ("--resume", "nothing to resume: run holds no run"),
        ("--resume --seeds 0,1", "nothing to resume: run/seed-0 holds no run"),
        ("vae --preset tiny --stpes 3", "No such option: --stpes"),
        ("made --data digits", "made needs bits, categories, 8-bit or real x"),
        ("gaussian-mixture --preset tiny --set num_components=0", "num_components must be at least 1"),
    ],
)
def test_bad_requests_to_fit(here: Path, line: str, message: str) -> None:
    assert message in unchanged(here, f"fit {line} --out run")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit vae --preset tiny", "fit needs --out DIR"),
        ("evaluate nowhere", "no run in nowhere: there is no config.json: give a folder that fit wrote"),
        ("sample nowhere --out x.npy", "no run in nowhere"),
        ("encode nowhere --data digits --out z.npy", "no run in nowhere"),
        ("reconstruct nowhere --data digits --out z.npy", "no run in nowhere"),
        ("report nowhere", "no run in nowhere"),
        ("compare nowhere", "no run in nowhere"),
        ("describe vea", "unknown model 'vea': did you mean 'vae'?"),
        ("compare", "Missing argument"),
        ("sample run", "no run in run"),
        ("evaluat run", "Did you mean 'evaluate'?"),
    ],
)
def test_bad_requests(here: Path, line: str, message: str) -> None:
    assert message in unchanged(here, line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sample --out x.tif", "choose a name that ends in .png, .npy, .csv"),
        ("encode --data digits --out z.csv", "choose a name that ends in .npy"),
        ("reconstruct --data digits --out x.jpg", "choose a name that ends in .png, .npy, .csv"),
        ("evaluate --num-samples 0", "num_samples must be at least 1"),
        ("evaluate --data minst", "did you mean 'mnist'?"),
        ("encode --data mnits --out z.npy", "did you mean 'mnist'?"),
    ],
)
def test_bad_requests_about_a_run(runs: Path, here: Path, line: str, message: str) -> None:
    before = contents(runs)
    assert message in unchanged(here, line, runs / "vae")
    assert contents(runs) == before


# what is on disk already


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vae --preset tiny", "already holds a run: add --resume to go on with it, or choose another --out"),
        ("made --preset tiny", "already holds a run"),
        ("vae --preset tiny --seeds 0,1", "already holds a single run: choose another --out"),
        ("--resume --steps 500", "resume would change steps from 12 to 500"),
        ("--resume --set beta=2", "resume would change beta from 1.0 to 2.0"),
        ("--resume --set hidden=5", "of another model or of other settings"),
        ("--resume --data moons", "was trained on digits, not on moons"),
        ("--resume --preset cs236", "was trained on digits, not on mnist"),
        ("--resume --preset tiny", "resume would change steps from 12 to 300"),
        ("made --resume", "holds a run of vae, not of made"),
    ],
)
def test_a_run_is_never_overwritten_or_changed(runs: Path, line: str, message: str) -> None:
    assert message in unchanged(runs, f"fit {line} --out", runs / "vae")


def test_runs_of_seeds_are_never_overwritten(here: Path) -> None:
    done("fit vae --preset tiny --steps 2 --seeds 0,1 --out run")
    assert "run/seed-1 already holds a run" in unchanged(here, "fit vae --preset tiny --seeds 2,1 --out run")
    assert "already holds runs of several seeds" in unchanged(here, "fit vae --preset tiny --out run")
    for line in ("sample --out x.npy", "compare", "encode --data digits --out z.npy"):
        assert "holds one run for each seed: give one of them, such as run/seed-0" in unchanged(here, f"{line} run")
    done("fit made --preset tiny --steps 2 --seed 7 --out run/seed-7")
    assert "not of one experiment" in refusal("evaluate --num-samples 2 run")


def test_a_path_that_is_a_file(here: Path) -> None:
    Path("run").write_text("mine")
    assert "cannot write run/config.json" in unchanged(here, "fit vae --preset tiny --out run")
    assert "no run in run" in unchanged(here, "evaluate run")


def truncated(run: Path, name: str) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:-7])


def of_version_9(run: Path, name: str) -> None:
    tensors = load_file(run / name)
    with safe_open(run / name, "np") as file:
        metadata = file.metadata()
    save_file(tensors, run / name, {"jensen": metadata["jensen"].replace('"version": 1', '"version": 9')})


def of_made(run: Path, name: str) -> None:
    (run / name).write_bytes((run.parent.parent / "made" / name).read_bytes())


def of_something_else(run: Path, name: str) -> None:
    save_file({"x": np.zeros(3, np.float32)}, run / name)


def emptied(run: Path, name: str) -> None:
    (run / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "is truncated or damaged"),
        (emptied, "is truncated or damaged"),
        (of_version_9, "is of format version 9, this jensen reads 1: use the jensen that wrote it"),
        (of_made, "is of another model: no likelihood.net.0.bias"),
        (of_something_else, "was not written by jensen"),
    ],
)
@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("evaluate", "model.safetensors"),
        ("sample --out x.npy", "model.safetensors"),
        ("encode --data digits --out x.npy", "model.safetensors"),
        ("report", "model.safetensors"),
        ("fit --resume --out", "training.safetensors"),
    ],
)
def test_a_checkpoint_that_cannot_be_read(
    runs: Path, here: Path, damage: Callable[[Path, str], None], message: str, line: str, name: str
) -> None:
    for run in ("vae", "made"):
        copy = here / "runs" / run if run == "vae" else here / run
        copy.mkdir(parents=True)
        for file in (runs / run).iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
    damage(here / "runs" / "vae", name)
    assert message in unchanged(here, line, here / "runs" / "vae")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"format": 1,', "is damaged"),
        (b"[]", "is damaged (parts are missing)"),
        (b"\xff\xfe\x00", "is damaged"),
        (b'{"format": 2, "model": {}, "data": {}, "objective": {}, "training": {}}', "is of format version 2"),
    ],
)
@pytest.mark.parametrize("line", ["evaluate", "sample --out x.npy", "compare", "report", "fit --resume --out"])
def test_a_config_that_cannot_be_read(runs: Path, here: Path, content: bytes, message: str, line: str) -> None:
    (here / "run").mkdir()
    for file in (runs / "vae").iterdir():
        (here / "run" / file.name).write_bytes(file.read_bytes())
    (here / "run" / "config.json").write_bytes(content)
    assert message in unchanged(here, line, "run")


def test_a_damaged_model_file_is_written_again_by_resume(runs: Path, here: Path) -> None:
    (here / "run").mkdir()
    for file in (runs / "vae").iterdir():
        (here / "run" / file.name).write_bytes(file.read_bytes())
    whole = contents(here / "run")
    truncated(here / "run", "model.safetensors")
    assert "jensen fit --resume --out run writes it again" in refusal("evaluate run")
    done("fit --resume --out run")
    assert contents(here / "run") == whole


@pytest.mark.parametrize("name", ["evaluation.json", "evaluation.safetensors"])
def test_a_damaged_evaluation(runs: Path, here: Path, name: str) -> None:
    (here / "run").mkdir()
    for file in (runs / "made").iterdir():
        (here / "run" / file.name).write_bytes(file.read_bytes())
    done("evaluate run")
    truncated(here / "run", name)
    assert "the evaluation in run is damaged: run jensen evaluate run" in unchanged(here, "compare run")


# what the machine says


class Disk:
    """The operations that write, of which those from number `limit` on fail with one error."""

    NAMES = ("fsync", "replace", "chmod")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.calls, self.limit = 0, sys.maxsize
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name), number))

    def _failing(self, operation: Callable[..., object], number: int) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls > self.limit:
                raise OSError(number, os.strerror(number))
            return operation(*args, **kwargs)

        return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_space_or_no_permission_to_begin_with(here: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    Disk(monkeypatch, number).limit = 0
    Path("run").mkdir()
    said = unchanged(here, "fit vae --preset tiny --steps 2 --out run")
    assert f"cannot write run/config.json: {os.strerror(number)}" in said
    assert "make room on the disk, or choose a path you may write" in said


def test_no_space_during_training_keeps_the_last_checkpoint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "fit vae --preset tiny --steps 12 --set checkpoint_every=3 --set log_every=2"
    done(f"{line} --out whole")
    disk = Disk(monkeypatch, errno.ENOSPC)
    done(f"{line} --out counted")
    for limit in range(3, disk.calls, 4):  # after config.json
        disk.calls, disk.limit = 0, limit
        run = here / f"run-{limit}"
        assert f"cannot write {run}" in refusal(line, "--out", run)
        assert not [path for path in run.iterdir() if path.name.startswith(".")]
        disk.limit = sys.maxsize
        if (run / "training.safetensors").exists():
            _, position = checkpoint.read_tensors(run / "training.safetensors")
            assert position["step"] % 3 == 0
        done("fit --resume --out", run)
        assert contents(run) == contents(here / "whole")


@pytest.mark.parametrize(
    "line", ["evaluate --num-samples 2", "sample --out x.csv", "encode --data digits --out z.npy", "report"]
)
def test_no_space_for_a_result(runs: Path, here: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    Disk(monkeypatch, errno.ENOSPC).limit = 0
    before = contents(runs)
    assert "cannot write" in unchanged(here, line, runs / "vae")
    assert contents(runs) == before


def test_a_file_that_may_not_be_read(runs: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("x.npy", ROWS)
    read = Path.read_text

    def refused(self: Path, *args: object, **kwargs: object) -> str:
        if self.name == "config.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return read(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", refused)
    said = unchanged(here, "evaluate", runs / "vae")
    assert said == (
        f"{runs / 'vae' / 'config.json'}: Permission denied: check the path, its permissions and the space left on the "
        "disk"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(here: Path) -> None:
    said = unchanged(here, "fit vae --preset tiny --set device=cuda --out run")
    assert said == "device 'cuda' is not there (torch sees 0 GPUs): use device=cpu"


@pytest.mark.parametrize("model", ["vae", "made", "gan"])
def test_a_loss_that_turns_nan_from_the_start(here: Path, model: str) -> None:
    said = refusal(f"fit {model} --preset tiny --set learning_rate=1e30 --steps 30 --out run")
    assert " is nan at step " in said or " is inf at step " in said
    assert "the checkpoint of step 0 in run is good: lower learning_rate, or set max_grad_norm" in said
    done("sample run --num 2 --out x.npy")
    assert np.isfinite(np.load("x.npy")).all()


def test_a_loss_that_turns_nan_later_keeps_the_last_good_checkpoint(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jensen.training.engine import GradientEngine

    line = "fit vae --preset tiny --steps 20 --set checkpoint_every=5 --set log_every=4"
    step = GradientEngine.step

    def spoilt(self: GradientEngine, number: int) -> dict[str, torch.Tensor]:
        figures = step(self, number)
        return {**figures, "kl": torch.tensor(torch.nan)} if number == 12 else figures

    monkeypatch.setattr(GradientEngine, "step", spoilt)
    said = refusal(f"{line} --out run")
    assert said.startswith("kl is nan at step 13; the checkpoint of step 10 in run is good: lower learning_rate")
    monkeypatch.setattr(GradientEngine, "step", step)
    assert checkpoint.read_tensors(Path("run/training.safetensors"))[1]["step"] == 10
    done("fit --resume --out run")
    done(f"{line} --out whole")
    assert contents(here / "run") == contents(here / "whole")


def test_a_run_that_never_began_does_not_hold_its_folder(here: Path) -> None:
    np.save("x.npy", np.ones((40, 3)) * 2.5)
    assert "lower num_components" in refusal("fit gaussian-mixture --data x.npy --out run")
    assert "lower num_components" in refusal("fit gaussian-mixture --data x.npy --out run")
    np.save("x.npy", ROWS)
    done("fit gaussian-mixture --data x.npy --steps 2 --out run")


@pytest.mark.parametrize(
    "line", ["fit vea --data digits --out run", "fit vae --data x.npy --out run", "evaluate nowhere"]
)
def test_the_installed_command_says_one_line_and_no_traceback(tmp_path: Path, line: str) -> None:
    np.save(tmp_path / "x.npy", with_value(np.nan))
    before = contents(tmp_path)
    said = subprocess.run(
        [Path(sys.executable).with_name("jensen"), *line.split()], capture_output=True, text=True, cwd=tmp_path
    )
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr.startswith("jensen: ")
    assert said.stderr.count("\n") == 1
    assert contents(tmp_path) == before
