"""What a run leaves on disk: written whole or not at all, and never pickled.

config.json              what rebuilds the run: model, data, objective, training
training.safetensors     what resumes it: weights, optimisers, random state, position, figures not yet written
model.safetensors        the weights alone, derived from training.safetensors
metrics.jsonl            one line a logged step; cut back to the checkpoint on resume
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from jensen.data import NAMES
from jensen.errors import JensenError

CONFIG, TRAINING, MODEL, METRICS = "config.json", "training.safetensors", "model.safetensors", "metrics.jsonl"
VERSION = 1


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole: to a temporary one beside it, forced to disk, then renamed."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise JensenError(
            f"cannot write {path}: {why}: make room on the disk, or choose a path you may write"
        ) from error


def write_json(path: Path, values: Any) -> None:
    """Writes JSON whole."""
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())


def through_json(values: Any) -> Any:
    """What a value looks like once it has been written and read: tuples are lists."""
    return json.loads(json.dumps(values))


def read_json(path: Path) -> Any:
    """Reads JSON, with one line where it is not there or not whole."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JensenError(f"no run in {path.parent}: there is no {path.name}: give a folder that fit wrote") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise JensenError(f"{path} is damaged ({error}): restore it, or fit again into another folder") from error


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run, with one line where there is none, where it is not whole, or of another version."""
    path = folder / CONFIG
    if not path.exists() and (seeds := sorted(folder.glob(f"seed-*/{CONFIG}"))):
        raise JensenError(f"{folder} holds one run for each seed: give one of them, such as {seeds[0].parent}")
    config = read_json(path)
    if not isinstance(config, dict) or not {"format", "model", "data", "objective", "training"} <= config.keys():
        raise JensenError(f"{path} is damaged (parts are missing): restore it, or fit again into another folder")
    _check_version(path, config["format"])
    return config


def located(source: str) -> str:
    """A data set's name, or the absolute path of a file or folder, so that a run finds its data from anywhere."""
    return source if source in NAMES or not Path(source).exists() else str(Path(source).resolve())


def _check_version(path: Path, version: Any) -> None:
    if version != VERSION:
        raise JensenError(
            f"{path} is of format version {version}, this jensen reads {VERSION}: use the jensen that wrote it"
        )


def write_tensors(path: Path, tensors: dict[str, Tensor], position: dict[str, Any] | None = None) -> None:
    """Writes tensors whole, `position` as one JSON text in the header: the same state is the same bytes."""
    metadata = {"jensen": json.dumps({"version": VERSION, **(position or {})}, sort_keys=True)}
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(whole, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `write_tensors`."""
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError as error:
        raise JensenError(
            f"no checkpoint in {path.parent}: there is no {path.name}: go on with jensen fit --resume, or fit again"
        ) from error
    except SafetensorError as error:
        remedy = "restore a copy of it, or fit again into another folder"
        if path.name == MODEL:  # derived from the checkpoint
            remedy = f"jensen fit --resume --out {path.parent} writes it again"
        raise JensenError(f"checkpoint {path} is truncated or damaged: {remedy}") from error
    if "jensen" not in metadata:
        raise JensenError(f"checkpoint {path} was not written by jensen: restore the one that fit wrote")
    position = json.loads(metadata["jensen"])
    _check_version(path, position.get("version"))
    return tensors, position


def load_weights(model: nn.Module, weights: dict[str, Tensor], where: Path) -> None:
    """Puts weights into a model of exactly that structure, or says what does not fit and changes nothing."""
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or extra:
        raise JensenError(
            f"checkpoint {where} is of another model: "
            + ", ".join([f"no {name}" for name in missing[:3]] + [f"unexpected {name}" for name in extra[:3]])
            + ": restore the one that belongs to config.json"
        )
    for name, value in expected.items():
        if value.shape != weights[name].shape and value.numel():  # what is empty takes any number of rows
            raise JensenError(
                f"checkpoint {where} is of another model: {name} is {tuple(weights[name].shape)}, "
                f"expected {tuple(value.shape)}: restore the one that belongs to config.json"
            )
    model.load_state_dict(weights)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


class Metrics:
    """metrics.jsonl: one JSON object a line, appended; `offset` is its length at the last checkpoint."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def append(self, row: dict[str, Any]) -> None:
        """One row, to memory and to disk."""
        self.rows.append(row)
        if self.path is not None:
            with _writing(self.path), open(self.path, "a") as file:
                file.write(json.dumps(row) + "\n")

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size if self.path is not None and self.path.exists() else 0

    def cut_back(self, offset: int) -> None:
        """Drops what was logged after the checkpoint, and reads back what was logged before."""
        assert self.path is not None
        if self.path.exists():
            with open(self.path, "r+b") as file:
                file.truncate(offset)
        self.rows = list(read_metrics(self.path))


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of metrics.jsonl."""
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # a run that was killed may have left half a line
                yield json.loads(line)
