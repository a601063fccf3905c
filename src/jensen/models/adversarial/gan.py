"""The generative adversarial network: a sampler trained against a classifier (Goodfellow et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from jensen.data.spec import Batch, Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError, unknown
from jensen.models.base import Clock, Turn
from jensen.models.latent.priors import StandardNormal
from jensen.nets import Activation, decoder, encoder

GeneratorLoss = Literal["non-saturating", "minimax"]


def value(real: Float[Tensor, " batch"], fake: Float[Tensor, " fakes"]) -> Float[Tensor, ""]:
    """V(G, D) = E log D(x) + E log(1 - D(G(z))) in nats: the discriminator ascends it.

    Args:
        real: logits a of D = sigmoid(a) at data, (B,).
        fake: logits at samples of the generator, (B,).

    For a fixed generator it is greatest at D* = p / (p + q), where it is 2 JS(p, q) - log 4.
    """
    return logsigmoid(real).mean() + logsigmoid(-fake).mean()


def minimax_loss(fake: Float[Tensor, " fakes"]) -> Float[Tensor, ""]:
    """E log(1 - D(G(z))), the generator's part of V, which it descends.

    Args:
        fake: logits a of D = sigmoid(a) at samples of the generator, (B,).

    With D = sigmoid(a), dD/da = D (1 - D), so the gradient with respect to a logit is -D: it vanishes where the
    discriminator is sure that the sample is fake, which is where the generator has most to learn.
    """
    return logsigmoid(-fake).mean()


def non_saturating_loss(fake: Float[Tensor, " fakes"]) -> Float[Tensor, ""]:
    """-E log D(G(z)), which the generator descends in place of its part of V.

    Args:
        fake: logits a of D = sigmoid(a) at samples of the generator, (B,).

    Its gradient with respect to a logit is -(1 - D): about -1 at D = 0, where that of `minimax_loss` vanishes. It
    vanishes at D = 1 instead, where the sample already passes for data. Both have the sign of -dD/da everywhere.
    """
    return -logsigmoid(fake).mean()


def has_won(accuracy: float, v: float) -> bool:
    """Whether a discriminator tells nearly everything apart, and is sure of it: V is near its highest, which is 0."""
    return accuracy > 0.99 and v > -0.05


_GENERATOR_LOSSES = {"non-saturating": non_saturating_loss, "minimax": minimax_loss}


class GAN(nn.Module):
    """z ~ p(z), x = G(z); the discriminator D(x) is the probability that x is data and not a sample.

    An implicit model: it can be sampled, and says nothing of the density at an x.

    Args:
        prior: called, returns p(z), a Distribution of event_shape (Z,).
        generator: G, (N, Z) -> (N, *event).
        discriminator: (N, *event) -> logits a (N,), of D = sigmoid(a).
        loss: what the generator descends, `non_saturating_loss` or `minimax_loss`.
        discriminator_rate: the discriminator's learning rate, in units of the generator's (Heusel et al. 2017).
    """

    def __init__(
        self,
        prior: nn.Module,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: GeneratorLoss = "non-saturating",
        discriminator_rate: float = 1.0,
    ) -> None:
        super().__init__()
        if loss not in _GENERATOR_LOSSES:
            raise unknown("loss", loss, get_args(GeneratorLoss))
        self.prior = prior
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        self.discriminator_rate = discriminator_rate

    def rsample(self, num_samples: int, temperature: float = 1.0) -> Float[Tensor, "num_samples *event"]:
        """x = G(temperature z), z ~ p(z): (N, *event), with a gradient."""
        return self.generator(temperature * self.prior().rsample((num_samples,)))

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Float[Tensor, "num_samples *event"]:
        """x = G(temperature z), z ~ p(z): (N, *event), without a gradient."""
        return self.rsample(num_samples, temperature)

    def _logits(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        # Mixed precision gives bf16 logits, in which the losses would have three digits.
        return full_precision(self.discriminator(x))

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """The discriminator ascends V on data and samples; then, once it has moved, the generator on fresh samples.

        Logged: `value` V(G, D); `jensen_shannon` (V + log 4) / 2, in expectation a lower bound on JS(p, q), tight at
        D = D* and at most log 2; `accuracy`, the share of data and samples that D tells apart (1/2 where it cannot).
        """
        real, fake = self._logits(batch.x), self._logits(self.sample(len(batch.x)))
        v = value(real, fake)
        terms = {
            "discriminator_loss": -v,
            "value": v,
            "jensen_shannon": (v + math.log(4)) / 2,
            "accuracy": ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2,
        }
        detached = {name: term.detach() for name, term in terms.items()}
        yield Turn("discriminator", -v, list(self.discriminator.parameters()), detached, self.discriminator_rate)

        loss = _GENERATOR_LOSSES[self.loss](self._logits(self.rsample(len(batch.x))))
        yield Turn("generator", loss, list(self.generator.parameters()), {"generator_loss": loss.detach()})

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where the discriminator has won outright, and the setting to change."""
        if not has_won(terms["accuracy"], terms["value"]):
            return None
        remedy = (
            "set loss=non-saturating"
            if self.loss == "minimax"
            else f"lower discriminator_rate from {self.discriminator_rate:g}, or learning_rate"
        )
        return (
            f"the discriminator has won: it tells every sample from data (accuracy {terms['accuracy']:.3f}, value "
            f"{terms['value']:.2g} of at most 0), and the generator has little to learn from it: {remedy}"
        )


def build(
    spec: Spec,
    *,
    latent_dim: int = 16,
    net: Literal["dense", "convolutional"] = "dense",
    hidden: tuple[int, ...] = (128, 128, 128),
    activation: Activation = "leaky-relu",
    loss: GeneratorLoss = "non-saturating",
    discriminator_rate: float = 1.0,
) -> GAN:
    """A GAN for data of that spec: "real" (linear output) or "unit" (sigmoid output).

    Args:
        spec: what x is.
        latent_dim: Z; the samples lie on a set of at most this dimension.
        net: "dense" for anything, "convolutional" for images.
        hidden: the widths of the discriminator's hidden layers, or its channels; the generator has them in reverse.
        activation: the name of the nonlinearity.
        loss: "non-saturating" or "minimax".
        discriminator_rate: the discriminator's learning rate, in units of the generator's, which is learning_rate.

    Raises:
        JensenError: data that take separate values, which a generator cannot give with a gradient.
    """
    check_continuous(spec, "a GAN")
    if not discriminator_rate > 0:
        raise JensenError(f"discriminator_rate must be above 0, got {discriminator_rate:g}")
    generator = nn.Sequential(
        decoder(spec, latent_dim, spec.num_dims, net, hidden, activation),
        nn.Sigmoid() if spec.kind == "unit" else nn.Identity(),
        nn.Unflatten(-1, spec.event_shape),
    )
    discriminator = nn.Sequential(encoder(spec, 1, net, hidden, activation), nn.Flatten(0))
    return GAN(StandardNormal(latent_dim), generator, discriminator, loss, discriminator_rate)


def check_continuous(spec: Spec, model: str) -> None:
    """Raises where x take separate values, which no network can give with a gradient."""
    if spec.kind not in ("real", "unit"):
        remedy = "load the grey values" if spec.kind in ("binary", "8-bit") else "choose a model of counts"
        raise JensenError(f"{model} needs real or unit data, as its samples are continuous, got {spec.kind}: {remedy}")
