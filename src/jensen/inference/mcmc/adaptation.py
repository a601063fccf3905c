"""The warm-up of a kernel: its step size by dual averaging, its scale from the spread of the draws.

What adapts to its own chain leaves nothing invariant, so that all of this ends before the first draw is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from jensen.inference.mcmc.kernel import Info, Tunable

SEARCH = 40  # halvings or doublings of a first step size, at most
SETTLING = 0.15  # share of the warm-up in which only the step size is adapted: chains on their way say nothing of scale
FINAL = 0.9  # share after which the scale is left as it is, and the step size settles
FIRST_WINDOW = 10  # steps; each window is twice as long as the one before


class DualAveraging:
    """Drives a mean acceptance rate to a target (Nesterov 2009; Hoffman & Gelman 2014, section 3.2).

    After step t, with errors e_i = target - rate_i,

        log step_t = mu - sqrt(t) / gamma * sum_i e_i / (t + t0),    mu = log(10 step_0),

    and the step size that is kept is exp of the average of log step_t with weights t^-kappa.
    """

    GAMMA, T0, KAPPA = 0.05, 10.0, 0.75

    def __init__(self, step_size: float, target: float) -> None:
        self.step_size, self.target = step_size, target
        self._mu = math.log(10 * step_size)
        self._count, self._error, self._log_average = 0, 0.0, 0.0

    def update(self, rate: float) -> None:
        """Takes the mean acceptance rate of a step made with `step_size` into account."""
        self._count += 1
        t = self._count
        self._error += (self.target - rate - self._error) / (t + self.T0)
        log_step = self._mu - math.sqrt(t) / self.GAMMA * self._error
        weight = t**-self.KAPPA
        self._log_average = weight * log_step + (1 - weight) * self._log_average
        self.step_size = math.exp(log_step)

    @property
    def average(self) -> float:
        """The step size to keep."""
        return math.exp(self._log_average) if self._count else self.step_size


class Spread:
    """Running standard deviations of each dimension, over chains and steps together."""

    def __init__(self, origin: Tensor) -> None:
        """`origin` (Z,) is near the draws, so that no digits cancel where a mean is far from 0."""
        self._origin, self._count = origin.double(), 0
        self._sum, self._squares = torch.zeros_like(self._origin), torch.zeros_like(self._origin)

    def update(self, position: Tensor) -> None:
        """Takes z (chains, Z) into account."""
        z = position.double() - self._origin
        self._count += len(z)
        self._sum += z.sum(0)
        self._squares += z.square().sum(0)

    def scale(self) -> Tensor:
        """(Z,), float64, drawn towards their geometric mean as if by five draws; 1 where nothing has moved."""
        n = self._count
        variance = (self._squares - self._sum.square() / n) / max(n - 1, 1)
        log_variance = torch.where(variance > 0, variance, 1.0).log()
        return (0.5 * (n * log_variance + 5 * log_variance.mean()) / (n + 5)).exp()


def windows(num_steps: int) -> list[int]:
    """The steps after which the scale is taken anew, each window twice as long as the one before, the last longer.

    >>> windows(1000)
    [160, 180, 220, 300, 460, 900]
    """
    end, last, length = int(SETTLING * num_steps), int(FINAL * num_steps), FIRST_WINDOW
    ends = []
    while end + 3 * length <= last:
        end += length
        ends.append(end)
        length *= 2
    return [*ends, last]


def warm_up(kernel: Tunable, state: Any, num_steps: int, after_step: Callable[[Info], None]) -> tuple[Tunable, Any]:
    """The kernel with step size and scale found, and the state of the chains after `num_steps` steps.

    Step size and scale are the same for all chains: the acceptance rate is the mean over the chains, the scale their
    common spread, so that many chains need few steps. While the chains are on their way it is the harmonic mean
    (Hoffman, Radul & Sountsov 2021), or one that needs smaller steps than the others would never leave its start.

    Args:
        kernel: one without a step size.
        state: of the chains.
        num_steps: of the warm-up.
        after_step: called with each step's Info.
    """
    target = kernel.target_acceptance(state.position.shape[-1])
    ends, spread, settled = windows(num_steps), None, int(SETTLING * num_steps)
    kernel, dual = _restarted(kernel, kernel.scale, state, target, harmonic)
    for i in range(num_steps):
        state, info = kernel.step(state)
        after_step(info)
        dual.update(mean(info) if i >= settled else harmonic(info))
        kernel = kernel.tuned(dual.step_size, kernel.scale)
        if settled <= i < ends[-1]:
            spread = spread or Spread(state.position.mean(0))
            spread.update(state.position)
            if i + 1 in ends:
                kernel, dual = _restarted(kernel, spread.scale().to(state.position.dtype), state, target, mean)
                spread = None
    return kernel.tuned(dual.average, kernel.scale), state


def mean(info: Info) -> float:
    """The mean acceptance rate of the chains."""
    return float(info.acceptance_rate.mean())


def harmonic(info: Info) -> float:
    """Their harmonic mean, which is near 0 where that of one of them is."""
    return float(1 / (1 / info.acceptance_rate).mean())


def _restarted(
    kernel: Tunable, scale: Tensor | float, state: Any, target: float, average: Callable[[Info], float]
) -> tuple[Tunable, DualAveraging]:
    """The kernel with that scale and a first step size, halved or doubled until the acceptance rate crosses 1/2.

    (Hoffman & Gelman 2014, algorithm 4.)
    """

    def accepts(step_size: float) -> bool:
        return average(kernel.tuned(step_size, scale).step(state)[1]) > 0.5

    step_size = 1.0
    up = accepts(step_size)
    for _ in range(SEARCH):
        step_size *= 2 if up else 0.5
        if accepts(step_size) != up:
            break
    return kernel.tuned(step_size, scale), DualAveraging(step_size, target)
