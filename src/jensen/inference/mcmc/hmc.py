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
        # Without the second term a density that is flat, as a uniform one, would have no graph to differentiate.
        (gradient,) = torch.autograd.grad(value.sum() + 0 * z.sum(), z)
    return value.detach(), gradient


def init(log_density: LogDensity, position: Float[Tensor, "*chains dims"]) -> State:
    """The state of chains that stand at `position`."""
    return State(position.detach(), *value_and_gradient(log_density, position))


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
    end = state
    for _ in range(num_leapfrog):
        momentum = momentum + 0.5 * step_size * end.gradient
        # Where a chain diverges its momentum is not finite either, and the proposal is refused.
        end = evaluate((end.position + step_size * momentum).nan_to_num(0.0, 0.0, 0.0))
        momentum = momentum + 0.5 * step_size * end.gradient
    change = 0.5 * momentum.square().sum(-1) - end.log_density - energy
    rate = (-change).exp().clamp(max=1).nan_to_num(0.0)
    accepted = torch.rand_like(rate) < rate
    return State(
        torch.where(accepted[..., None], end.position, state.position),
        torch.where(accepted, end.log_density, state.log_density),
        torch.where(accepted[..., None], end.gradient, state.gradient),
    ), Info(rate, accepted)
