"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011), vectorised over chains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jensen.errors import JensenError
from jensen.inference.mcmc.kernel import Info, LogDensity, checked, metropolis

MAX_LEAPFROG = 100  # of a trajectory, however small the step size
DIVERGENCE = 1000.0  # nats by which the energy may be off, as Stan has it


class State(NamedTuple):
    """Where the chains stand.

    position: (*chains, Z). log_density: (*chains,), nats. gradient: of the log-density, (*chains, Z).
    """

    position: Tensor
    log_density: Tensor
    gradient: Tensor


def value_and_gradient(log_density: LogDensity, position: Tensor) -> tuple[Tensor, Tensor]:
    """log pi(z) (*chains,) and its gradient (*chains, Z)."""
    with torch.enable_grad():
        z = position.detach().requires_grad_()
        value = log_density(z)
        if not value.requires_grad:  # a density that is flat, as a uniform one, has no graph to differentiate
            return value, torch.zeros_like(z)
        (gradient,) = torch.autograd.grad(value, z, torch.ones_like(value), materialize_grads=True)
    return value.detach(), gradient


def init(log_density: LogDensity, position: Float[Tensor, "*chains dims"]) -> State:
    """The state of chains that stand at `position`."""
    return State(position.detach(), *value_and_gradient(log_density, position))


def leapfrog(
    evaluate: Callable[[Tensor], State],
    state: State,
    momentum: Float[Tensor, "*chains dims"],
    step_size: Float[Tensor, "..."],
    num_leapfrog: int,
) -> tuple[State, Float[Tensor, "*chains dims"]]:
    """`num_leapfrog` steps of size eps under H = -log pi(z) + |p|^2 / 2: the state and the momentum at the end.

    Each is p += eps/2 grad log pi(z), z += eps p, p += eps/2 grad log pi(z); two half kicks in a row are one.
    """
    half = 0.5 * step_size
    momentum = momentum + half * state.gradient
    for i in range(num_leapfrog):
        # Where a chain diverges its momentum is not finite either, and the proposal is refused.
        state = evaluate((state.position + step_size * momentum).nan_to_num(0.0, 0.0, 0.0))
        momentum = momentum + (step_size if i < num_leapfrog - 1 else half) * state.gradient
    return state, momentum


@torch.no_grad()
def step(
    evaluate: Callable[[Tensor], State],
    state: State,
    step_size: Float[Tensor, "..."],
    num_leapfrog: int = 10,
) -> tuple[State, Info]:
    """One proposal of `num_leapfrog` leapfrog steps under H = -log pi(z) + |p|^2 / 2, accepted by Metropolis.

    Leaves pi invariant whatever the step size, as long as that does not depend on where the chain stands. A step size
    for each dimension, best in proportion to its standard deviation under pi, is what others write as a diagonal mass.

    Args:
        evaluate: the state at a position: `partial(init, log_density)`, or whatever else knows value and gradient. Its
            last call is at the position proposed.
        state: of the chains.
        step_size: broadcasts against (*chains, Z).
        num_leapfrog: steps of a proposal, one gradient each.
    """
    momentum = torch.randn_like(state.position)
    energy = 0.5 * momentum.square().sum(-1) - state.log_density
    end, momentum = leapfrog(evaluate, state, momentum, step_size, num_leapfrog)
    change = 0.5 * momentum.square().sum(-1) - end.log_density - energy
    rate, accepted, _ = metropolis(-change)
    return _choose(accepted, end, state), Info(rate, accepted, ~(change < DIVERGENCE))


def _choose(accepted: Bool[Tensor, "*chains"], new: State, old: State) -> State:
    moved = accepted[..., None]
    return State(
        torch.where(moved, new.position, old.position),
        torch.where(accepted, new.log_density, old.log_density),
        torch.where(moved, new.gradient, old.gradient),
    )


@dataclass(frozen=True)
class HMC:
    """The kernel that `hmc` makes."""

    log_density: LogDensity
    step_size: float | None
    scale: Tensor | float
    trajectory_length: float

    def target_acceptance(self, num_dims: int) -> float:
        """.8: above the optimum of .65 in theory (Beskos et al. 2013), as curvature varies over real posteriors."""
        return 0.8

    def tuned(self, step_size: float, scale: Tensor | float) -> HMC:
        """The same kernel with these."""
        return replace(self, step_size=step_size, scale=scale)

    def init(self, position: Tensor) -> State:
        """The state of chains that stand at `position`."""
        return init(self.log_density, position)

    def step(self, state: State) -> tuple[State, Info]:
        """One trajectory of every chain."""
        assert self.step_size is not None
        longest = min(max(1, math.ceil(self.trajectory_length / self.step_size)), MAX_LEAPFROG)
        num_leapfrog = int(torch.randint(1, longest + 1, ()))
        size = torch.as_tensor(self.step_size * self.scale, dtype=state.position.dtype, device=state.position.device)
        return step(partial(init, self.log_density), state, size, num_leapfrog)


def hmc(
    log_density: LogDensity,
    step_size: float | None = None,
    scale: Tensor | float = 1.0,
    trajectory_length: float = math.pi,
) -> HMC:
    """Hamiltonian Monte Carlo with trajectories of random length, for `sample_chains`.

    A trajectory that comes back to where it began is wasted, and on a Gaussian each fixed length does so in some
    direction; here each step draws its number of leapfrog steps uniformly from 1 to trajectory_length / step_size, one
    number for all chains (Mackenzie 1989; Neal 2011, section 3.2). It is drawn before the chains are looked at, so that
    pi stays invariant.

    Args:
        log_density: z (chains, Z) to log pi(z) (chains,), up to a constant; its gradient comes from autograd.
        step_size: of the leapfrog, in units of `scale`; None: found in the warm-up, with the scale.
        scale: standard deviations of the coordinates, (Z,) or one for all.
        trajectory_length: the longest, in units of `scale`; at most 100 leapfrog steps are made whatever it is. Half a
            turn around a Gaussian is pi; correlated coordinates need more.

    Raises:
        JensenError: a step size or length that is not positive.
    """
    if not trajectory_length > 0:
        raise JensenError(f"trajectory_length must be positive, got {trajectory_length}: pi is half a turn")
    return HMC(log_density, checked(step_size), scale, trajectory_length)
