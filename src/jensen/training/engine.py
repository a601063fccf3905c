"""One step of training, and the state that makes the next one: by gradient, or by expectation maximisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.data.spec import Batch
from jensen.inference.em import EM
from jensen.models.base import Clock, Turn
from jensen.objectives.base import Objective
from jensen.training.config import Training
from jensen.training.processes import cuda_devices, single_process


@runtime_checkable
class Engine(Protocol):
    """What `fit` drives."""

    converged: bool  # nothing more to gain

    def step(self, number: int) -> dict[str, Tensor]:
        """Makes step `number` (from 0) and returns the figures worth logging, scalar tensors."""
        ...

    def validate(self, data: Dataset) -> dict[str, float]:
        """The same figures on held-out data, the mean over its examples; empty where there is nothing to compare."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Everything the next step depends on, beside the model and the random state."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        ...


class Order:
    """The order in which examples are seen: a function of (seed, epoch), so that any step can be resumed.

    Batches follow one another through a fresh permutation each epoch; a batch may span two epochs, so that every one
    has `batch_size` examples and every example is seen equally often.
    """

    def __init__(self, num_examples: int, batch_size: int, seed: int) -> None:
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.seed = seed
        self._epochs: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Tensor:
        """The indices of step `step`, (batch_size,) int64."""
        parts = []
        position = step * self.batch_size
        end = position + self.batch_size
        while position < end:
            epoch, start = divmod(position, self.num_examples)
            stop = min(self.num_examples, start + end - position)
            parts.append(self._permutation(epoch)[start:stop])
            position += stop - start
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            mixed = int(np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator().manual_seed(mixed)
            self._epochs = {e: p for e, p in self._epochs.items() if e == epoch - 1}
            self._epochs[epoch] = torch.randperm(self.num_examples, generator=generator)
        return self._epochs[epoch]


class GradientEngine:
    """Trains by turns: each player's loss is descended with respect to its own parameters, by its own Adam.

    Gradients are taken with respect to the turn's parameters alone, so that they reach nobody else.
    """

    def __init__(
        self, model: nn.Module, data: Dataset, objective: Objective, training: Training, fabric: Fabric | None = None
    ) -> None:
        self.model = model
        self.data = data
        self.objective = objective
        self.training = training
        self.fabric = fabric or single_process(training)
        self.device = torch.device(training.device)
        self.order = Order(len(data), training.batch_size, training.seed)
        self.labelled = data.labelled
        if self.labelled is not None:
            count = len(self.labelled)
            # Another seed, so that the two orders have nothing to do with each other.
            self.labelled_order = Order(count, min(count, training.batch_size), training.seed + 1_000_003)
        self.optimizers: dict[str, torch.optim.Adam] = {}
        self.converged = False
        self._names = {parameter: name for name, parameter in model.named_parameters()}
        self._loaded: dict[str, Tensor] = {}
        self._compiled: Callable[[Batch, Clock], tuple[Tensor, dict[str, Tensor]]] | None = None
        self._single: Turn | None = None

    def step(self, number: int) -> dict[str, Tensor]:
        """One batch, every player once."""
        batch = self._batch(number)
        rate = learning_rate(self.training, number)
        clock = self._clock(number)
        if self.training.compile == "yes" and self._single is not None:
            return self._compiled_step(batch, clock, rate)
        logged: dict[str, Tensor] = {}
        moves: list[Turn] = []
        turns = self.objective.turns(self.model, batch, clock)
        while True:
            with self.fabric.autocast():
                together = next(turns, None)
            if together is None:
                break
            shared = (together,) if isinstance(together, Turn) else together
            self._move(shared, rate)
            moves += shared
            for turn in shared:
                logged |= _figures(turn)
        self._single = moves[0] if len(moves) == 1 else None
        return logged

    def _batch(self, number: int) -> Batch:
        """This process's share of the examples of a step; beside it labelled ones, where some have no label."""
        share = slice(self.fabric.global_rank, None, self.fabric.world_size)
        batch = self.data.batch(self.order(number)[share].to(self.device))
        if self.labelled is None:
            return batch
        return batch._replace(labelled=self.data.batch(self.labelled[self.labelled_order(number)[share]]))

    def validate(self, data: Dataset) -> dict[str, float]:
        """The mean of the terms over `data`, for a model with one player; the random state is left as it was.

        The loss is the one that training ends with, so that figures of different steps can be compared.
        """
        totals: dict[str, float] = {}
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad(), torch.random.fork_rng(cuda_devices(self.device)):
            torch.manual_seed(self.training.seed)
            for batch in data.batches(1000):
                turn = next(iter(self.objective.turns(self.model, batch, self._clock(self.training.steps))))
                if not isinstance(turn, Turn) or turn.player != "model":
                    totals = {}
                    break
                for name, value in _figures(turn).items():
                    totals[name] = totals.get(name, 0.0) + float(value) * len(batch.x)
        self.model.train(was_training)
        return {name: total / len(data) for name, total in totals.items()}

    def state(self) -> dict[str, Tensor]:
        """Each optimiser's state: "player/parameter/key"."""
        saved = dict(self._loaded)
        for player, optimizer in self.optimizers.items():
            for parameter, values in optimizer.state.items():
                for key, value in values.items():
                    saved[f"{player}/{self._names[parameter]}/{key}"] = value  # type: ignore[index]
        return saved

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Kept until the player first moves, which is when its parameters are known."""
        self._loaded = dict(state)

    def _compiled_step(self, batch: Batch, clock: Clock, rate: float) -> dict[str, Tensor]:
        # Only a game of one turn can be compiled whole: a second player's loss needs the first to have moved. The
        # step before this one ran eagerly, because torch's first look-up of a KL divergence cannot be traced.
        if self._compiled is None:
            mode = "reduce-overhead" if self.device.type == "cuda" else "default"
            self._compiled = torch.compile(self._loss, mode=mode)
        with self.fabric.autocast():
            loss, logged = self._compiled(batch, clock)
        assert self._single is not None
        self._move((self._single._replace(loss=loss),), rate)
        return {name: value.clone() for name, value in logged.items()} if self.device.type == "cuda" else logged

    def _loss(self, batch: Batch, clock: Clock) -> tuple[Tensor, dict[str, Tensor]]:
        for turn in self.objective.turns(self.model, batch, clock):
            assert isinstance(turn, Turn)
            loss, figures = turn.loss, _figures(turn)
        return loss, figures

    def _move(self, shared: Sequence[Turn], rate: float) -> None:
        gradients = [
            torch.autograd.grad(
                turn.loss, list(turn.parameters), retain_graph=place + 1 < len(shared), allow_unused=True
            )
            for place, turn in enumerate(shared)
        ]
        for turn, gradient in zip(shared, gradients, strict=True):
            optimizer = self._optimizer(turn)
            for parameter, value in zip(turn.parameters, gradient, strict=True):
                parameter.grad = None if value is None else value.contiguous()
            if self.fabric.world_size > 1:
                self._average(turn.parameters)
            if self.training.max_grad_norm:
                nn.utils.clip_grad_norm_(turn.parameters, self.training.max_grad_norm)
            for group in optimizer.param_groups:
                group["lr"] = turn.rate * rate
            optimizer.step()
            for parameter in turn.parameters:
                parameter.grad = None

    def _optimizer(self, turn: Turn) -> torch.optim.Adam:
        if turn.player not in self.optimizers:
            settings = self.training
            optimizer = torch.optim.Adam(
                list(turn.parameters),
                lr=settings.learning_rate,
                betas=settings.betas,
                eps=settings.eps,
                weight_decay=settings.weight_decay,
                decoupled_weight_decay=True,
                fused=True,
            )
            for parameter in turn.parameters:
                prefix = f"{turn.player}/{self._names[parameter]}/"
                keys = [key for key in self._loaded if key.startswith(prefix)]
                if keys:
                    optimizer.state[parameter] = {
                        key.removeprefix(prefix): self._loaded.pop(key).to(parameter.device) for key in keys
                    }
            self.optimizers[turn.player] = optimizer
        return self.optimizers[turn.player]

    def _average(self, parameters: Sequence[nn.Parameter]) -> None:
        # One flat collective a turn, with the floating-point buffers (running statistics) in it.
        tensors = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        tensors += [b for b in self.model.buffers() if b.is_floating_point()]
        flat = self.fabric.all_reduce(torch.cat([t.flatten().to(torch.float64) for t in tensors]), reduce_op="mean")
        assert isinstance(flat, Tensor)
        pieces = flat.split([t.numel() for t in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))
        for parameter, tensor in zip(parameters, tensors, strict=False):
            parameter.grad = tensor

    def _clock(self, number: int) -> Clock:
        step = torch.tensor(number, device=self.device)
        return Clock(step, torch.tensor(number / self.training.steps, dtype=torch.float32, device=self.device))


class EMEngine:
    """Trains a mixture by expectation maximisation: a step is one E-step and one M-step on all the data."""

    def __init__(self, model: nn.Module, data: Dataset, training: Training) -> None:
        self.model = model
        self.training = training
        self.converged = False
        self._em = EM(model, data.all().x)  # type: ignore[arg-type]

    def step(self, number: int) -> dict[str, Tensor]:
        """One iteration; converged once what EM climbs rises by no more than `tolerance` nats per example."""
        before = self._em.bound
        figures = self._em.step()
        self.converged = bool(self._em.bound - before <= self.training.tolerance)
        return figures

    def validate(self, data: Dataset) -> dict[str, float]:
        """The mean log p(x) of held-out data."""
        return {"log_prob": float(self.model.log_prob(data.all().x).mean())}  # type: ignore[operator]

    def state(self) -> dict[str, Tensor]:
        """Whether the last step was the last: where EM stands is a function of the model and the data."""
        return {"converged": torch.tensor(self.converged)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.converged = bool(state["converged"])


def learning_rate(training: Training, number: int) -> float:
    """The rate at step `number`: linear from 0 over the warm-up, then as the schedule says."""
    warmup = round(training.warmup * training.steps)
    if number < warmup:
        return training.learning_rate * (number + 1) / warmup
    if training.schedule == "constant":
        return training.learning_rate
    if training.schedule == "burda":
        # Stage i = 0 .. 7 is 3^i of 3,280 epochs at 10^(-i/7) times the first rate, rounded as its authors did.
        stage = next(i for i in range(8) if 2 * 3280 * number < (3 ** (i + 1) - 1) * training.steps)
        return training.learning_rate * round(10 ** (1 - stage / 7), 1) / 10
    return training.learning_rate * (training.steps - number) / (training.steps - warmup)


def _figures(turn: Turn) -> dict[str, Tensor]:
    if turn.player == "model":
        return {"loss": turn.loss.detach(), **turn.terms}
    return turn.terms or {f"{turn.player}_loss": turn.loss.detach()}
