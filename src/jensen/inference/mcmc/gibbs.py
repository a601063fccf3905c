"""Gibbs sampling (Geman & Geman 1984): each variable in turn from its law given all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from jensen.errors import JensenError, unknown
from jensen.inference.mcmc.kernel import Info

Variables = dict[str, Tensor]
Conditional = Callable[[Variables], Tensor]
"""All variables, (*chains, ...) each, to a draw of one of them given the others."""


class State(NamedTuple):
    """Where the chains stand: each variable, (*chains, ...)."""

    position: Variables


def init(conditionals: Mapping[str, Conditional], position: Variables) -> State:
    """The state of chains that stand at `position`, which must hold every variable that is drawn."""
    for name in conditionals:
        if name not in position:
            raise unknown("variable", name, position)
    return State(dict(position))


@torch.no_grad()
def step(
    conditionals: Mapping[str, Conditional], state: State, scan: Literal["systematic", "random"] = "systematic"
) -> tuple[State, Info]:
    """As many draws as there are conditionals, each seeing what was drawn before it. Every draw is accepted.

    Args:
        conditionals: for each variable, a draw from p(variable | all others).
        state: of the chains.
        scan: "systematic": in the order of `conditionals`. "random": each time any one of them, with replacement, the
            same for all chains, which makes the chain reversible.
    """
    position = dict(state.position)
    names = list(conditionals)
    if scan == "random":
        names = [names[i] for i in torch.randint(len(names), (len(names),)).tolist()]
    for name in names:
        drawn = conditionals[name](position)
        if drawn.shape != position[name].shape:
            shapes = f"{tuple(drawn.shape)}, and it was {tuple(position[name].shape)}"
            raise JensenError(f"the conditional of '{name}' draws a tensor of shape {shapes}: draw one for each chain")
        position[name] = drawn
    ones = torch.ones(next(iter(position.values())).shape[0])
    return State(position), Info(ones, ones.bool())


@dataclass(frozen=True)
class Gibbs:
    """The kernel that `gibbs` makes."""

    conditionals: Mapping[str, Conditional]
    scan: Literal["systematic", "random"]

    def init(self, position: Variables) -> State:
        """The state of chains that stand at `position`."""
        return init(self.conditionals, position)

    def step(self, state: State) -> tuple[State, Info]:
        """One sweep of every chain."""
        return step(self.conditionals, state, self.scan)


def gibbs(conditionals: Mapping[str, Conditional], scan: Literal["systematic", "random"] = "systematic") -> Gibbs:
    """Gibbs sampling, for `sample_chains`, whose start is then {name: tensor (chains, ...)}.

    A bivariate normal with correlation r:

        gibbs({"x": lambda v: Normal(r * v["y"], (1 - r * r) ** 0.5).sample(),
               "y": lambda v: Normal(r * v["x"], (1 - r * r) ** 0.5).sample()})

    Args:
        conditionals: for each variable, a function of all of them that draws it given the others: one block, of any
            shape and type.
        scan: "systematic" or "random", see `step`.

    Raises:
        JensenError: no conditionals, or a scan of another name.
    """
    if not conditionals:
        raise JensenError("gibbs was given no conditional: give one for each variable, {'x': draw_x, ...}")
    if scan not in ("systematic", "random"):
        raise unknown("scan", scan, ("systematic", "random"))
    return Gibbs(conditionals, scan)
