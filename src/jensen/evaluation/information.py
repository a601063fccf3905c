"""How much z says of x: mutual information, and how far the aggregate posterior is from the prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data import Dataset
from jensen.distributions.heads import is_diagonal_gaussian
from jensen.distributions.mixture import DiagonalGaussianMixture
from jensen.errors import JensenError
from jensen.evaluation.bracket import mean_and_error
from jensen.evaluation.latents import ActiveUnits
from jensen.evaluation.likelihood import mean_over_draws
from jensen.models.base import Conditional, Latent
from jensen.objectives.elbo import closed_form_kl
from jensen.training.check import like_model
from jensen.training.mode import evaluating

# Pairs (draw, example) whose log q(z | x) is taken together: 2 MB in double precision, which stay in a CPU's cache.
# Posteriors that are no diagonal Gaussians hold many numbers for each dimension of each pair.
PAIRS, BROADCAST_PAIRS = 2**18, 2**16


class Figure(NamedTuple):
    """A figure in nats, and its standard error over draws: 0 where it is in closed form."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Information:
    """Both sides of E_x KL(q(z | x) || p(z)) = I(x; z) + KL(q(z) || p(z)), each from draws of its own.

    x is one of the N rows, each with probability 1/N, so q(z) = (1/N) sum_n q(z | x_n), and the identity is exact.

    kl: the left side: in closed form where `kl_method` says so, else from draws.
    mutual_information: of x and z under q; it never exceeds `cap`, whatever the encoder.
    aggregate_kl: KL(q(z) || p(z)).
    difference: left less right side, 0 within its standard error.
    cap: log N. Where the mutual information is within a nat of it, the rows are too few to show how much there is.
    active_units: dimensions of z with Var_x(E[z | x]) > 0.01.
    """

    kl: Figure
    mutual_information: Figure
    aggregate_kl: Figure
    difference: Figure
    cap: float
    active_units: int
    num_examples: int
    num_draws: int
    kl_method: Literal["closed form", "monte carlo"]


def information(model: nn.Module, data: Dataset, num_draws: int = 2000, *, seed: int = 0) -> Information:
    """Mutual information and aggregate posterior (Hoffman & Johnson 2016) over all rows of `data`.

    With draws x_m of the rows, z_m ~ q(z | x_m), and r_mn = q(z_m | x_n) / sum_n' q(z_m | x_n'),

        KL(q(z) || p(z)) ~ mean_m log q(z_m) - log p(z_m)
        I(x; z) ~ mean_m (log N + sum_n r_mn log r_mn),

    log N less the entropy of x given z. q(z) is never approximated, and is not estimated from some of the rows, which
    would count each z among too few: it is the whole mixture of N. One pass over the rows, in memory that does not
    grow with them.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z).
        data: what the model was trained on; where x is random, one realisation of it.
        num_draws: M.
        seed: of the draws.
    """
    if not isinstance(model, Latent):
        raise JensenError("information is about the latents of a model, and this one has none: choose one such as vae")
    if isinstance(model, Conditional):
        raise JensenError(
            "information is about one prior p(z), and this model's z depend on y too: choose one such as vae"
        )
    if num_draws < 2:
        raise JensenError(f"num_draws must be at least 2, got {num_draws}")
    if len(data) < 2:
        raise JensenError(f"information needs at least 2 rows, got {len(data)}: give it the training data")
    data = like_model(data.fixed(), model)
    with evaluating(model, data.device, seed):
        prior = model.prior()
        index = torch.randint(len(data), (num_draws,)).to(data.device)
        z = torch.cat([model.posterior(data.batch(some).x).sample() for some in index.split(500)])
        aggregate, active = AggregatePosterior(z), ActiveUnits()
        divergence = variance = 0.0
        method: Literal["closed form", "monte carlo"] = "closed form"
        for batch in data.batches(500):
            q_z = model.posterior(batch.x)
            aggregate.add(q_z)
            active.add(q_z.mean)
            closed = closed_form_kl(q_z, prior)
            if closed is None:
                method, own = "monte carlo", q_z.sample(torch.Size([2]))
                estimate = mean_over_draws((q_z.log_prob(own) - prior.log_prob(own)).double())
                closed, variance = estimate.value, variance + float(estimate.variance.sum())
            divergence += float(closed.double().sum())
        mutual, log_q = aggregate.mutual_information(), aggregate.log_prob()
        marginal = log_q - prior.log_prob(z).double()
    n = len(data)
    left, right = Figure(divergence / n, math.sqrt(variance) / n), _mean(mutual + marginal)
    difference = Figure(left.value - right.value, math.hypot(left.standard_error, right.standard_error))
    return Information(
        left, _mean(mutual), _mean(marginal), difference, math.log(n), active.count(), n, num_draws, method
    )


class AggregatePosterior:
    """q(z) = (1/N) sum_n q(z | x_n) at given z (M, Z), from posteriors that arrive in batches."""

    def __init__(self, z: Float[Tensor, "draws latent"]) -> None:
        self.z, self.count = z, 0
        self._largest = torch.full((len(z),), torch.finfo(torch.float64).min, dtype=torch.float64, device=z.device)
        self._total = torch.zeros_like(self._largest)  # sum_n q_n, in units of the largest
        self._weighted = torch.zeros_like(self._largest)  # sum_n q_n log q_n, in the same units

    def add(self, q_z: Distribution) -> None:
        """Posteriors of a batch of examples, batch_shape (B,)."""
        batch = q_z.batch_shape[0]
        self.count += batch
        step = max(1, (PAIRS if is_diagonal_gaussian(q_z) else BROADCAST_PAIRS) // batch)
        for start in range(0, len(self.z), step):
            part = slice(start, start + step)
            log_q = log_densities(q_z, self.z[part])
            largest = torch.maximum(self._largest[part], log_q.amax(1))
            kept = (self._largest[part] - largest).exp()
            weights = (log_q - largest[:, None]).exp()
            self._largest[part] = largest
            self._total[part] = self._total[part] * kept + weights.sum(1)
            finite = log_q.clamp_min(torch.finfo(torch.float64).min)  # 0 log 0 is 0
            self._weighted[part] = self._weighted[part] * kept + torch.linalg.vecdot(weights, finite)

    def log_prob(self) -> Float[Tensor, " draws"]:
        """log q(z), (M,), nats."""
        return self._largest + self._total.log() - math.log(self.count)

    def mutual_information(self) -> Float[Tensor, " draws"]:
        """log N - H(x | z) = sum_n r_n log q(z | x_n) - log q(z) at each z, (M,), nats: its mean over q(z) is I."""
        return self._weighted / self._total - self.log_prob()


def log_densities(q_z: Distribution, z: Float[Tensor, "draws latent"]) -> Float[Tensor, "draws batch"]:
    """log q(z_m | x_n) for each pair (M, B), double precision nats; a matrix product for diagonal Gaussians."""
    if is_diagonal_gaussian(q_z):
        loc, scale = q_z.base_dist.loc.double(), q_z.base_dist.scale.double()
        mixture = DiagonalGaussianMixture(loc.new_zeros(len(loc)), loc, scale)  # q(z) of this batch alone
        return mixture.component_log_prob(z.double()) - mixture.log_weights
    return q_z.log_prob(z[:, None]).double()


def _mean(values: Float[Tensor, " draws"]) -> Figure:
    return Figure(*mean_and_error(values))
