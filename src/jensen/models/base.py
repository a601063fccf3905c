"""The contract between models and everything that uses them: protocols, and no behaviour.

A model is a plain `nn.Module`. What it can do is what it has: a density has `log_prob`, a latent-variable model has
`prior`, `posterior` and `likelihood`, a mixture fitted by EM has `e_step` and `m_step`, an implicit model has `sample`
alone, and one that only reconstructs has `encode` and `reconstruct`. A capability that a model lacks is an absent
method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch

ModelKind = Literal["exact", "bounded", "implicit", "reconstruction", "classifier"]


@runtime_checkable
class Exact(Protocol):
    """A model whose density is known."""

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,)."""
        ...


@runtime_checkable
class Directed(Protocol):
    """A model p(z) p(x | z), each a Distribution: its evidence can be annealed from the prior."""

    def prior(self) -> Distribution:
        """p(z): event_shape (Z,)."""
        ...

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | z): batch_shape (..., B), event_shape of x."""
        ...


@runtime_checkable
class Latent(Directed, Protocol):
    """The same with an approximate posterior q(z | x)."""

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch_shape (B,), event_shape (Z,)."""
        ...


@runtime_checkable
class Conditional(Protocol):
    """A model of x given y: bound to a y it is a model like any other."""

    def condition_of(self, batch: Batch) -> Tensor:
        """The y that goes with each x of a batch: labels (B,), or numbers (B, Y), which may be a part of x."""
        ...

    def given(self, y: Tensor) -> Latent:
        """The model of x given y: of y for one example every x has it, of (B, ...) each x its own."""
        ...


@runtime_checkable
class Reconstructing(Protocol):
    """A model that codes x and decodes the code."""

    def encode(self, x: Tensor) -> Tensor:
        """The code of x, (B, Z)."""
        ...

    def reconstruct(self, x: Tensor) -> Tensor:
        """The decoded code of x, (B, *event)."""
        ...

    def reconstruction_errors(self, x: Tensor) -> dict[str, Tensor]:
        """What is lost of each example, (B,), by name: in nats, or in squared units of x where the name says so."""
        ...


@runtime_checkable
class Classifying(Protocol):
    """A model that says which class x is of."""

    def classify(self, x: Tensor) -> Tensor:
        """log p(y | x) of every class y, (B, C), nats."""
        ...


@runtime_checkable
class Mixture(Protocol):
    """A model fitted by expectation maximisation."""

    def e_step(self, x: Tensor) -> Tensor:
        """Log-responsibilities (N, K)."""
        ...

    def e_step_and_bound(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The same with its figures, scalars in nats per example: first the bound, which EM never lowers."""
        ...

    def m_step(self, x: Tensor, log_responsibilities: Tensor) -> None:
        """Sets the parameters to the maximisers of the expected complete-data log-likelihood."""
        ...


@runtime_checkable
class Evidenced(Protocol):
    """A model whose parameters are integrated out: it bounds log p of all its training data together."""

    evidence_bound: Tensor  # () nats
    num_fitted: Tensor  # () the rows that it is of


@runtime_checkable
class FitsItself(Protocol):
    """A model fitted to all the data at once: in closed form, or by an algorithm of its own."""

    def fit_to(self, x: Tensor, validation: Tensor) -> dict[str, Tensor]:
        """Sets the model to its fit to x (N, *event); `validation` (M, *event), M >= 0, may choose among several fits.

        Returns the figures worth logging, scalar tensors in nats per example.
        """
        ...


class Clock(NamedTuple):
    """Where training stands, as scalar tensors: a Python number would recompile a compiled step."""

    step: Tensor  # () int64, from 0
    progress: Tensor  # () float32, step / steps, in [0, 1)


class Turn(NamedTuple):
    """One player's move: `loss` () is descended with respect to `parameters`, and nothing else gets a gradient.

    `terms` are the figures worth logging, each a scalar tensor in nats unless its name says otherwise. `rate` times the
    training's learning rate is the player's.
    """

    player: str
    loss: Tensor
    parameters: Sequence[nn.Parameter]
    terms: dict[str, Tensor] = {}  # noqa: RUF012  # never mutated
    rate: float = 1.0


@runtime_checkable
class TakesTurns(Protocol):
    """A model that brings its own way of training, as an adversarial one does."""

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn | tuple[Turn, ...]]:
        """Yields each player's turn; code after a yield runs once that player has moved.

        A tuple of Turns shares one forward pass: their gradients are taken together, then all move.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """A model that says itself when its training has gone wrong."""

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words that name the setting to change, where its figures, means over some steps, show that; or None."""
        ...


def kind_of(model: nn.Module) -> ModelKind:
    """What the model can say of x, read off its capabilities.

    "exact" where it has `log_prob`, "bounded" where it has p(z), q(z | x) and p(x | z), "reconstruction" where it codes
    x and cannot be sampled, "classifier" where all it says is p(y | x), "implicit" otherwise.
    """
    if isinstance(model, Exact):
        return "exact"
    if isinstance(model, Latent):
        return "bounded"
    if isinstance(model, Reconstructing) and not hasattr(model, "sample"):
        return "reconstruction"
    if isinstance(model, Classifying) and not hasattr(model, "sample"):
        return "classifier"
    return "implicit"


def bound_to(model: Any, batch: Batch) -> Any:
    """The model of this batch's x: given its y where the model takes a condition, the model itself where it does not.

    Whoever scores x, or trains on it, asks for this once and need not know of conditions.
    """
    return model.given(model.condition_of(batch)) if isinstance(model, Conditional) else model
