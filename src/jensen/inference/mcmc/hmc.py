"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011), vectorised over chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LogDensity = Callable[[Tensor], Tensor]


class State(NamedTuple):
    """Where the chains stand.

    position: (*chains, Z). log_density: (*chains,), nats. gradient: of the log-density, (*chains, Z).
    """

    position: Tensor
    log_density: Tensor
    gradient: Tensor


class Info(NamedTuple):
    """What a step did.

    acceptance_rate: min(1, exp(-change of energy)), (*chains,); 0 where the energy is not finite.
    accepted: whether the proposal was taken, (*chains,).
    """

    acceptance_rate: Tensor
    accepted: Tensor


def value_and_gradient(log_density: LogDensity, position: Tensor) -> tuple[Tensor, Tensor]:
    """log pi(z) (*chains,) and its gradient (*chains, Z)."""
    with torch.enable_grad():
        z = position.detach().requires_grad_()
        value = log_density(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient


def init(log_density: LogDensity, position: Float[Tensor, "*chains dims"]) -> State:
    """The state of chains that stand at `position`."""
    return State(position.detach(), *value_and_gradient(log_density, position))


@torch.no_grad()
def step(
    log_density: LogDensity,
    state: State,
    step_size: Float[Tensor, "..."],
    num_leapfrog: int = 10,
    inverse_mass: Float[Tensor, "..."] | float = 1.0,
) -> tuple[State, Info]:
    """One proposal of `num_leapfrog` leapfrog steps under H = -log pi(z) + p' M^-1 p / 2, accepted by Metropolis.

    Leaves pi invariant whatever the step size, as long as that does not depend on where the chain stands.

    Args:
        log_density: log pi up to a constant, (*chains, Z) -> (*chains,).
        state: of the chains.
        step_size: broadcasts against (*chains, Z).
        num_leapfrog: steps of a proposal.
        inverse_mass: the diagonal of M^-1, best near the variances of pi; broadcasts against (*chains, Z).
    """
    mass = 1 / torch.as_tensor(inverse_mass, dtype=state.position.dtype, device=state.position.device)
    momentum = torch.randn_like(state.position) * mass.sqrt()
    energy = _kinetic(momentum, mass) - state.log_density
    position, value, gradient = state
    momentum = momentum + 0.5 * step_size * gradient
    for number in range(num_leapfrog):
        position = position + step_size * momentum / mass
        value, gradient = value_and_gradient(log_density, position)
        momentum = momentum + (0.5 if number == num_leapfrog - 1 else 1.0) * step_size * gradient
    change = _kinetic(momentum, mass) - value - energy
    rate = (-change).exp().clamp(max=1).nan_to_num(0.0)
    accepted = torch.rand_like(rate) < rate
    return State(
        torch.where(accepted[..., None], position, state.position),
        torch.where(accepted, value, state.log_density),
        torch.where(accepted[..., None], gradient, state.gradient),
    ), Info(rate, accepted)


def _kinetic(momentum: Tensor, mass: Tensor) -> Tensor:
    return 0.5 * (momentum.square() / mass).sum(-1)
