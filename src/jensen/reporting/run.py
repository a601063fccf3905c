"""A run as the page shows it: its settings, the command that makes it again, its rows and its figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jensen.data import load
from jensen.evaluation.results import Evaluation
from jensen.evaluation.runs import EVALUATION, read_evaluation, seeds_of
from jensen.registry import entry
from jensen.reporting.curves import Row
from jensen.settings import arguments, fields, keys
from jensen.training import Training
from jensen.training.checkpoint import METRICS, read_config

# Settings that the command line gives a flag of their own.
_LINE = 80
_FLAGS = {"steps": "--steps", "batch_size": "--batch-size", "seed": "--seed"}


@dataclass(frozen=True)
class Run:
    """What lies in a run's folder.

    config: what config.json holds. rows: those of metrics.jsonl that can be read; `damaged` counts the others.
    evaluation: None where it is not evaluated yet.
    """

    folder: Path
    config: dict[str, Any]
    rows: list[Row]
    damaged: int
    evaluation: Evaluation | None


@dataclass(frozen=True)
class Setting:
    """One setting of a run, beside its default; `section` is data, model, objective or training."""

    section: str
    key: str
    value: Any
    default: Any

    @property
    def differs(self) -> bool:
        """Whether it was chosen, by a person or for the machine."""
        return text(self.value) != text(self.default)


def read_runs(folder: Path) -> list[Run]:
    """The run in a folder, or those of its seeds."""
    return [_read_run(path) for path in seeds_of(folder) or [folder]]


def _read_run(folder: Path) -> Run:
    config = read_config(folder)
    rows, damaged = read_rows(folder / METRICS)
    return Run(folder, config, rows, damaged, read_evaluation(folder) if (folder / EVALUATION).exists() else None)


def read_rows(path: Path) -> tuple[list[Row], int]:
    """The rows of metrics.jsonl, and how many lines are damaged; a last line that a kill cut short is neither."""
    rows, damaged = [], 0
    text = path.read_text(errors="replace") if path.exists() else ""
    for line in text.splitlines(keepends=True):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            damaged += line.endswith("\n")
            continue
        if isinstance(row, dict) and {"step", "part"} <= row.keys():
            rows.append(row)
        else:
            damaged += 1
    return rows, damaged


def settings_of(config: dict[str, Any]) -> list[Setting]:
    """Every setting of a run: of a model of one's own, those of data and training."""
    held = {
        "data": config["data"]["options"],
        "hyperparameters": config["model"].get("settings", {}),
        "objective": config["objective"],
        "training": config["training"],
    }
    name = config["model"]["name"]
    if name is not None:
        known = keys(entry(name))
    else:
        known = {key: ("data", key, *rest) for key, rest in arguments(load).items() if key != "labels"}
        known |= {key: ("training", key, *rest) for key, rest in fields(Training).items()}
    return [
        Setting(section.replace("hyperparameters", "model"), key, held[section].get(own, default), default)
        for key, (section, own, _, default) in known.items()
    ]


def command(runs: Sequence[Run], name: str) -> str | None:
    """The command line that makes the run again, as a run called `name`; None where none can.

    What was chosen for the machine (device, precision, threads) is spelled out, so that it is the same run elsewhere.
    """
    config = runs[0].config
    source, model = config["data"]["source"], config["model"]["name"]
    if model is None or source == "array" or config["data"]["options"].get("labels") is not None:
        return None
    parts = [["jensen", "fit", model], ["--data", source], ["--out", name]]
    seeds = [run.config["training"]["seed"] for run in runs]
    for setting in settings_of(config):
        if setting.key == "seed" and len(runs) > 1:
            parts.append(["--seeds", ",".join(map(str, seeds))])
        elif setting.key in _FLAGS:
            parts.append([_FLAGS[setting.key], text(setting.value)])
        elif setting.differs:
            parts.append(["--set", f"{setting.key}={text(setting.value)}"])
    lines = [""]
    for part in map(shlex.join, parts):
        if len(lines[-1]) + len(part) > _LINE:
            lines.append(" ")
        lines[-1] += f" {part}"
    return " \\\n".join(lines).removeprefix(" ")


def text(value: Any) -> str:
    """A value as it is written after `key=`."""
    if isinstance(value, list | tuple):
        return ",".join(map(text, value))
    return str(value).lower() if isinstance(value, bool | None) else str(value)
