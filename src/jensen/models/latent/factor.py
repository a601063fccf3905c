"""The FactorVAE: a VAE whose aggregate posterior is held to the product of its marginals (Kim & Mnih 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn.functional import logsigmoid

from jensen.data.spec import Batch, Spec
from jensen.distributions import PositiveMap
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.adversarial.gan import has_won
from jensen.models.base import Clock, Turn
from jensen.models.latent import compose
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.vae import VAE
from jensen.nets import MLP, Activation, Net


def permuted(z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
    """Each dimension's values in an order of its own (B, Z): from draws of q(z), about draws of prod_j q(z_j)."""
    return z.gather(0, torch.rand_like(z).argsort(0))


def total_correlation(joint: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """The estimate E_q(z) log D(z) / (1 - D(z)) of TC = KL(q(z) || prod_j q(z_j)), nats.

    Args:
        joint: logits a of D = sigmoid(a) at draws of q(z), (B,).

    It is exact in expectation at the best D, which is q / (q + prod q_j), and no bound at another.
    """
    return joint.mean()


def discriminator_loss(joint: Float[Tensor, " batch"], independent: Float[Tensor, " other"]) -> Float[Tensor, ""]:
    """The cross-entropy of telling draws of q(z) from draws of prod_j q(z_j), nats; log 2 where D cannot.

    Args:
        joint: logits at draws of q(z), (B,).
        independent: logits at permuted draws, (B',).
    """
    return -(logsigmoid(joint).mean() + logsigmoid(-independent).mean()) / 2


class FactorVAE(VAE):
    """A VAE that ascends ELBO - gamma TC(q(z)), with TC as a discriminator's log-odds see it.

        model           ascends E_q log p(x | z) - KL(q(z | x) || p(z)) - gamma E_q(z) log D(z) / (1 - D(z))
        discriminator   learns to tell z from z with permuted dimensions

    Args:
        parts: the VAE.
        discriminator: z (B, Z) -> the logit of "z is a draw of q(z)" (B,).
        gamma: the weight of the total correlation.
        discriminator_rate: the discriminator's learning rate, over the VAE's.
        discriminator_steps: turns of the discriminator for each of the VAE's.
    """

    def __init__(
        self,
        parts: VAE,
        discriminator: nn.Module,
        gamma: float,
        discriminator_rate: float = 1.0,
        discriminator_steps: int = 1,
    ) -> None:
        super().__init__(parts.prior, parts.posterior, parts.likelihood)
        self.discriminator = discriminator
        self.gamma = gamma
        self.discriminator_rate = discriminator_rate
        self.discriminator_steps = discriminator_steps

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """The VAE on all rows; then the discriminator on draws of the same q, even rows as they are, odd rows permuted.

        Logged: `elbo`, with weight one and without TC, `reconstruction`, `kl`, `total_correlation`; `accuracy`, the
        share of draws that the discriminator tells apart (1/2 where it cannot).
        """
        if len(batch.x) < 2:
            raise JensenError("factor-vae tells one half of a batch from the other: set batch_size to 2 or more")
        q_z = self.posterior(batch.x)
        z = q_z.rsample()
        reconstruction = self.likelihood(z).log_prob(batch.x).mean()
        kl = kl_divergence(q_z, self.prior()).mean()
        correlation = total_correlation(self._logits(z))
        figures = {
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "total_correlation": correlation,
        }
        theirs = list(self.discriminator.parameters())
        not_own = set(theirs)
        own = [parameter for parameter in self.parameters() if parameter not in not_own]
        yield Turn(
            "model",
            kl - reconstruction + self.gamma * correlation,
            own,
            {name: figure.detach() for name, figure in figures.items()},
        )

        for _ in range(self.discriminator_steps):
            z = q_z.sample()
            joint, independent = self._logits(z[0::2]), self._logits(permuted(z[1::2]))
            loss = discriminator_loss(joint, independent)
            accuracy = ((joint > 0).float().mean() + (independent <= 0).float().mean()) / 2
            terms = {"discriminator_loss": loss.detach(), "accuracy": accuracy}
            yield Turn("discriminator", loss, theirs, terms, rate=self.discriminator_rate)

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where the discriminator has won outright, and the setting to change."""
        if not has_won(terms["accuracy"], -2 * terms["discriminator_loss"]):
            return None
        return (
            f"the discriminator has won: it tells every z from one with permuted dimensions (accuracy "
            f"{terms['accuracy']:.3f}), which are then far from independent: raise gamma from {self.gamma:g}"
        )

    def _logits(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, " batch"]:
        return full_precision(self.discriminator(z))


def build(
    spec: Spec,
    *,
    gamma: float = 35.0,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    net: Net = "dense",
    latent_dim: int = 10,
    hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "relu",
    posterior_map: PositiveMap = "exp-variance",
    discriminator_hidden: tuple[int, ...] = (1000,) * 6,
    discriminator_rate: float = 1.0,
    discriminator_steps: int = 1,
    start_from_data: bool = True,
    init_gain: float = 1.0,
) -> FactorVAE:
    """A FactorVAE with prior N(0, I), a diagonal Gaussian posterior and a dense discriminator with leaky ReLU.

    Args:
        spec: the data.
        gamma: the weight of the total correlation.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        net: "dense", "convolutional" for images, "recurrent" for series.
        latent_dim: Z.
        hidden: widths of the encoder's hidden layers, which the decoder has in reverse.
        activation: between the layers.
        posterior_map: how the encoder's output becomes the posterior's scale.
        discriminator_hidden: widths of the discriminator's hidden layers.
        discriminator_rate: the discriminator's learning rate, over the VAE's.
        discriminator_steps: turns of the discriminator for each of the VAE's, on fresh draws of the same posteriors.
        start_from_data: whether the output bias (and a learned scale) starts at the data's mean (and spread).
        init_gain: multiplies the VAE's usual initial weights of the layers that feed a nonlinearity.
    """
    if not discriminator_rate > 0:
        raise JensenError(f"discriminator_rate must be above 0, got {discriminator_rate}")
    if discriminator_steps < 1:
        raise JensenError(f"discriminator_steps must be at least 1, got {discriminator_steps}")
    if gamma < 0:
        raise JensenError(f"gamma must be at least 0, got {gamma}")
    if latent_dim < 2:
        raise JensenError(f"total correlation is between dimensions of z: give latent_dim at least 2, got {latent_dim}")
    parts = compose.build(
        spec,
        likelihood=likelihood,
        likelihood_scale=likelihood_scale,
        net=net,
        latent_dim=latent_dim,
        hidden=hidden,
        activation=activation,
        posterior_map=posterior_map,
        start_from_data=start_from_data,
        init_gain=init_gain,
    )
    discriminator = nn.Sequential(MLP([latent_dim, *discriminator_hidden, 1], "leaky-relu"), nn.Flatten(0))
    return FactorVAE(parts, discriminator, gamma, discriminator_rate, discriminator_steps)
