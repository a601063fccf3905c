"""Chains of any kernel: a start that is checked, a warm-up, draws, and what arviz says of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from jensen.errors import JensenError
from jensen.inference.mcmc.adaptation import warm_up
from jensen.inference.mcmc.diagnostics import inference_data, summary
from jensen.inference.mcmc.kernel import Info, Kernel, Position, Tunable

if TYPE_CHECKING:
    import pandas
    from arviz import InferenceData

SHORTEST = 50  # steps of a warm-up that finds a step size
Variables = Callable[[Position], dict[str, Tensor]]
"""Draws (chain, draw, ...) to the named variables that they stand for, (chain, draw, ...) each."""


@dataclass(frozen=True)
class Chains:
    """Draws of several chains after their warm-up.

    draws: (chain, draw, Z), or {name: (chain, draw, ...)} where the start was so named.
    log_density: log pi(z) of the draws, (chain, draw), nats, up to its constant; None of a kernel that has none.
    acceptance_rate: of each step, (chain, draw). divergent: which steps the integrator got lost in, (chain, draw).
    kernel: as the warm-up left it, to go on with: `sample_chains(chains.kernel, chains.last, num_warmup=0)`.
    """

    draws: Position
    log_density: Tensor | None
    acceptance_rate: Tensor
    divergent: Tensor
    kernel: Kernel

    @property
    def num_divergent(self) -> int:
        """How many steps diverged: where there are any, some part of the law is too narrow for the step size."""
        return int(self.divergent.sum())

    @property
    def last(self) -> Position:
        """Where the chains stand at the end."""
        if isinstance(self.draws, dict):
            return {name: values[:, -1] for name, values in self.draws.items()}
        return self.draws[:, -1]

    def to_inference_data(self, variables: Variables | None = None) -> InferenceData:
        """The draws as arviz has them; `variables` names them, or makes others of them, and is "z" if left out."""
        draws = self.draws
        named = variables(draws) if variables is not None else draws if isinstance(draws, dict) else {"z": draws}
        statistics = {"acceptance_rate": self.acceptance_rate, "diverging": self.divergent}
        if self.log_density is not None:
            statistics["lp"] = self.log_density
        return inference_data(named, statistics)

    def summary(self, variables: Variables | None = None) -> pandas.DataFrame:
        """For each variable: mean, sd, mcse_mean, ess_bulk, ess_tail, r_hat (Vehtari et al. 2021).

        mcse_mean is the mean's standard error, from the effective sample size and not the number of draws. Chains are
        to be trusted where r_hat is below 1.01 and both effective sample sizes are above 400. r_hat is no number where
        there is one chain.
        """
        return summary(self.to_inference_data(variables))


@torch.no_grad()
def sample_chains(
    kernel: Kernel,
    start: Position,
    num_draws: int = 1000,
    num_warmup: int = 1000,
    progress: bool | None = None,
) -> Chains:
    """Runs a kernel from a start, all chains at once; random numbers come from torch's global generator.

        chains = sample_chains(hmc(log_density), torch.randn(16, 10))
        print(chains.summary())

    Args:
        kernel: `hmc`, `random_walk`, `metropolis_hastings`, `gibbs`, or anything with `init` and `step`. One that has
            no step size yet gets it, and its scale, in the warm-up; one that has keeps it.
        start: (chains, Z), or for `gibbs` {name: (chains, ...)}. Chains that start far apart let R-hat see whether they
            meet; many chains cost little more than one.
        num_draws: kept of each chain.
        num_warmup: steps before them, which are not kept.
        progress: a bar on standard error; None: where that is a terminal.

    Raises:
        JensenError: a start of another shape or one where the log-density is no finite number; no draws; no step size
            and too short a warm-up.
    """
    tune = isinstance(kernel, Tunable) and kernel.step_size is None
    num_chains = _checked(start, isinstance(kernel, Tunable))
    if num_draws < 1 or num_warmup < 0:
        raise JensenError(f"num_draws must be at least 1 and num_warmup at least 0, got {num_draws} and {num_warmup}")
    if tune and num_warmup < SHORTEST:
        raise JensenError(
            f"a kernel without a step size needs a num_warmup of at least {SHORTEST}, got {num_warmup}: "
            "give it one, or a step_size"
        )
    state = kernel.init(start)
    _check_density(state, num_chains)
    with _Bar(num_warmup + num_draws, progress) as bar:
        if isinstance(kernel, Tunable) and tune:
            kernel, state = warm_up(kernel, state, num_warmup, lambda info: bar.update("warm-up", info))
        else:
            for _ in range(num_warmup):
                state, info = kernel.step(state)
                bar.update("warm-up", info)
        record = _Record(state, num_draws)
        for i in range(num_draws):
            state, info = kernel.step(state)
            record.add(i, state, info)
            bar.update("draws", info)
    return record.chains(kernel)


class _Record:
    """Draws, written where they will stand."""

    def __init__(self, state: Any, num_draws: int) -> None:
        def room(like: Tensor) -> Tensor:
            return like.new_empty((len(like), num_draws, *like.shape[1:]))

        position = state.position
        self.draws = {k: room(v) for k, v in position.items()} if isinstance(position, dict) else room(position)
        log_density = getattr(state, "log_density", None)
        self.log_density = None if log_density is None else room(log_density)
        self.infos: list[Info] = []

    def add(self, i: int, state: Any, info: Info) -> None:
        if isinstance(self.draws, dict):
            for name, values in self.draws.items():
                values[:, i] = state.position[name]
        else:
            self.draws[:, i] = state.position
        if self.log_density is not None:
            self.log_density[:, i] = state.log_density
        self.infos.append(info)

    def chains(self, kernel: Kernel) -> Chains:
        rates = torch.stack([info.acceptance_rate for info in self.infos], 1)
        divergent = [info.divergent for info in self.infos if info.divergent is not None]
        lost = torch.stack(divergent, 1) if divergent else torch.zeros_like(rates, dtype=torch.bool)
        return Chains(self.draws, self.log_density, rates, lost, kernel)


def _checked(start: Position, real: bool) -> int:
    """The number of chains; `real` is whether z must be floating-point numbers."""
    if isinstance(start, dict):
        counts = {name: value.shape[0] if value.dim() else 0 for name, value in start.items()}
        if not counts or len(set(counts.values())) > 1 or 0 in counts.values():
            raise JensenError(f"every variable of the start must have a row for each chain, got rows {counts}")
        return next(iter(counts.values()))
    if start.dim() != 2 or not start.numel():
        raise JensenError(
            f"a start must be (chains, dimensions), got shape {tuple(start.shape)}: one chain is start[None]"
        )
    if real and not start.is_floating_point():
        raise JensenError(f"a start must be of floating-point numbers, got {start.dtype}: use start.float()")
    return len(start)


def _check_density(state: Any, num_chains: int) -> None:
    log_density = getattr(state, "log_density", None)
    if log_density is None:
        return
    if log_density.shape != (num_chains,):
        raise JensenError(
            f"the log-density must give one number for each of {num_chains} chains, got shape "
            f"{tuple(log_density.shape)}: sum it over the last dimension of z (chains, dimensions)"
        )
    wrong = ~log_density.isfinite()
    what = "log-density"
    gradient = getattr(state, "gradient", None)
    if not wrong.any() and gradient is not None:
        wrong, what = ~gradient.isfinite().all(-1), "gradient of the log-density"
    if wrong.any():
        first = int(wrong.nonzero()[0])
        value = f"is {log_density[first].item()}" if what == "log-density" else "is not finite"
        raise JensenError(
            f"the {what} {value} at the start of chain {first} (and of {int(wrong.sum())} in all, of {num_chains}): "
            "start where it is finite, z being any real number (a scale, say, as its log)"
        )


class _Bar:
    """A bar on standard error where that is a terminal; quiet elsewhere."""

    def __init__(self, total: int, show: bool | None) -> None:
        self._bar: Any = None
        self._done, self._divergent, self._every = 0, 0, max(1, total // 200)
        if show or (show is None and sys.stderr.isatty()):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}"), console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task("warm-up", total=total, figures="")

    def update(self, stage: str, info: Info) -> None:
        if self._bar is None:
            return
        self._done += 1
        if stage == "draws" and info.divergent is not None:
            self._divergent += int(info.divergent.sum())
        if self._done % self._every == 0 or self._done == self._bar.tasks[0].total:
            figures = f"acceptance {float(info.acceptance_rate.mean()):.2f}"
            figures += f"  {self._divergent} divergent" if self._divergent else ""
            self._bar.update(self._task, completed=self._done, description=stage, figures=figures)

    def __enter__(self) -> _Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
