"""Expectation maximisation, for any model that has an E-step and an M-step.

Source: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm; as ascent on
the evidence lower bound: Neal and Hinton (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.models.base import Exact, Mixture


@runtime_checkable
class ExactMixture(Exact, Mixture, Protocol):
    """A density that EM can fit: `log_prob`, `e_step` and `m_step`."""


@dataclass(frozen=True)
class EMResult:
    """How a run of EM went.

    log_likelihood: (steps + 1,), the mean of log p(x) in nats per example, before the first step and after each.
    converged: whether it stopped because a step gained less than the tolerance.
    """

    log_likelihood: Float[Tensor, "iterates"]
    converged: bool


@torch.no_grad()
def em_step(model: ExactMixture, x: Float[Tensor, "batch *event"]) -> Float[Tensor, ""]:
    """One E-step and one M-step on all of x; changes the model.

    The E-step sets q(z) = p(z | x), where the bound E_q log p(x, z) - E_q log q(z) equals log p(x); the M-step raises
    the bound with q held fixed. So log p(x) never falls.

    Returns:
        The mean log p(x) in nats per example *after* the step, ().
    """
    model.m_step(x, model.e_step(x))
    return model.log_prob(x).mean()


@torch.no_grad()
def em(
    model: ExactMixture, x: Float[Tensor, "batch *event"], *, max_steps: int = 1000, tolerance: float = 1e-10
) -> EMResult:
    """Repeats `em_step`, from where the model stands, until a step gains less than the tolerance; changes the model.

    EM climbs to a stationary point of the likelihood, which need not be the highest one: start it more than once.

    Args:
        model: already initialised.
        x: all of the data, (N, *event).
        max_steps: the most steps that are taken.
        tolerance: nats per example.
    """
    history = [model.log_prob(x).mean()]
    for _ in range(max_steps):
        history.append(em_step(model, x))
        if history[-1] - history[-2] < tolerance:
            return EMResult(torch.stack(history), converged=True)
    return EMResult(torch.stack(history), converged=False)
