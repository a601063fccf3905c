"""Expectation maximisation, for any model that has an E-step and an M-step.

Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm; as ascent on
the evidence lower bound: Neal and Hinton (1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.models.base import Evidenced, Mixture


class EM:
    """EM on x, a step at a time, from where the model stands; changes the model.

    An E-step sets q(z) to the best that it may be, which makes the bound E_q log p(x, z) + H(q) as high as it gets:
    log p(x), where q may be the posterior. The M-step raises the bound with q held fixed. So the bound never falls.
    Each E-step serves twice: it says what the M-step before it reached, and where the next one starts.

    Args:
        model: already initialised.
        x: all of the data, (N, *event).
    """

    def __init__(self, model: Mixture, x: Float[Tensor, "batch *event"]) -> None:
        self.model, self.x = model, x
        self._e_step()

    @property
    def bound(self) -> Float[Tensor, ""]:
        """What never falls, the first of the model's `figures`, at its present parameters."""
        return next(iter(self.figures.values()))

    def step(self) -> dict[str, Float[Tensor, ""]]:
        """An M-step and the E-step after it, on all of x; the figures at the new parameters, nats per example."""
        self.model.m_step(self.x, self._log_responsibilities)
        self._e_step()
        return self.figures

    def _e_step(self) -> None:
        self._log_responsibilities, self.figures = self.model.e_step_and_bound(self.x)
        if isinstance(self.model, Evidenced):
            self.model.evidence_bound.copy_(len(self.x) * self.bound)
            self.model.num_fitted.fill_(len(self.x))


@dataclass(frozen=True)
class EMResult:
    """How a run of EM went.

    bound: (steps + 1,), nats per example, before the first step and after each: the mean of log p(x), or what the model
        says that EM climbs (`e_step_and_bound`).
    converged: whether it stopped because a step gained less than the tolerance.
    """

    bound: Float[Tensor, "iterates"]
    converged: bool


def em(
    model: Mixture, x: Float[Tensor, "batch *event"], *, max_steps: int = 1000, tolerance: float = 1e-10
) -> EMResult:
    """Repeats E-steps and M-steps, from where the model stands, until a pair gains less than the tolerance.

    EM climbs to a stationary point of the likelihood, which need not be the highest one: start it more than once.

    Args:
        model: already initialised; it is changed.
        x: all of the data, (N, *event).
        max_steps: the most steps that are taken.
        tolerance: nats per example.
    """
    fitting = EM(model, x)
    history = [fitting.bound]
    for _ in range(max_steps):
        fitting.step()
        history.append(fitting.bound)
        if history[-1] - history[-2] < tolerance:
            return EMResult(torch.stack(history), converged=True)
    return EMResult(torch.stack(history), converged=False)
