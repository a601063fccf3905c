"""What the latents carry while a model trains, and a warning in words once they carry nothing."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal

from jensen.data import Dataset
from jensen.distributions.point_mass import PointMass
from jensen.models.base import Latent, bound_to
from jensen.objectives.base import Objective
from jensen.objectives.elbo import kl_terms
from jensen.training.config import Training
from jensen.training.mode import evaluating

ACTIVE_VARIANCE = 0.01  # Burda, Grosse & Salakhutdinov (2016)
EMPTY = 0.01  # nats of KL below which a dimension of z tells nothing of x
NEARLY_EMPTY = 0.05  # nats, of the mean over dimensions, where most of them are empty
SETTLED = 500  # steps: a healthy posterior, too, may start at the prior and take some hundreds of steps to leave it
EXAMPLES, DRAWS = 500, 20
# Kinds of q that are scored without a network, so that each of 500 draws may be scored under each of 500 of them.
CHEAP = (Independent, MultivariateNormal, PointMass)
_ENTRIES = 2**18  # of log-densities q(z_i | x_j) taken together, which stay in the cache of a CPU


class Watch:
    """Looks at q(z | x) on the same few examples each time; between looks it costs nothing.

    Args:
        model: with latents z of event_shape (Z,), or any other.
        data: examples; at most 500 at equal distances are looked at, in one realisation.
        objective, training: how the model is trained, for the words of the warning and when it may come.
    """

    def __init__(self, model: Latent, data: Dataset, objective: Objective | None, training: Training) -> None:
        self.model, self.objective, self.training = model, objective, training
        index = torch.linspace(0, len(data) - 1, min(EXAMPLES, len(data))).long().to(data.device)
        data = data.subset(index).fixed()
        self.batch = data.batch(torch.arange(len(data), device=data.device))

    def look(self, step: int) -> dict[str, Any]:
        """The row of metrics.jsonl of this step, a function of the weights; the random state is left as it was.

        kl: the mean of KL(q(z | x) || p(z)), nats. kl_per_dimension: its share of each dimension, where q and p
        factorise. active_units: dimensions with Var_x(E[z | x]) above 0.01. mutual_information: an estimate of I(x; z)
        on these n `examples`, nats, at most log n, where it is cheap. warning: words, once the posterior has collapsed.
        """
        assert isinstance(self.model, nn.Module)
        x = self.batch.x
        with evaluating(self.model, x.device, self.training.seed):
            of_x = bound_to(self.model, self.batch)
            q_z, p_z = of_x.posterior(x), of_x.prior()
            z = q_z.sample(torch.Size([DRAWS]))
            z = z if z.is_floating_point() else z.float()  # codes
            found, _, each = kl_terms(q_z, p_z, z)
            active = int((variance_of_means(q_z, z) > ACTIVE_VARIANCE).sum())
            information = {"mutual_information": mutual_information(q_z, z[0])} if isinstance(q_z, CHEAP) else {}
        kl, latent_dim = float(found.mean()), q_z.event_shape.numel()
        shares = None if each is None else each.mean(0)
        row: dict[str, Any] = {"step": step, "part": "latents", "kl": kl}
        if shares is not None:
            row["kl_per_dimension"] = shares.tolist()
        row |= {"active_units": active, "latent_dim": latent_dim, **information, "examples": len(x)}
        empty = empty_dimensions(kl, shares, latent_dim)
        if empty and self._is_settled(step) and not isinstance(q_z, PointMass):  # codes have their perplexity
            where = "" if empty == latent_dim else f" in {empty} of {latent_dim} dimensions"
            row["warning"] = (
                f"the posterior has collapsed: q(z | x) = p(z) for every x{where} "
                f"(KL {kl:.2g} nats, {active} of {latent_dim} units active): {remedy(self.objective)}"
            )
        return row

    def _is_settled(self, step: int) -> bool:
        """Whether the weight of the KL, and the learning rate, have done rising."""
        rising = max(getattr(self.objective, "kl_warmup", 0.0), self.training.warmup)
        return step >= max(SETTLED, rising * self.training.steps)


def empty_dimensions(kl: float, shares: Float[Tensor, "latent"] | None, latent_dim: int) -> int:
    """How many dimensions of a collapsed posterior tell nothing of x; 0 of a posterior that has not collapsed.

    Collapsed is one whose dimensions are all empty, or most of them, while the others carry next to nothing. One that
    leaves spare dimensions empty and uses the rest is healthy.
    """
    if shares is None:
        return latent_dim if kl < EMPTY * latent_dim else 0
    empty = int((shares < EMPTY).sum())
    nearly = 2 * empty >= latent_dim and kl < NEARLY_EMPTY * latent_dim
    return empty if empty == latent_dim or nearly else 0


def remedy(objective: Objective | None) -> str:
    """The settings that would have kept the posterior from collapsing, by what the objective has."""
    beta, warmup, free_bits = (getattr(objective, name, None) for name in ("beta", "kl_warmup", "free_bits"))
    if free_bits is None:
        return "train it by the elbo with kl_warmup=0.3 or free_bits=0.1, or weaken the decoder"
    heavy = beta is not None and beta > 1  # a warm-up to such a weight ends where it would have without
    ways = [f"lower beta from {beta:g}"] if heavy else []
    if free_bits:
        ways.append(f"raise free_bits from {free_bits:g}")
    else:
        ways.append("set free_bits=0.1" if heavy or warmup else "set kl_warmup=0.3 or free_bits=0.1")
    return ", or ".join(ways)


def variance_of_means(q_z: Distribution, z: Float[Tensor, "draws batch *latent"]) -> Float[Tensor, "*latent"]:
    """Var_x(E[z | x]) over the batch of q(z | x), of each dimension (Z,).

    Where q has no formula for its mean, or none that is cheap, the covariance of the means of two halves of its draws
    `z`, which is right on average.
    """
    first, second = z.unflatten(0, (2, -1)).mean(1)
    if isinstance(q_z, CHEAP):
        with contextlib.suppress(NotImplementedError):  # how torch says that there is no formula
            first = second = q_z.mean
    return ((first - first.mean(0)) * (second - second.mean(0))).sum(0) / max(len(first) - 1, 1)


def mutual_information(q_z: Distribution, z: Float[Tensor, "batch *latent"]) -> float:
    """I(x; z) of the batch's n examples: the mean of log q(z_i | x_i) - log (1/n) sum_j q(z_i | x_j), nats, <= log n.

    Args:
        q_z: q(z | x_j), batch_shape (n,).
        z: a draw from each.
    """
    at_once = max(1, _ENTRIES // z.numel())
    log_q = torch.cat([q_z.log_prob(some[:, None]) for some in z.split(at_once)])
    return float((log_q.diagonal() - log_q.logsumexp(1)).mean()) + math.log(len(z))
