"""Expectation maximisation, for any model that has an E-step and an M-step.

Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm; as ascent on
the evidence lower bound: Neal and Hinton (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.errors import JensenError
from jensen.models.base import Evidenced, Exact


@runtime_checkable
class Maximising(Protocol):
    """What EM asks of a model. It need not be a module, nor z discrete: q is whatever the M-step wants to know of z.

    The bound that is climbed is the mean of the model's `log_prob(x)`, which it is where q is the posterior; or, of a
    model with `e_step_and_bound(x) -> (q, figures)`, the first of the figures.
    """

    def e_step(self, x: Tensor) -> Any:
        """q(z), best at the present parameters: its responsibilities, or the expectations that the M-step needs."""
        ...

    def m_step(self, x: Tensor, q: Any, /) -> None:
        """Sets the parameters to the maximisers of E_q log p(x, z)."""
        ...


class EM:
    """EM on x, a step at a time, from where the model stands; changes the model.

    An E-step sets q(z) to the best that it may be, which makes the bound E_q log p(x, z) + H(q) as high as it gets:
    log p(x), where q may be the posterior. The M-step raises the bound with q held fixed. So the bound never falls.
    Each E-step serves twice: it says what the M-step before it reached, and where the next one starts.

    Args:
        model: already initialised.
        x: all of the data, (N, *event).
    """

    def __init__(self, model: Maximising, x: Float[Tensor, "batch *event"]) -> None:
        self.model, self.x = model, x
        self._e_step()

    @property
    def bound(self) -> Float[Tensor, ""]:
        """What never falls, the first of the model's `figures`, at its present parameters."""
        return next(iter(self.figures.values()))

    def step(self) -> dict[str, Float[Tensor, ""]]:
        """An M-step and the E-step after it, on all of x; the figures at the new parameters, nats per example."""
        self.model.m_step(self.x, self._q)
        self._e_step()
        return self.figures

    def _e_step(self) -> None:
        self._q, self.figures = _e_step_and_bound(self.model, self.x)
        if isinstance(self.model, Evidenced):
            self.model.evidence_bound.copy_(len(self.x) * self.bound)
            self.model.num_fitted.fill_(len(self.x))


def _e_step_and_bound(model: Maximising, x: Tensor) -> tuple[Any, dict[str, Tensor]]:
    """The E-step, and what it reaches, nats per example: as the model says, or else the mean of log p(x)."""
    if hasattr(model, "e_step_and_bound"):
        return model.e_step_and_bound(x)
    if not isinstance(model, Exact):
        raise JensenError(
            f"EM must see its bound, and {type(model).__name__} has none: give it log_prob(x) -> (N,), or "
            "e_step_and_bound(x) -> (q, {'elbo': mean over x}) where log p(x) is not known"
        )
    return model.e_step(x), {"log_prob": model.log_prob(x).mean()}


@dataclass(frozen=True)
class EMResult:
    """How a run of EM went.

    bound: (steps + 1,), nats per example, before the first step and after each: the mean of log p(x), or what the model
        says that EM climbs (`e_step_and_bound`).
    converged: whether it stopped because a step gained less than the tolerance.
    """

    bound: Float[Tensor, "iterates"]
    converged: bool


@torch.no_grad()
def em(
    model: Maximising, x: Float[Tensor, "batch *event"], *, max_steps: int = 1000, tolerance: float = 1e-10
) -> EMResult:
    """Repeats E-steps and M-steps, from where the model stands, until a pair gains less than the tolerance.

    EM climbs to a stationary point of the likelihood, which need not be the highest one: start it more than once.

    Args:
        model: already initialised; it is changed.
        x: all of the data, (N, *event).
        max_steps: the most steps that are taken.
        tolerance: nats per example.

    Raises:
        JensenError: the model has no bound; the bound is NaN, or falls by more than rounding: then one of the two steps
            is not what it says.
    """
    fitting = EM(model, x)
    history = [fitting.bound]
    if history[0].isnan():
        raise JensenError("the bound is NaN before the first step: start the model where log p(x) is a number")
    for number in range(1, max_steps + 1):
        fitting.step()
        history.append(fitting.bound)
        gain = float(history[-1] - history[-2])
        rounding = torch.finfo(history[-1].dtype).eps ** 0.5 * max(1.0, abs(float(history[-2])))
        if gain < -rounding or history[-1].isnan():
            raise JensenError(
                f"step {number} of EM took the bound from {float(history[-2]):.9g} to {float(history[-1]):.9g} nats, "
                "and it cannot fall: check that e_step gives q(z) = p(z | x), and m_step the maximisers of E_q "
                "log p(x, z)"
            )
        if gain < tolerance:
            return EMResult(torch.stack(history), converged=True)
    return EMResult(torch.stack(history), converged=False)
