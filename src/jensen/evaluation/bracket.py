"""The evidence from both sides: annealed importance sampling forwards, and backwards on simulated data."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from jensen.errors import JensenError
from jensen.evaluation.likelihood import Estimate, LogMean
from jensen.inference.annealed_importance import Annealing, Path, anneal, tune_step_sizes
from jensen.models.base import Latent

# Examples annealed together: their chains' activations stay in a CPU's cache.
EXAMPLES = 100


class Bracket(NamedTuple):
    """Lower and upper ends of log p(x) for simulated examples, each (B,), nats; in expectation they enclose it.

    acceptance is the mean over all HMC steps of the forward chains.
    """

    lower: Tensor
    upper: Tensor
    acceptance: float

    @property
    def gap(self) -> tuple[float, float]:
        """The mean of upper - lower over the examples, and its standard error."""
        difference = self.upper - self.lower
        return float(difference.mean()), float(difference.std()) / math.sqrt(len(difference))


def annealed(model: Latent, x: Shaped[Tensor, "batch *event"], annealing: Annealing | None = None) -> Estimate:
    """log p(x) by annealed importance sampling: log (1/C) sum_c w_c for each x (B,), nats.

    In expectation a lower bound. The standard error is the delta method's over the C chains.
    """
    annealing = annealing or Annealing()
    parts = []
    for some in x.split(EXAMPLES):
        path = Path(model, some, annealing.start)
        log_weights, _ = anneal(path, annealing, tune_step_sizes(path, annealing))
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
        annealing: the schedule of both directions; step sizes are tuned by a pilot run and then frozen.
    """
    if num_examples < 2:
        raise JensenError(f"num_examples must be at least 2, got {num_examples}")
    annealing = annealing or Annealing()
    with torch.no_grad():
        z = model.prior().sample(torch.Size([num_examples]))
        x = model.likelihood(z).sample()
    lower, upper, rates = [], [], []
    for some_x, some_z in zip(x.split(EXAMPLES), z.split(EXAMPLES), strict=True):
        path = Path(model, some_x, annealing.start)
        sizes = tune_step_sizes(path, annealing)
        forward, rate = anneal(path, annealing, sizes)
        start = some_z.expand(annealing.num_chains, *some_z.shape)
        backward, _ = anneal(path, annealing, sizes, backward_from=start)
        log_chains = math.log(annealing.num_chains)
        lower.append(forward.logsumexp(0) - log_chains)
        upper.append(log_chains - (-backward).logsumexp(0))
        rates.append(rate.mean())
    return Bracket(torch.cat(lower), torch.cat(upper), float(torch.stack(rates).mean()))
