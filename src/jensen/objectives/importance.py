"""Importance weights, and the bound that their mean gives (Burda, Grosse & Salakhutdinov 2016)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock, Latent, Turn, bound_to


def log_weights(
    model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int
) -> Float[Tensor, "num_samples *conditions batch"]:
    """log w_k = log p(x | z_k) + log p(z_k) - log q(z_k | x), z_k ~ q(z | x): (K, B), nats.

    (K, C, B) of a model given C conditions for each x. E w = p(x), whatever q is; every bound and estimate of the
    evidence is made of these.
    """
    if num_samples < 1:
        raise JensenError(f"num_samples must be at least 1, got {num_samples}")
    q_z = model.posterior(x)
    z = q_z.rsample(torch.Size([num_samples])) if q_z.has_rsample else q_z.sample(torch.Size([num_samples]))
    return model.likelihood(z).log_prob(x) + model.prior().log_prob(z) - q_z.log_prob(z)


def iwae_bound(model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int) -> Float[Tensor, "batch"]:
    """log (1/K) sum_k w_k: in expectation the ELBO at K = 1, never falling with K, never above log p(x): (B,), nats."""
    return log_weights(model, x, num_samples).logsumexp(0) - math.log(num_samples)


@dataclass(frozen=True)
class IWAE:
    """Trains a model by ascending the importance-weighted bound at K = `num_samples`.

    gradient: "plain" differentiates the bound. "doubly-reparameterised" (Tucker et al. 2019) gives q's parameters
    the same gradient in expectation without its score term,

        sum_k w~_k^2 d log w_k / dz_k dz_k / dphi,   w~ = w / sum w,

    whose signal does not drown as K grows. It needs a posterior that can be reparameterised.
    """

    num_samples: int = 50
    gradient: Literal["plain", "doubly-reparameterised"] = "plain"

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise JensenError(f"num_samples must be at least 1, got {self.num_samples}")

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn: the whole model; the loss is minus the mean bound, whichever gradient it carries."""
        of_x = iwae_bound if self.gradient == "plain" else doubly_reparameterised_bound
        bound = of_x(bound_to(model, batch), batch.x, self.num_samples).mean()
        yield Turn("model", -bound, list(model.parameters()), {f"iwae_{self.num_samples}": bound.detach()})


def doubly_reparameterised_bound(
    model: Latent, x: Shaped[Tensor, "batch *event"], num_samples: int
) -> Float[Tensor, "batch"]:
    """`iwae_bound` in value; its gradient is the doubly reparameterised one for q, the plain one for p: (B,), nats."""
    q_z = model.posterior(x)
    if not q_z.has_rsample:
        raise JensenError("the doubly reparameterised gradient needs a posterior with rsample: use gradient=plain")
    z = q_z.rsample(torch.Size([num_samples]))
    # log q as a function of z alone, for what its parameters would add has mean zero. Taking that part out, rather
    # than scoring z under a q made without gradients, also holds where q uses its weights only when it is asked.
    score = q_z.log_prob(z.detach())
    log_q = q_z.log_prob(z) - score + score.detach()
    log_w = model.likelihood(z).log_prob(x) + model.prior().log_prob(z) - log_q
    normalised = log_w.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: normalised[..., None] * gradient)  # the second factor of w~^2
    surrogate = (normalised * log_w).sum(0)
    value = log_w.detach().logsumexp(0) - math.log(num_samples)
    return surrogate + (value - surrogate).detach()
