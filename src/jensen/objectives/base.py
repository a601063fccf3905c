"""How a model is trained where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import nn

from jensen.data.spec import Batch
from jensen.errors import JensenError, unknown
from jensen.models.base import Clock, Exact, Latent, TakesTurns, Turn
from jensen.objectives.elbo import ELBO
from jensen.objectives.importance import IWAE
from jensen.objectives.maximum_likelihood import MaximumLikelihood


@runtime_checkable
class Objective(Protocol):
    """Anything that trains a model by turns."""

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn | tuple[Turn, ...]]:
        """Each player's turn on this batch."""
        ...


@dataclass(frozen=True)
class OwnTurns:
    """A model's own way of training, as an adversarial one has."""

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn | tuple[Turn, ...]]:
        """The model's own turns."""
        return model.turns(batch, clock)  # type: ignore[operator]


def default_objective(model: nn.Module) -> Objective:
    """The model's own turns where it brings them, else maximum likelihood where it has a density, else the ELBO."""
    if isinstance(model, TakesTurns):
        return OwnTurns()
    if isinstance(model, Exact):
        return MaximumLikelihood()
    if isinstance(model, Latent):
        return ELBO()
    raise JensenError(
        f"{type(model).__name__} cannot be trained: it has no log_prob(x), no prior, posterior and likelihood, "
        "and no turns(batch, clock)"
    )


OBJECTIVES: dict[str, type[Any]] = {
    "elbo": ELBO,
    "iwae": IWAE,
    "maximum-likelihood": MaximumLikelihood,
    "turns": OwnTurns,
}


def named_objective(name: str, **settings: Any) -> Objective:
    """The objective of that name, as a run's configuration holds it."""
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    return OBJECTIVES[name](**settings)


def objective_config(objective: Objective) -> dict[str, Any]:
    """The inverse of `named_objective`: a dictionary that JSON can hold."""
    names = {kind: name for name, kind in OBJECTIVES.items()}
    if type(objective) not in names:
        return {"name": type(objective).__name__}
    return {"name": names[type(objective)], **vars(objective)}
