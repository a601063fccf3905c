"""The evidence lower bound (Jordan et al. 1999; Kingma & Welling 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock, Latent, Turn, bound_to


class Terms(NamedTuple):
    """The two parts of the bound, each (B,), nats.

    reconstruction: E_q log p(x | z), averaged over the draws.
    kl: KL(q(z | x) || p(z)).
    kl_method: "closed form", or "monte carlo" where torch knows no closed form for the pair.
    beta: the weight of the KL in `objective`; `elbo` always has weight one.
    kl_per_dimension: KL(q(z_j | x) || p(z_j)), (B, Z), where q and p factorise over the dimensions of z, else None.
    penalty: what `objective` has in the KL's place, () or (B,): the KL above its free bits. None is the KL itself.
    """

    reconstruction: Tensor
    kl: Tensor
    kl_method: Literal["closed form", "monte carlo"]
    beta: float | Tensor = 1.0
    kl_per_dimension: Tensor | None = None
    penalty: Tensor | None = None

    @property
    def elbo(self) -> Tensor:
        """reconstruction - kl: a lower bound on log p(x), (B,), nats."""
        return self.reconstruction - self.kl

    @property
    def objective(self) -> Tensor:
        """reconstruction - beta * kl, (B,): what a beta-VAE ascends (Higgins et al. 2017).

        With free bits the KL gives way to `penalty`, which is of the whole batch: only the mean has a meaning then.
        """
        return self.reconstruction - self.beta * (self.kl if self.penalty is None else self.penalty)


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) in nats where torch knows it in closed form for this pair, else None."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:  # how torch says that no formula is registered
        return None


def kl_terms(
    q: Distribution,
    p: Distribution,
    z: Shaped[Tensor, "draws batch *latent"],
    kl: Literal["auto", "monte carlo"] = "auto",
) -> tuple[Tensor, Literal["closed form", "monte carlo"], Tensor | None]:
    """KL(q || p) (B,), how it was found, and its share of each dimension (B, Z), nats.

    Where q and p are `Independent` over the last dimension, the KL is the sum over it; else its shares are None, as
    under a mixture prior, a full covariance or a flow. The closed form is torch's; without one for the pair, or where
    "monte carlo" is asked for, it is the mean of log q - log p over the draws `z` of q.
    """
    each = _factors(q, p)
    of_q, of_p = each or (q, p)
    found = closed_form_kl(of_q, of_p) if kl == "auto" else None
    method: Literal["closed form", "monte carlo"] = "monte carlo" if found is None else "closed form"
    if found is None:
        found = (of_q.log_prob(z) - of_p.log_prob(z)).mean(0)
    return (found, method, None) if each is None else (found.sum(-1), method, found)


def _factors(q: Distribution, p: Distribution) -> tuple[Distribution, Distribution] | None:
    """The distributions of each entry of z, batch_shape (..., Z), where q and p have independent entries; else None."""
    if not isinstance(q, Independent) or not isinstance(p, Independent):
        return None
    apart = q.reinterpreted_batch_ndims == p.reinterpreted_batch_ndims == 1 and not q.base_dist.event_shape
    return (q.base_dist, p.base_dist) if apart else None


def above_free_bits(
    kl: Float[Tensor, "batch"],
    kl_per_dimension: Float[Tensor, "batch latent"] | None,
    latent_dim: int,
    free_bits: float,
) -> Float[Tensor, ""]:
    """sum_j max(free_bits, mean over the batch of KL_j), nats (Kingma et al. 2016).

    A dimension below its free bits adds a constant, and its KL no gradient. Where the KL has no shares of dimensions,
    the bits may be spread over them at will: max(Z free_bits, mean KL).
    """
    if kl_per_dimension is None:
        return kl.mean().clamp(min=latent_dim * free_bits)
    return kl_per_dimension.mean(0).clamp(min=free_bits).sum()


def elbo(
    model: Latent,
    x: Shaped[Tensor, "batch *event"],
    num_samples: int = 1,
    beta: float | Float[Tensor, ""] = 1.0,
    kl: Literal["auto", "monte carlo"] = "auto",
    free_bits: float = 0.0,
) -> Terms:
    """E_q log p(x | z) - KL(q(z | x) || p(z)) <= log p(x), with z drawn by reparameterisation where q can.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z).
        x: (B, *event).
        num_samples: draws of z for each x.
        beta: weight of the KL in `Terms.objective`.
        kl: "auto" takes the closed form where there is one; "monte carlo" the mean of log q(z | x) - log p(z) over
            the same draws, with which an exact posterior gives log p(x) for every draw.
        free_bits: nats of KL that each latent dimension has for nothing in `Terms.objective`.
    """
    q_z = model.posterior(x)
    p_z = model.prior()
    z = q_z.rsample(torch.Size([num_samples])) if q_z.has_rsample else q_z.sample(torch.Size([num_samples]))
    reconstruction = model.likelihood(z).log_prob(x).mean(0)
    found, method, each = kl_terms(q_z, p_z, z, kl)
    penalty = above_free_bits(found, each, q_z.event_shape.numel(), free_bits) if free_bits else None
    return Terms(reconstruction, found, method, beta, each, penalty)


@dataclass(frozen=True)
class ELBO:
    """Trains a model by ascending the bound: one player, loss = -mean(reconstruction - beta kl), nats per example.

    beta: weight of the KL. num_samples: draws of z for each x. kl_warmup: fraction of the steps over which the weight
    rises linearly from 0 to beta, which keeps a strong decoder from ignoring z (Bowman et al. 2016). free_bits: nats of
    KL, averaged over the batch, that each latent dimension has for nothing (Kingma et al. 2016), with the same aim. The
    elbo that is logged has weight one and no free bits throughout.
    """

    beta: float = 1.0
    num_samples: int = 1
    kl_warmup: float = 0.0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise JensenError(f"beta must be at least 0, got {self.beta}")
        if self.num_samples < 1:
            raise JensenError(f"num_samples must be at least 1, got {self.num_samples}")
        if not 0 <= self.kl_warmup < 1:
            raise JensenError(f"kl_warmup is a fraction of the steps in [0, 1), got {self.kl_warmup}")
        if self.free_bits < 0:
            raise JensenError(f"free_bits must be at least 0 nats for each latent dimension, got {self.free_bits}")

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn: the whole model."""
        # A tensor where it changes: a Python number would recompile a compiled step.
        beta = self.beta * (clock.progress / self.kl_warmup).clamp(max=1) if self.kl_warmup else self.beta
        terms = elbo(bound_to(model, batch), batch.x, self.num_samples, beta, free_bits=self.free_bits)
        yield Turn(
            "model",
            -terms.objective.mean(),
            list(model.parameters()),
            {
                "elbo": terms.elbo.detach().mean(),
                "reconstruction": terms.reconstruction.detach().mean(),
                "kl": terms.kl.detach().mean(),
            },
        )
