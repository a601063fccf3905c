"""fit: a model, data and settings in; a trained model and its history out, with a run on disk that can be resumed."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from jensen.data import Split
from jensen.errors import JensenError, unknown
from jensen.models.base import FitsItself, Mixture
from jensen.objectives.base import Objective, default_objective, objective_config
from jensen.registry import entry
from jensen.training import checkpoint
from jensen.training.check import check_data
from jensen.training.config import DESCENT, Training
from jensen.training.loop import Job, run, run_in_child
from jensen.training.processes import launcher


@dataclass(frozen=True)
class FitResult:
    """A trained model, and the rows of metrics.jsonl: figures averaged over the steps since the row before, nats."""

    model: nn.Module
    history: list[dict[str, Any]]


def fit(
    model: nn.Module,
    data: Split,
    objective: Objective | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
    training: Training | None = None,
    **settings: Any,
) -> FitResult:
    """Trains a model on `data.train`; `data.validation` is only looked at.

    Args:
        model: any nn.Module that keeps the contract; it is trained in place, and left on its device.
        data: as from `jensen.data.load`.
        objective: how; by default the registry's for a model that `create` made, else the model's own turns, maximum
            likelihood or the ELBO, by what it can do.
            A model with `e_step` and `m_step` is fitted by expectation maximisation, one with `fit_to` by that.
        out: the run's folder, written atomically; None keeps nothing.
        resume: go on with the run in `out` where its last checkpoint stands. It ends with the same bits as a run that
            was never stopped (same machine, versions, threads and precision).
        progress: a bar on standard error; None shows one on a terminal.
        training: all settings at once; or
        **settings: the fields of `jensen.training.Training`, e.g. steps=20_000.

    Returns:
        The model in evaluation mode, and the history.

    Raises:
        JensenError: data that do not fit the model, settings out of range, an `out` that already holds a run, a loss
            that is not finite.
    """
    valid = [field.name for field in dataclasses.fields(Training)]
    for key in settings:
        if key not in valid:
            raise unknown("training setting", key, valid)
    training = dataclasses.replace(training or Training(), **settings).resolved(data.spec, model)
    if len(data.train) == 0:
        raise JensenError("there is nothing to train on: the training part has no rows")
    check_data(model, data.train)
    own = _own_algorithm(model) if objective is None else None
    if own is not None:
        idle = next((key for key in DESCENT if getattr(training, key) != getattr(Training(), key)), None)
        if idle is not None:
            raise JensenError(f"{idle} is of gradient descent, by which this model is not fitted: leave it out")
        # Each step is a pass over all the data, and `fit_to` is one step.
        training = dataclasses.replace(training, log_every=1, steps=training.steps if own == "em" else 1)
    chosen = None if own is not None else objective or _own_objective(model)
    config = {
        "format": checkpoint.VERSION,
        "model": getattr(model, "recipe", {"name": None, "class": type(model).__qualname__}),
        "data": {"source": data.source, "options": data.options, "fingerprint": data.train.fingerprint},
        "objective": {"name": own} if chosen is None else objective_config(chosen),
        "training": training.to_json(),
        "versions": {"torch": torch.__version__},
    }
    fabric, function = launcher(training)
    processes = max(training.devices, fabric.world_size)
    if training.batch_size % processes:
        raise JensenError(f"batch_size {training.batch_size} cannot be shared equally by {processes} processes")
    folder = None if out is None else Path(out)
    if folder is not None and fabric.is_global_zero:
        _claim(folder, config, resume)
    job = Job(data, chosen, training, folder, resume, progress)
    if function is None:
        fabric.barrier()
        history = run(fabric, model, job)
    else:
        try:
            weights, history = function(run_in_child, model, job)
        except ProcessRaisedException as error:
            said = str(error).strip().splitlines()[-1].partition(f"{JensenError.__name__}: ")[2]
            raise JensenError(said) if said else error from None
        model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    model.to(training.device)
    return FitResult(model.eval(), history)


def _own_algorithm(model: nn.Module) -> str | None:
    """What fits a model that is trained by no gradient."""
    if isinstance(model, Mixture):
        return "em"
    return "all data at once" if isinstance(model, FitsItself) else None


def _own_objective(model: nn.Module) -> Objective:
    """What the registry names for a model that `create` made, else what the model's capabilities allow."""
    name = getattr(model, "recipe", {}).get("name")
    return (entry(name).make_objective() if name else None) or default_objective(model)


def _claim(folder: Path, config: dict[str, Any], resume: bool) -> None:
    """Makes the run's folder, or checks that the run in it may be resumed."""
    held = (folder / checkpoint.CONFIG).exists()
    if not resume:
        # A run that stopped before its first checkpoint has nothing to lose.
        if held and (folder / checkpoint.TRAINING).exists():
            raise JensenError(f"{folder} already holds a run: add --resume to go on with it, or choose another --out")
        checkpoint.write_json(folder / checkpoint.CONFIG, config)
        return
    if not held:
        raise JensenError(f"nothing to resume: {folder} holds no run")
    before = checkpoint.read_config(folder)
    now = checkpoint.through_json(config)
    for section in ("training", "objective"):
        for key, value in now[section].items():
            if before[section].get(key) != value:
                raise JensenError(
                    f"resume would change {key} from {before[section].get(key)} to {value}: a resumed run keeps its "
                    "settings, so that it ends with the same bits; leave them out, or fit into another folder"
                )
    if before["model"] != now["model"]:
        raise JensenError(f"{folder} holds a run of another model or of other settings: fit into another folder")
    if before["data"]["fingerprint"] != now["data"]["fingerprint"]:
        raise JensenError(f"the data are not those that the run in {folder} was trained on: give the same --data")
    if before["versions"] != now["versions"]:
        print(
            f"jensen: the run was begun under torch {before['versions']['torch']} and goes on under "
            f"{now['versions']['torch']}; its last bits may differ",
            file=sys.stderr,
        )
