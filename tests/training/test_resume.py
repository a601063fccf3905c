"""Runs that survive: killed anywhere and resumed, they end with the same bits."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import jensen
from jensen.errors import JensenError
from jensen.registry import entry
from jensen.training import Stopped, Training, checkpoint, fit
from jensen.training import fit as fit_function

FILES = ("training.safetensors", "model.safetensors", "metrics.jsonl", "config.json")


def bits(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def small_run(name: str, out: Path, resume: bool = False, **settings) -> jensen.FitResult:
    preset = entry(name).preset("tiny")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(0)
    model = jensen.create(name, split.spec, **preset.model)
    defaults = {"steps": 23, "checkpoint_every": 5, "log_every": 4, "validate_every": 10, "tolerance": 0.0}
    return fit(model, split, out=out, resume=resume, **{**preset.training, **defaults, **settings})


class Killed(BaseException):
    """Stands in for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("name", ["vae", "made", "gan", "gaussian-mixture"])
def test_resumed_after_a_kill_between_steps(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_run(name, tmp_path / "whole")
    from jensen.training import engine

    kind = engine.EMEngine if name == "gaussian-mixture" else engine.GradientEngine
    step = kind.step

    def killed_at_13(self, number):  # type: ignore[no-untyped-def]
        if number == 13:
            raise Killed
        return step(self, number)

    monkeypatch.setattr(kind, "step", killed_at_13)
    with pytest.raises(Killed):
        small_run(name, tmp_path / "cut")
    monkeypatch.undo()
    small_run(name, tmp_path / "cut", resume=True)
    assert bits(tmp_path / "whole") == bits(tmp_path / "cut")


def test_resumed_after_a_kill_at_any_file_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write, sync and rename is a place to die; nothing after it happens, not even tidying up."""
    settings = {"steps": 8, "checkpoint_every": 3, "log_every": 2, "keep": "best", "validate_every": 3}
    small_run("vae", tmp_path / "whole", **settings)
    whole = bits(tmp_path / "whole")
    operations = {name: getattr(os, name) for name in ("fsync", "replace", "chmod", "unlink")}
    append = checkpoint.Metrics.append
    place = 0
    while True:
        count = 0

        def dying(name: str, limit: int = place):  # type: ignore[no-untyped-def]
            def call(*args, **kwargs):  # type: ignore[no-untyped-def]
                nonlocal count
                count += 1
                if count > limit:
                    raise Killed
                return operations[name](*args, **kwargs)

            return call

        def dying_append(self, row, limit: int = place):  # type: ignore[no-untyped-def]
            nonlocal count
            count += 1
            if count > limit:
                if self.path is not None:
                    with open(self.path, "a") as file:
                        file.write(json.dumps(row)[:7])  # half a line
                raise Killed
            append(self, row)

        for name in operations:
            monkeypatch.setattr(os, name, dying(name))
        monkeypatch.setattr(checkpoint.Metrics, "append", dying_append)
        folder = tmp_path / f"cut-{place}"
        try:
            small_run("vae", folder, **settings)
            finished = True
        except Killed:
            finished = False
        monkeypatch.undo()
        if finished:
            break
        held = (folder / "config.json").exists()
        small_run("vae", folder, resume=held, **settings)
        assert bits(folder) == whole, f"killed at file operation {place}"
        place += 1
    assert place > 20


def test_resumed_after_kill_9(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "jensen.cli", "fit", "vae", "--preset", "tiny", "--steps", "6000",
        "--set", "checkpoint_every=50", "--set", "log_every=20", "--set", "threads=1",
    ]  # fmt: skip
    process = subprocess.Popen([*command, "--out", str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        # Not from the checkpoint: it may be replaced while it is read.
        metrics = tmp_path / "cut" / "metrics.jsonl"
        if metrics.exists() and '"step": 100,' in metrics.read_text():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = [sys.executable, "-m", "jensen.cli", "fit", "--resume", "--out"]
    subprocess.run([*resumed, str(tmp_path / "cut")], check=True, capture_output=True)
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    assert bits(tmp_path / "whole") == bits(tmp_path / "cut")


def test_interrupt_finishes_the_step_saves_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_run("vae", tmp_path / "whole")
    from jensen.training.engine import GradientEngine

    step = GradientEngine.step

    def interrupted(self, number):  # type: ignore[no-untyped-def]
        if number == 11:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, number)

    monkeypatch.setattr(GradientEngine, "step", interrupted)
    with pytest.raises(Stopped, match=r"stopped after step 12; go on with: jensen fit --resume --out"):
        small_run("vae", tmp_path / "cut")
    monkeypatch.undo()
    assert checkpoint.read_tensors(tmp_path / "cut" / "training.safetensors")[1]["step"] == 12
    small_run("vae", tmp_path / "cut", resume=True)
    assert bits(tmp_path / "whole") == bits(tmp_path / "cut")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 40}, "change steps from 23 to 40"),
        ({"threads": 3}, "change threads from"),
        ({"precision": "32"}, "change precision from|nothing"),
        ({"learning_rate": 0.5}, "change learning_rate"),
    ],
)
def test_a_resume_that_would_change_the_run_is_refused(tmp_path: Path, changed: dict, message: str) -> None:
    small_run("vae", tmp_path / "run", precision="bf16")
    before = bits(tmp_path / "run")
    settings = {"precision": "bf16", **changed}
    with pytest.raises(JensenError, match=message):
        small_run("vae", tmp_path / "run", resume=True, **settings)
    assert bits(tmp_path / "run") == before


def test_a_resume_on_other_data_is_refused(tmp_path: Path) -> None:
    small_run("vae", tmp_path / "run")
    preset = entry("vae").preset("tiny")
    split = jensen.data.load(**{**preset.data, "seed": 1})
    model = jensen.create("vae", split.spec, **preset.model)
    settings = {**preset.training, "steps": 23, "checkpoint_every": 5, "log_every": 4, "validate_every": 10}
    with pytest.raises(JensenError, match="not those that the run"):
        fit_function(model, split, out=tmp_path / "run", resume=True, **{**settings, "tolerance": 0.0})


def test_the_best_weights_are_kept_across_a_resume(tmp_path: Path) -> None:
    result = small_run("vae", tmp_path / "run", keep="best", validate_every=5)
    losses = {row["step"]: row["loss"] for row in result.history if row["part"] == "validation"}
    tensors, position = checkpoint.read_tensors(tmp_path / "run" / "training.safetensors")
    assert position["best"] == pytest.approx(-min(losses.values()))
    saved, _ = checkpoint.read_tensors(tmp_path / "run" / "model.safetensors")
    for name, value in saved.items():
        assert torch.equal(value, tensors[f"best/{name}"])
        assert torch.equal(value, result.model.state_dict()[name])


def test_settings_out_of_range_name_themselves() -> None:
    for wrong in ({"steps": 0}, {"batch_size": -1}, {"learning_rate": 0.0}, {"warmup": 1.0}, {"betas": (0.9, 1.0)}):
        with pytest.raises(JensenError, match=next(iter(wrong))):
            Training(**wrong)
