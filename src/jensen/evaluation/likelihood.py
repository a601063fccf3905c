"""The evidence of latent-variable models, streamed: any number of importance samples in the same memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from jensen.data.spec import Spec
from jensen.distributions.point_mass import PointMass
from jensen.errors import JensenError
from jensen.evaluation.bracket import annealed
from jensen.evaluation.log_mean import Estimate, LogMean, samples_at_once
from jensen.evaluation.onednn import OneDNNLinear
from jensen.evaluation.prior_sampling import prior_sampling
from jensen.evaluation.results import Kind
from jensen.inference.annealed_importance import Annealing
from jensen.models.base import Directed, Latent
from jensen.objectives.elbo import closed_form_kl


class Draws(NamedTuple):
    """A chunk of draws z ~ q(z | x): log p(x | z), and log p(z) - log q(z | x), each (K, B)."""

    log_likelihood: Tensor
    log_ratio: Tensor


def draws(model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int) -> Iterator[Draws]:
    """`num_samples` draws for each example, in chunks whose size depends on the shape of x alone.

    q(z | x) is computed once.
    """
    if num_samples < 1:
        raise JensenError(f"num_samples must be at least 1, got {num_samples}")
    q_z, p_z = model.posterior(x), model.prior()
    chunk = samples_at_once(x)
    if isinstance(q_z, PointMass):  # all draws are one
        z = q_z.sample(torch.Size([1]))
        p_x = model.likelihood(z)
        yield Draws(*(d.expand(num_samples, -1) for d in (p_x.log_prob(x), p_z.log_prob(z))))
        return
    for start in range(0, num_samples, chunk):
        z = q_z.sample(torch.Size([min(chunk, num_samples - start)]))
        with OneDNNLinear():
            p_x = model.likelihood(z)
        yield Draws(p_x.log_prob(x), p_z.log_prob(z) - q_z.log_prob(z))


@torch.no_grad()
def log_marginal_likelihood(
    model: Directed,
    x: Shaped[Tensor, "batch *event"],
    num_samples: int | None = None,
    method: Literal["importance", "annealed", "prior"] = "importance",
    annealing: Annealing | None = None,
) -> Estimate:
    """log p(x) as the log of a mean of weights w with E w = p(x), for each x (B,), nats.

    In expectation a lower bound, which tightens with the number of weights. The standard error is the delta method's:
    the spread of the weights relative to their mean, over the root of their number; with heavy-tailed weights it is
    itself too small.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z); annealed from the prior it needs no posterior.
        x: (B, *event).
        num_samples: K weights for each x, by default 1,000, or the chains of `annealing`; memory does not grow with it.
        method: "importance" samples q(z | x) (Burda, Grosse & Salakhutdinov 2016); "annealed" runs Hamiltonian chains
            from there, or from the prior, to p(x, z) (Wu et al. 2017); "prior" averages p(x | z) over draws from p(z),
            which needs about exp(KL(p(z | x) || p(z))) of them.
        annealing: of method="annealed".
    """
    if method == "annealed":
        annealing = annealing or Annealing()
        chains = annealing.num_chains if num_samples is None else num_samples
        return annealed(model, x, replace(annealing, num_chains=chains))
    if annealing is not None:
        raise JensenError(f"annealing says how chains run, and method={method} has none: use method=annealed")
    if method not in ("importance", "prior"):
        raise JensenError(f"unknown method '{method}': use importance, annealed or prior")
    weigh = importance_sampling if method == "importance" else prior_sampling
    return weigh(model, x, 1000 if num_samples is None else num_samples).estimate()  # type: ignore[arg-type]


@torch.no_grad()
def importance_sampling(model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int) -> LogMean:
    """The mean of w = p(x, z) / q(z | x) over `num_samples` draws z ~ q(z | x), streamed."""
    total = LogMean(len(x), x.device)
    for chunk in draws(model, x, num_samples):
        total.add((chunk.log_likelihood + chunk.log_ratio).double())
    return total


class Mean(NamedTuple):
    """A mean over draws for each example (B,), and its variance over draws (B,)."""

    value: Tensor
    variance: Tensor


class Bounds(NamedTuple):
    """The ELBO's parts and the importance-weighted bounds of one batch, float64 nats.

    `kl_method` says whether the KL is in closed form, where its variance is 0. `ladder` has the bound at each K.
    """

    elbo: Mean
    reconstruction: Mean
    kl: Mean
    kl_method: Literal["closed form", "monte carlo"]
    ladder: dict[int, Mean]


def examples_at_once(num_samples: int) -> int:
    """How many examples `bounds` should be given together, so that its memory does not grow with the draws."""
    return max(1, min(256, 2**20 // num_samples))


def what_is_bounded(model: Directed, spec: Spec) -> tuple[bool, Kind]:
    """Whether p(x | z) is a probability of counts, no density; and what a bound made of it is a bound on.

    Counts of values that are not counts, as grey pixels under a Bernoulli, make an objective, and no bound.
    """
    likelihood = model.likelihood(model.prior().sample(torch.Size([1])))
    discrete = bool(likelihood.support.is_discrete)  # type: ignore[union-attr]
    return discrete, "objective" if discrete and spec.kind in ("real", "unit") else "lower bound"


@torch.no_grad()
def bounds(model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int, ladder: tuple[int, ...]) -> Bounds:
    """E_q log p(x | z), KL(q || p), the ELBO, and the importance-weighted bound at each K of `ladder`.

    All come from the same `num_samples` draws, so that the whole ladder costs no more than its last rung: the bound
    at K is the mean over the num_samples // K disjoint groups of K draws. Its variance is that of this mean, or the
    delta method's where there is only one group.
    """
    chunks = list(draws(model, x, num_samples))
    log_likelihood = torch.cat([chunk.log_likelihood for chunk in chunks]).double()
    log_ratio = torch.cat([chunk.log_ratio for chunk in chunks]).double()
    log_weights = log_likelihood + log_ratio
    closed = closed_form_kl(model.posterior(x), model.prior())
    reconstruction = mean_over_draws(log_likelihood)
    if closed is not None:
        kl = Mean(closed.double(), torch.zeros_like(reconstruction.value))
        elbo = Mean(reconstruction.value - kl.value, reconstruction.variance)
    else:
        kl = mean_over_draws(-log_ratio)
        elbo = mean_over_draws(log_weights)
    rungs = {}
    for k in ladder:
        groups = num_samples // k
        if groups == 1:
            total = LogMean(len(x), x.device)
            total.add(log_weights[:k])
            estimate = total.estimate()
            rungs[k] = Mean(estimate.value, estimate.standard_error.square())
        else:
            grouped = log_weights[: groups * k].unflatten(0, (groups, k))
            rungs[k] = mean_over_draws(grouped.logsumexp(1) - math.log(k))
    return Bounds(elbo, reconstruction, kl, "monte carlo" if closed is None else "closed form", rungs)


def mean_over_draws(values: Float[Tensor, "draws batch"]) -> Mean:
    """The mean of (K, B) over the draws, and its variance; NaN from a single draw."""
    variance = values.var(0) if len(values) > 1 else torch.full_like(values[0], math.nan)
    return Mean(values.mean(0), variance / len(values))
