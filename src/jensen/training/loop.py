"""The steps of a run, in one process: what is logged, validated, checkpointed, and how it goes on after a kill."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data import Split
from jensen.errors import JensenError
from jensen.models.base import Conditional, FitsItself, Latent, Warns
from jensen.objectives.base import Objective
from jensen.training import checkpoint
from jensen.training.check import floating_tensor
from jensen.training.collapse import Watch
from jensen.training.config import Training
from jensen.training.engine import EMEngine, Engine, GradientEngine
from jensen.training.game import lost_game
from jensen.training.processes import cuda_devices
from jensen.training.progress import Progress
from jensen.training.whole import WholeEngine


class Stopped(KeyboardInterrupt):
    """Ctrl-C was pressed: the step was finished and the run saved."""


class Job:
    """What each process is given beside the model.

    No dataclass, because Fabric would take that apart on its way to another process. The model travels apart from
    it, because Fabric gives each process weights of its own only where it sees a module.
    """

    def __init__(
        self,
        data: Split,
        objective: Objective | None,
        training: Training,
        folder: Path | None,
        resume: bool,
        progress: bool | None,
    ) -> None:
        self.data, self.objective, self.training = data, objective, training
        self.folder, self.resume, self.progress = folder, resume, progress


def run_in_child(fabric: Fabric, model: nn.Module, job: Job) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """The same in a spawned process, with the weights on the way back."""
    history = run(fabric, model, job)
    # As arrays: a tensor would be handed over through this process's memory, which is gone by then.
    return {name: value.cpu().numpy() for name, value in model.state_dict().items()}, history


def run(fabric: Fabric, model: nn.Module, job: Job) -> list[dict[str, Any]]:
    """One process's share of the run, inside a random state of its own."""
    device = torch.device(job.training.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(job.training.threads)
    validated = Distribution._validate_args
    # The data were checked once; a parameter that turns NaN shows in the loss, which names the step and the term.
    Distribution.set_default_validate_args(False)
    try:
        with torch.random.fork_rng(cuda_devices(device)):
            return Loop(fabric, model, job, device).run()
    finally:
        Distribution.set_default_validate_args(validated)
        torch.set_num_threads(threads)
        if fabric.world_size > 1:
            torch.distributed.destroy_process_group()  # left open, its threads may abort the process as it ends


class Loop:
    """The steps, and what is kept of them."""

    def __init__(self, fabric: Fabric, model: nn.Module, job: Job, device: torch.device) -> None:
        self.fabric, self.job, self.device = fabric, job, device
        self.model = model.to(device).train()
        dtype = floating_tensor(self.model).dtype
        self.train = job.data.train.to(device, dtype)
        self.validation = job.data.validation.to(device, dtype)
        self.folder = job.folder if fabric.is_global_zero else None
        self.metrics = checkpoint.Metrics(None if self.folder is None else self.folder / checkpoint.METRICS)
        self.pending: list[dict[str, Tensor]] = []
        self.best: float | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.step = 0
        self.saved = 0
        looked_at = self.validation if len(self.validation) else self.train
        self.watch = Watch(model, looked_at, job.objective, job.training) if isinstance(model, Latent) else None
        self.seen = ""
        self.warned: set[str] = set()
        self.engine: Engine

    def run(self) -> list[dict[str, Any]]:
        """All steps that are left; the rows of metrics.jsonl."""
        training = self.job.training
        resumed = self._restore() if self.job.resume and self.job.folder is not None else False
        if not resumed:
            torch.manual_seed(training.seed)
            self._initialize()
            torch.manual_seed(training.seed + 1_000_003 * self.fabric.global_rank)
        if self.job.objective is None and isinstance(self.model, FitsItself):
            self.engine = WholeEngine(self.model, self.train, self.validation, training)
        elif self.job.objective is None:
            self.engine = EMEngine(self.model, self.train, training)
        else:
            self.engine = GradientEngine(self.model, self.train, self.job.objective, training, self.fabric)
        if resumed:
            self.engine.load_state(self._engine_state)
        elif not isinstance(self.engine, WholeEngine):  # before its only step there is nothing to go on with
            self._save()
        shown: dict[str, float] = {}
        quiet = not self.fabric.is_global_zero
        with (
            Progress(training.steps, self.step, False if quiet else self.job.progress) as bar,
            _finish_step_on_interrupt() as interrupted,
        ):
            while self.step < training.steps and not self.engine.converged:
                self.pending.append(self.engine.step(self.step))
                self.step += 1
                last = self.step == training.steps or self.engine.converged
                if self.step % training.log_every == 0 or last:
                    shown = self._log()
                    bar.update(self.step, shown, self.seen)
                    lost = lost_game(self.model, self.metrics.rows) if isinstance(self.model, Warns) else None
                    if lost is not None:
                        self.metrics.append(lost)
                        self._warn(lost, bar)
                if len(self.validation) and self._is_due(training.validate_every, last):
                    self._validate()
                if self.watch is not None and (last or self._is_due(training.validate_every, last)):
                    self._look(self.watch, bar)
                if last or self._is_due(training.checkpoint_every, last):
                    self._save(last)
                if interrupted and not last:
                    self._save()
                    where = "" if self.folder is None else f"; go on with: jensen fit --resume --out {self.folder}"
                    raise Stopped(f"stopped after step {self.step}{where}")
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
        return self.metrics.rows

    def _is_due(self, every: int, last: bool) -> bool:
        return every > 0 and (last or self.step % every == 0)

    def _initialize(self) -> None:
        """The model's start from the data, the same in every process."""
        if hasattr(self.model, "initialize"):
            count = min(len(self.train), 10_000)
            index = torch.randperm(len(self.train))[:count].sort().values
            batch = self.train.batch(index.to(self.device))
            given = [self.model.condition_of(batch)] if isinstance(self.model, Conditional) else []
            self.model.initialize(batch.x, *given)  # type: ignore[operator]
        if self.fabric.world_size > 1:
            for tensor in [*self.model.parameters(), *self.model.buffers()]:
                tensor.data.copy_(self.fabric.broadcast(tensor.data))

    def _log(self) -> dict[str, float]:
        """Averages the figures since the last row; stops where one is not finite."""
        means = dict(zip(self.pending[0], self._finite_figures().mean(0).tolist(), strict=True))
        self.metrics.append({"step": self.step, "part": "train", **means})
        self.pending = []
        return means

    def _finite_figures(self) -> Tensor:
        """The figures since the last row, (steps, figures), float64; stops where one is not finite."""
        names = list(self.pending[0])
        values = torch.stack([torch.stack([row[name].double() for name in names]) for row in self.pending]).cpu()
        bad = (~values.isfinite()).any(1).nonzero()
        if len(bad):
            row = int(bad[0])
            figures = dict(zip(names, values[row].tolist(), strict=True))
            # The terms say more than the loss, which is their sum.
            name = min((name for name in names if not math.isfinite(figures[name])), key=lambda name: name == "loss")
            self._stop(f"{name} is {figures[name]:.0f} at step {self.step - len(self.pending) + row + 1}")
        return values

    def _stop(self, what: str) -> NoReturn:
        kept = f"; the checkpoint of step {self.saved} in {self.folder} is good" if self.folder else ""
        raise JensenError(f"{what}{kept}: lower learning_rate, or set max_grad_norm")

    def _validate(self) -> None:
        figures = self.engine.validate(self.validation)
        if not figures:
            return
        self.metrics.append({"step": self.step, "part": "validation", **figures})
        score = -figures["loss"] if "loss" in figures else figures["log_prob"]
        if self.job.training.keep == "best" and (self.best is None or score > self.best):
            self.best = score
            self.best_weights = {name: value.clone() for name, value in self.model.state_dict().items()}

    def _look(self, watch: Watch, bar: Progress) -> None:
        """The row of the latents."""
        row = watch.look(self.step)
        self.metrics.append(row)
        self.seen = f"{row['active_units']} of {row['latent_dim']} units active"
        self._warn(row, bar)

    def _warn(self, row: dict[str, Any], bar: Progress) -> None:
        """Whoever watches is told of a warning, once of each kind."""
        if "warning" in row and row["part"] not in self.warned:
            self.warned.add(row["part"])
            if self.fabric.is_global_zero:
                bar.say(f"jensen: step {self.step:,}: {row['warning']}")

    def _save(self, last: bool = False) -> None:
        """A checkpoint: the figures so far are on disk before it, and model.safetensors is derived from it after."""
        generators = checkpoint.random_state(self.device)
        spread = 0.0
        if self.fabric.world_size > 1:
            spread = self._replicas_differ_by()
            ranks = range(self.fabric.world_size)
            generators = {f"cpu{rank}": self.fabric.broadcast(generators["cpu"], src=rank) for rank in ranks}
        if self.folder is None:
            return
        if self.pending:
            self._finite_figures()
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            self._stop(f"a weight is not finite after step {self.step}")
        weights = self.model.state_dict()
        tensors = {f"model/{name}": value for name, value in weights.items()}
        tensors |= {f"best/{name}": value for name, value in self.best_weights.items()}
        tensors |= {f"engine/{name}": value for name, value in self.engine.state().items()} if self.step else {}
        tensors |= {f"random/{name}": value for name, value in generators.items()}
        for name in self.pending[0] if self.pending else ():
            tensors[f"pending/{name}"] = torch.stack([row[name] for row in self.pending])
        position = {
            "step": self.step,
            "best": self.best,
            "metrics": self.metrics.offset,
            "pending": list(self.pending[0]) if self.pending else [],
            "replicas_differ_by": spread,
            "last": last,
        }
        checkpoint.write_tensors(self.folder / checkpoint.TRAINING, tensors, position)
        final = self.best_weights if last and self.best_weights else weights
        checkpoint.write_tensors(self.folder / checkpoint.MODEL, final)
        self.saved = self.step

    def _replicas_differ_by(self) -> float:
        """The largest difference of a weight between processes: 0, or something is wrong with the collectives."""
        flat = torch.cat([value.detach().double().flatten() for value in self.model.parameters()])
        ends = torch.cat([flat, -flat])
        highest, minus_lowest = cast(Tensor, self.fabric.all_reduce(ends, reduce_op="max")).chunk(2)
        return float((highest + minus_lowest).max())

    def _restore(self) -> bool:
        """Puts everything back as the last checkpoint had it; False where the run never wrote one."""
        assert self.job.folder is not None
        path = self.job.folder / checkpoint.TRAINING
        if not path.exists():
            if self.folder is not None:
                self.metrics.cut_back(0)
            return False
        tensors, position = checkpoint.read_tensors(path)
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, rest = name.split("/", 1)
            parts.setdefault(part, {})[rest] = value
        checkpoint.load_weights(self.model, parts["model"], path)
        self.best, self.best_weights = position["best"], parts.get("best", {})
        self._engine_state = parts.get("engine", {})
        generators = parts["random"]
        if self.fabric.world_size > 1:
            generators = {"cpu": generators[f"cpu{self.fabric.global_rank}"]}
        checkpoint.set_random_state(generators, self.device)
        self.step = self.saved = position["step"]
        columns = [parts["pending"][name].to(self.device).unbind() for name in position["pending"]]
        self.pending = [dict(zip(position["pending"], row, strict=True)) for row in zip(*columns, strict=True)]
        if self.folder is not None:
            self.metrics.cut_back(position["metrics"])
            # Derived from the checkpoint, and perhaps not yet written when the run was killed.
            weights = self.best_weights if position["last"] and self.best_weights else parts["model"]
            checkpoint.write_tensors(self.folder / checkpoint.MODEL, weights)
        return True


@contextlib.contextmanager
def _finish_step_on_interrupt() -> Iterator[list[int]]:
    """Collects the first Ctrl-C instead of raising it, so that the step is finished; a second one raises at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield received
        return
    before = signal.getsignal(signal.SIGINT)

    def remember(number: int, frame: Any) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, remember)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)
