"""Metropolis-Hastings with a proposal distribution of the user's (Hastings 1970), vectorised over chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError
from jensen.inference.mcmc.kernel import Info, LogDensity, metropolis
from jensen.inference.mcmc.random_walk import State, choose, init

Proposal = Callable[[Tensor], Distribution]
"""z (*chains, Z) to q(. | z), a distribution whose batch is the chains."""

__all__ = ["MetropolisHastings", "Proposal", "State", "independent", "init", "metropolis_hastings", "step"]


@torch.no_grad()
def step(log_density: LogDensity, state: State, proposal: Proposal) -> tuple[State, Info]:
    """Proposes z' ~ q(. | z), accepted with probability min(1, pi(z') q(z | z') / (pi(z) q(z' | z)))."""
    forward = proposal(state.position)
    position = forward.sample()
    proposed = State(position, log_density(position))
    correction = proposal(position).log_prob(state.position) - forward.log_prob(position)
    info = metropolis(proposed.log_density - state.log_density + correction)
    return choose(info.accepted, proposed, state), info


def independent(q: Distribution) -> Proposal:
    """Proposals that do not look at where the chain stands: the ratio is that of the importance weights pi / q."""
    return lambda position: q.expand(position.shape[:-1])


@dataclass(frozen=True)
class MetropolisHastings:
    """The kernel that `metropolis_hastings` makes."""

    log_density: LogDensity
    proposal: Proposal

    def init(self, position: Tensor) -> State:
        """The state of chains that stand at `position`."""
        chains, found = position.shape[:-1], self.proposal(position).batch_shape
        if found != chains:
            raise JensenError(
                f"a proposal must be one distribution over z for each of {chains.numel()} chains, got batch "
                f"{tuple(found)}: where it is one for each entry of z, Independent(q, 1) makes it one"
            )
        return init(self.log_density, position)

    def step(self, state: State) -> tuple[State, Info]:
        """One proposal for every chain."""
        return step(self.log_density, state, self.proposal)


def metropolis_hastings(log_density: LogDensity, proposal: Proposal | Distribution) -> MetropolisHastings:
    """Metropolis-Hastings, for `sample_chains`.

    Args:
        log_density: z (chains, Z) to log pi(z) (chains,), up to a constant.
        proposal: q(. | z) as a function from z (chains, Z) to a Distribution whose batch is the chains and whose event
            is (Z,), such as `lambda z: Independent(Normal(z, 0.5), 1)`; or one Distribution over (Z,), which does not
            look at z (independent Metropolis-Hastings). Its tails must not be lighter than pi's.

    Raises:
        JensenError: on the first use, a proposal whose batch is not the chains.
    """
    return MetropolisHastings(log_density, independent(proposal) if isinstance(proposal, Distribution) else proposal)
