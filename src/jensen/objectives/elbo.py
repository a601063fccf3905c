"""The evidence lower bound (Jordan et al. 1999; Kingma & Welling 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock, Latent, Turn


class Terms(NamedTuple):
    """The two parts of the bound, each (B,), nats.

    reconstruction: E_q log p(x | z), averaged over the draws.
    kl: KL(q(z | x) || p(z)).
    kl_method: "closed form", or "monte carlo" where torch knows no closed form for the pair.
    beta: the weight of the KL in `objective`; `elbo` always has weight one.
    """

    reconstruction: Tensor
    kl: Tensor
    kl_method: Literal["closed form", "monte carlo"]
    beta: float | Tensor = 1.0

    @property
    def elbo(self) -> Tensor:
        """reconstruction - kl: a lower bound on log p(x), (B,), nats."""
        return self.reconstruction - self.kl

    @property
    def objective(self) -> Tensor:
        """reconstruction - beta * kl, (B,): what a beta-VAE ascends (Higgins et al. 2017)."""
        return self.reconstruction - self.beta * self.kl


def closed_form_kl(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) in nats where torch knows it in closed form for this pair, else None."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:  # how torch says that no formula is registered
        return None


def elbo(
    model: Latent,
    x: Shaped[Tensor, "batch *event"],
    num_samples: int = 1,
    beta: float | Float[Tensor, ""] = 1.0,
    kl: Literal["auto", "monte carlo"] = "auto",
) -> Terms:
    """E_q log p(x | z) - KL(q(z | x) || p(z)) <= log p(x), with z drawn by reparameterisation where q can.

    Args:
        model: anything with prior(), posterior(x) and likelihood(z).
        x: (B, *event).
        num_samples: draws of z for each x.
        beta: weight of the KL in `Terms.objective`.
        kl: "auto" takes the closed form where there is one; "monte carlo" the mean of log q(z | x) - log p(z) over
            the same draws, with which an exact posterior gives log p(x) for every draw.
    """
    q_z = model.posterior(x)
    p_z = model.prior()
    z = q_z.rsample(torch.Size([num_samples])) if q_z.has_rsample else q_z.sample(torch.Size([num_samples]))
    reconstruction = model.likelihood(z).log_prob(x).mean(0)
    exact_kl = closed_form_kl(q_z, p_z) if kl == "auto" else None
    if exact_kl is not None:
        return Terms(reconstruction, exact_kl, "closed form", beta)
    return Terms(reconstruction, (q_z.log_prob(z) - p_z.log_prob(z)).mean(0), "monte carlo", beta)


@dataclass(frozen=True)
class ELBO:
    """Trains a model by ascending the bound: one player, loss = -mean(reconstruction - beta kl), nats per example.

    beta: weight of the KL. num_samples: draws of z for each x. kl_warmup: fraction of the steps over which the weight
    rises linearly from 0 to beta, which keeps a strong decoder from ignoring z (Bowman et al. 2016). The elbo that is
    logged has weight one throughout.
    """

    beta: float = 1.0
    num_samples: int = 1
    kl_warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise JensenError(f"beta must be at least 0, got {self.beta}")
        if self.num_samples < 1:
            raise JensenError(f"num_samples must be at least 1, got {self.num_samples}")
        if not 0 <= self.kl_warmup < 1:
            raise JensenError(f"kl_warmup is a fraction of the steps in [0, 1), got {self.kl_warmup}")

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn: the whole model."""
        # A tensor where it changes: a Python number would recompile a compiled step.
        beta = self.beta * (clock.progress / self.kl_warmup).clamp(max=1) if self.kl_warmup else self.beta
        terms = elbo(model, batch.x, self.num_samples, beta)  # type: ignore[arg-type]
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
