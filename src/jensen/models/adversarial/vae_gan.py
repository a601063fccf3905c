"""The VAE/GAN: it reconstructs what a discriminator sees (Larsen, Sonderby, Larochelle & Winther 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.nn.functional import logsigmoid

from jensen.data.spec import Batch, Spec
from jensen.distributions.heads import FLOOR, full_precision
from jensen.errors import JensenError
from jensen.models.adversarial.gan import check_continuous, has_won, non_saturating_loss
from jensen.models.base import Clock, Turn
from jensen.models.latent.likelihoods.start import set_output_bias
from jensen.models.latent.posteriors import DiagonalGaussian
from jensen.models.latent.priors import StandardNormal
from jensen.nets import MLP, Activation, decoder, encoder
from jensen.nets import activation as nonlinearity

Nets = Literal["dense", "convolutional"]

_WIDTH = 256  # of the dense layer between the features of a convolutional discriminator and its logit


class Discriminator(nn.Module):
    """D(x) = sigmoid(a(f(x))): the probability that x is data, by way of the features f of a middle layer.

    Args:
        below: f, (B, *event) -> (B, F).
        above: (B, F) -> (B, 1).
    """

    def __init__(self, below: nn.Module, above: nn.Module) -> None:
        super().__init__()
        self.below, self.above = below, above

    def forward(
        self, x: Float[Tensor, "batch *event"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, " batch"]]:
        """f(x) (B, F), and the logit a (B,)."""
        features = self.below(x)
        return full_precision(features), full_precision(self.above(features)[:, 0])


class VAEGAN(nn.Module):
    """z ~ p(z), x = G(z), with q(z | x) to code x; there is no density of x, and no bound on one.

    Three players, on reconstructions x~ = G(z), z ~ q(z | x), and samples x_p = G(z_p), z_p ~ p(z):

        encoder        descends  KL(q(z | x) || p(z)) + R,         R = |f(x) - f(x~)|^2 / (2 s^2)
        decoder        descends  gamma R - log D(x~) - log D(x_p)
        discriminator  ascends   V = log D(x) + log(1 - D(x~)) + log(1 - D(x_p))

    R is -log N(f(x); f(x~), s^2 I) but for its constant: x is reconstructed in the features of the discriminator, and
    not entry by entry. s is `feature_scale` times their spread, the root of the mean over features of Var f(x) over the
    batch of data, a constant in every gradient: the discriminator cannot change the weight of the KL by scaling them.
    (The original has s = 1 and batch normalisation.) The algorithm as it is printed has both adversarial signs the
    wrong way round. The decoder's loss is the non-saturating one, because log(1 - D) has no gradient where D = 0.

    Args:
        prior: () -> p(z), event_shape (Z,).
        posterior: x -> q(z | x), batch_shape (B,), event_shape (Z,).
        decoder: G, (N, Z) -> (N, *event).
        discriminator: x -> f(x) (B, F) and logits (B,).
        gamma: the weight of reconstruction in the decoder's loss.
        feature_scale: s in units of the features' spread.
        discriminator_rate: the discriminator's learning rate, in units of the others'.
    """

    def __init__(
        self,
        prior: Callable[[], Distribution],
        posterior: Callable[[Tensor], Distribution],
        decoder: nn.Module,
        discriminator: nn.Module,
        gamma: float = 1.0,
        feature_scale: float = 1.0,
        discriminator_rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.posterior = posterior
        self.decoder = decoder
        self.discriminator = discriminator
        self.gamma, self.feature_scale, self.discriminator_rate = gamma, feature_scale, discriminator_rate

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Float[Tensor, "num_samples *event"]:
        """x = G(temperature z), z ~ p(z): (N, *event)."""
        return full_precision(self.decoder(temperature * self.prior().sample(torch.Size([num_samples]))))

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """The mean of q(z | x), (B, Z)."""
        return self.posterior(x).mean

    @torch.no_grad()
    def reconstruct(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """G at the mean of q(z | x): (B, *event)."""
        return full_precision(self.decoder(self.encode(x)))

    @torch.no_grad()
    def reconstruction_errors(self, x: Float[Tensor, "batch *event"]) -> dict[str, Float[Tensor, " batch"]]:
        """The squared error of each reconstruction, (B,): of x itself, which is not what is trained."""
        return {"squared_error": (x - self.reconstruct(x)).square().flatten(1).sum(1)}

    def turns(self, batch: Batch, clock: Clock) -> Iterator[tuple[Turn, ...]]:
        """All three on one forward pass: each gradient is of one player, and then all move.

        Logged: `kl` nats; `feature_error` R, nats but for a constant; `value` V, nats, which is log(4/27) where D knows
        nothing, and at most 0; `accuracy`, the share of data, reconstructions and samples that D tells apart.
        """
        q_z, p_z = self.posterior(batch.x), self.prior()
        kl = kl_divergence(q_z, p_z).mean()
        reconstruction = self.decoder(q_z.rsample())
        sample = self.decoder(p_z.sample(torch.Size([len(batch.x)])))
        features, real = self.discriminator(batch.x)
        features_again, again = self.discriminator(reconstruction)
        _, drawn = self.discriminator(sample)

        variance = self.feature_scale**2 * features.detach().var(0, correction=0).mean() + FLOOR
        error = (features - features_again).square().sum(1).mean() / (2 * variance)
        v = logsigmoid(real).mean() + logsigmoid(-again).mean() + logsigmoid(-drawn).mean()
        adversarial = non_saturating_loss(again) + non_saturating_loss(drawn)
        fakes = ((again <= 0).float().mean() + (drawn <= 0).float().mean()) / 2
        accuracy = ((real > 0).float().mean() + fakes) / 2
        figures = {
            "encoder": {"kl": kl, "feature_error": error},
            "decoder": {"decoder_adversarial": adversarial},
            "discriminator": {"discriminator_loss": -v, "value": v, "accuracy": accuracy},
        }
        losses = {"encoder": kl + error, "decoder": self.gamma * error + adversarial, "discriminator": -v}
        players = {"encoder": self.posterior, "decoder": self.decoder, "discriminator": self.discriminator}
        yield tuple(
            Turn(
                name,
                losses[name],
                list(player.parameters()),  # type: ignore[attr-defined]
                {figure: value.detach() for figure, value in figures[name].items()},
                self.discriminator_rate if name == "discriminator" else 1.0,
            )
            for name, player in players.items()
        )

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where the discriminator has won outright, and the setting to change."""
        if not has_won(terms["accuracy"], terms["value"]):
            return None
        return (
            f"the discriminator has won: it tells every sample from data (accuracy {terms['accuracy']:.3f}, value "
            f"{terms['value']:.2g} of at most 0), and the decoder has little to learn from it: lower "
            f"discriminator_rate from {self.discriminator_rate:g}, or learning_rate"
        )

    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts the decoder at the data's mean, whatever z is."""
        mean, unit = x.flatten(1).mean(0), any(isinstance(part, nn.Sigmoid) for part in self.decoder.modules())
        set_output_bias(self.decoder, mean.clamp(1e-3, 1 - 1e-3).logit() if unit else mean)


def discriminator(spec: Spec, net: Nets, hidden: tuple[int, ...], activation: Activation) -> Discriminator:
    """An encoder net, cut in the middle: after half of its dense layers, or after its last convolution."""
    if net == "convolutional":
        below = encoder(spec, 1, net, hidden, activation)
        assert isinstance(below.output, nn.Linear)
        width, below.output = below.output.in_features, nn.Identity()
        return Discriminator(below, MLP((width, _WIDTH, 1), activation))
    half = (len(hidden) + 1) // 2
    below = nn.Sequential(
        encoder(spec, hidden[half - 1], net, hidden[: half - 1], activation), nonlinearity(activation)
    )
    return Discriminator(below, MLP((*hidden[half - 1 :], 1), activation))


def build(
    spec: Spec,
    *,
    latent_dim: int = 32,
    net: Nets = "dense",
    hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "leaky-relu",
    gamma: float = 0.1,
    feature_scale: float = 1.0,
    discriminator_rate: float = 1.0,
) -> VAEGAN:
    """A VAE/GAN for data of that spec: "real" (linear output) or "unit" (sigmoid output).

    Args:
        spec: what x is.
        latent_dim: Z.
        net: "dense" for anything, "convolutional" for images: of all three players.
        hidden: widths or channels of encoder and discriminator; the decoder has them in reverse.
        activation: the name of the nonlinearity.
        gamma: the weight of reconstruction, a sum over features, against deceiving the discriminator.
        feature_scale: the scale of the Gaussian over features, in units of their spread: higher weighs the KL more.
        discriminator_rate: the discriminator's learning rate, in units of the others', which is learning_rate.

    Raises:
        JensenError: data that take separate values, which a decoder cannot give with a gradient.
    """
    check_continuous(spec, "a VAE/GAN")
    if not hidden:
        raise JensenError("hidden needs at least one layer, of whose features x is reconstructed: try hidden=300,300")
    if gamma < 0:
        raise JensenError(f"gamma must be at least 0, got {gamma:g}")
    if not feature_scale > 0:
        raise JensenError(f"feature_scale must be above 0, got {feature_scale:g}")
    if not discriminator_rate > 0:
        raise JensenError(f"discriminator_rate must be above 0, got {discriminator_rate:g}")
    return VAEGAN(
        StandardNormal(latent_dim),
        DiagonalGaussian(encoder(spec, 2 * latent_dim, net, hidden, activation)),
        nn.Sequential(
            decoder(spec, latent_dim, spec.num_dims, net, hidden, activation),
            nn.Sigmoid() if spec.kind == "unit" else nn.Identity(),
            nn.Unflatten(-1, spec.event_shape),
        ),
        discriminator(spec, net, hidden, activation),
        gamma,
        feature_scale,
        discriminator_rate,
    )
