"""The evidence from both sides: annealed importance sampling forwards, and backwards on simulated data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributions import Distribution

from jensen.errors import JensenError
from jensen.evaluation.log_mean import Estimate, LogMean
from jensen.evaluation.onednn import OneDNNLinear
from jensen.inference.annealed_importance import Annealing, Path, anneal, pilot
from jensen.models.base import Directed, Latent

# Entries of x scored at once, over chains and examples: what a gradient keeps of them stays in the cache of a CPU.
CPU_ENTRIES = 2**18
GPU_ENTRIES = 2**28


class Bracket(NamedTuple):
    """Lower and upper ends of log p(x) for simulated examples x (B, *event), each (B,), nats.

    In expectation they enclose it. acceptance is the mean over all HMC steps of the forward chains.
    """

    lower: Tensor
    upper: Tensor
    acceptance: float
    x: Tensor

    @property
    def gap(self) -> tuple[float, float]:
        """The mean of upper - lower over the examples, and its standard error."""
        return mean_and_error(self.upper - self.lower)


@dataclass(frozen=True)
class _Fast:
    """The same model, decoding by oneDNN where it can; its weights are held to be constants."""

    model: Directed

    def prior(self) -> Distribution:
        return self.model.prior()

    def posterior(self, x: Tensor) -> Distribution:
        return self.model.posterior(x)  # type: ignore[attr-defined]

    def likelihood(self, z: Tensor) -> Distribution:
        with OneDNNLinear(constant_weights=True):
            return self.model.likelihood(z)


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """The mean over examples, and its standard error."""
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))


def annealed(model: Directed, x: Shaped[Tensor, "batch *event"], annealing: Annealing | None = None) -> Estimate:
    """log p(x) by annealed importance sampling: log (1/C) sum_c w_c for each x (B,), nats.

    In expectation a lower bound. The standard error is the delta method's over the C chains.
    """
    annealing = annealing or Annealing()
    parts = []
    for some in x.split(examples_at_once(x, annealing)):
        path = Path(_Fast(model), some, annealing)
        log_weights, _ = anneal(path, pilot(path))
        total = LogMean(len(some), some.device)
        total.add(log_weights)
        parts.append(total.estimate())
    return Estimate(*(torch.cat(column) for column in zip(*parts, strict=True)))


def bracket(model: Latent, num_examples: int = 100, annealing: Annealing | None = None) -> Bracket:
    """Both ends of log p(x) for x simulated from the model, whose exact posterior sample is the z that made them.

    Forward chains give a stochastic lower bound, chains that start at that z and run backwards an upper one
    (Grosse, Ghahramani & Adams 2015). It speaks of the model's own x, and of other data as far as they are alike.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z).
        num_examples: B.
        annealing: of both directions; their schedule is found by a pilot run and then frozen.
    """
    if num_examples < 2:
        raise JensenError(f"num_examples must be at least 2, got {num_examples}")
    annealing = annealing or Annealing()
    with torch.no_grad():
        z = model.prior().sample(torch.Size([num_examples]))
        x = model.likelihood(z).sample()
    lower, upper, rates = [], [], []
    size = examples_at_once(x, annealing)
    for some_x, some_z in zip(x.split(size), z.split(size), strict=True):
        path = Path(_Fast(model), some_x, annealing)
        schedule = pilot(path)
        forward, rate = anneal(path, schedule)
        start = some_z.expand(annealing.num_chains, *some_z.shape)
        backward, _ = anneal(path, schedule, backward_from=start)
        log_chains = math.log(annealing.num_chains)
        lower.append(forward.logsumexp(0) - log_chains)
        upper.append(log_chains - (-backward).logsumexp(0))
        rates.append(rate.mean())
    return Bracket(torch.cat(lower), torch.cat(upper), float(torch.stack(rates).mean()), x)


def examples_at_once(x: Tensor, annealing: Annealing) -> int:
    """How many examples are annealed together: equal parts of x, by its shape alone."""
    entries = (CPU_ENTRIES if x.device.type == "cpu" else GPU_ENTRIES) // annealing.num_chains
    num_parts = math.ceil(x.numel() / max(entries, x[0].numel()))
    return math.ceil(len(x) / num_parts)
