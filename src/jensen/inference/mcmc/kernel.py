"""What every kernel is made of, and what sampling and adaptation ask of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from jensen.errors import JensenError

LogDensity = Callable[[Tensor], Tensor]
"""z (*chains, Z) to log pi(z) (*chains,), nats, up to a constant."""

Position = Tensor | dict[str, Tensor]
"""Where the chains stand: z (*chains, Z), or named variables (*chains, ...), as Gibbs sampling has them."""


class Info(NamedTuple):
    """What a step did.

    acceptance_rate: min(1, r) of Metropolis's ratio r, (*chains,); 0 where r is no number.
    accepted: whether the proposal was taken, (*chains,).
    divergent: whether the integrator lost its way, (*chains,); kernels that do not integrate have none.
    """

    acceptance_rate: Tensor
    accepted: Tensor
    divergent: Tensor | None = None


@runtime_checkable
class Kernel(Protocol):
    """A transition that leaves a law invariant, for any number of chains at once."""

    def init(self, position: Any) -> Any:
        """The state of chains that stand at `position`; it has a field `position`."""

    def step(self, state: Any) -> tuple[Any, Info]:
        """One transition of every chain."""


@runtime_checkable
class Tunable(Protocol):
    """A kernel whose moves are of size step_size * scale, which a warm-up finds where `step_size` is None.

    step_size: of all chains. scale: broadcasts against (*chains, Z), best the standard deviations under pi.
    target_acceptance: the mean acceptance rate at which it is most efficient, for chains of that many dimensions.
    """

    @property
    def step_size(self) -> float | None:
        """None until it is found."""

    @property
    def scale(self) -> Tensor | float:
        """1 until it is found."""

    def target_acceptance(self, num_dims: int) -> float:
        """What `step_size` is driven to."""

    def init(self, position: Any) -> Any:
        """As of every kernel."""

    def step(self, state: Any) -> tuple[Any, Info]:
        """As of every kernel."""

    def tuned(self, step_size: float, scale: Tensor | float) -> Tunable:
        """The same kernel with these."""


def checked(step_size: float | None) -> float | None:
    """A step size that is positive, or None, to be found."""
    if step_size is not None and not step_size > 0:
        raise JensenError(f"step_size must be positive, got {step_size}: leave it out and the warm-up finds one")
    return step_size


def metropolis(log_ratio: Tensor) -> Info:
    """Accepts with probability min(1, r), r = exp(log_ratio) (*chains,); never where r is no number."""
    rate = log_ratio.exp().clamp(max=1).nan_to_num(0.0)
    return Info(rate, torch.rand_like(rate) < rate)
