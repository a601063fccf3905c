"""Random-walk Metropolis (Metropolis et al. 1953), vectorised over chains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from jensen.inference.mcmc.kernel import Info, LogDensity, checked, metropolis


class State(NamedTuple):
    """Where the chains stand: position (*chains, Z), log_density (*chains,), nats."""

    position: Tensor
    log_density: Tensor


@torch.no_grad()
def init(log_density: LogDensity, position: Shaped[Tensor, "*chains dims"]) -> State:
    """The state of chains that stand at `position`."""
    return State(position, log_density(position))


@torch.no_grad()
def step(log_density: LogDensity, state: State, step_size: Float[Tensor, "..."]) -> tuple[State, Info]:
    """Proposes z' ~ N(z, step_size^2), accepted with probability min(1, pi(z') / pi(z)).

    The proposal is symmetric, so that it does not appear in the ratio. On N(0, 1) with proposals of standard deviation
    s the mean acceptance is (2 / pi) arctan(2 / s).
    """
    position = state.position + step_size * torch.randn_like(state.position)
    proposed = State(position, log_density(position))
    info = metropolis(proposed.log_density - state.log_density)
    return choose(info.accepted, proposed, state), info


def choose(accepted: Tensor, new: State, old: State) -> State:
    """The proposal where it was accepted."""
    return State(
        torch.where(accepted[..., None], new.position, old.position),
        torch.where(accepted, new.log_density, old.log_density),
    )


@dataclass(frozen=True)
class RandomWalk:
    """The kernel that `random_walk` makes."""

    log_density: LogDensity
    step_size: float | None
    scale: Tensor | float

    def target_acceptance(self, num_dims: int) -> float:
        """.44 in one dimension, .234 in many (Roberts, Gelman & Gilks 1997)."""
        return 0.44 if num_dims == 1 else 0.234

    def tuned(self, step_size: float, scale: Tensor | float) -> RandomWalk:
        """The same kernel with these."""
        return replace(self, step_size=step_size, scale=scale)

    def init(self, position: Tensor) -> State:
        """The state of chains that stand at `position`."""
        return init(self.log_density, position)

    def step(self, state: State) -> tuple[State, Info]:
        """One proposal for every chain."""
        assert self.step_size is not None
        size = torch.as_tensor(self.step_size * self.scale, dtype=state.position.dtype, device=state.position.device)
        return step(self.log_density, state, size)


def random_walk(log_density: LogDensity, step_size: float | None = None, scale: Tensor | float = 1.0) -> RandomWalk:
    """Random-walk Metropolis, for `sample_chains`.

    Args:
        log_density: z (chains, Z) to log pi(z) (chains,), up to a constant.
        step_size: of the proposal's standard deviation step_size * scale; None: found in the warm-up, with the scale.
        scale: standard deviations of the coordinates, (Z,) or one for all.

    Raises:
        JensenError: a step size that is not positive.
    """
    return RandomWalk(log_density, checked(step_size), scale)
