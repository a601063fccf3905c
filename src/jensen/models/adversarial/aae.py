"""The adversarial autoencoder (Makhzani, Shlens, Jaitly, Goodfellow & Frey 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError, unknown
from jensen.models.adversarial.aae_labels import CategoricalAAE, discriminator_turn, won
from jensen.models.adversarial.coded import Coded, Generative
from jensen.models.adversarial.encoders import CodeHead, Discriminator, Draw, features
from jensen.models.adversarial.gan import non_saturating_loss
from jensen.models.base import Clock, Turn
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.priors import StandardNormal
from jensen.models.latent.toy_priors import swiss_roll, ten_gaussians
from jensen.nets import Activation, Net, decoder

Prior = Literal["normal", "ten-gaussians", "swiss-roll"]
Variant = Literal["plain", "conditional", "semi-supervised", "cluster"]


class AAE(Coded):
    """An autoencoder whose codes z ~ q(z | x), over all x, are made to look like draws of p(z).

    Three turns: encoder and decoder raise log p(x | z); the discriminator learns to tell draws of p(z) from codes; the
    encoder learns to pass its codes for draws of p(z).

    Args:
        prior: () -> p(z), which is only ever sampled in training.
        encoder, likelihood: see `Coded`.
        discriminator: z (B, Z) -> logits (B,), of the probability that z is a draw of p(z) and no code. With
            `num_classes` it takes z and an indicator of y, (B, K + 1).
        num_classes: K, where the prior's parts are the classes: prior(y) is p(z | y), and codes of x with the label y
            are to look like its draws, codes of unlabelled x like draws of p(z).
        adversary_rate: times the learning rate is that of the discriminator, and of the encoder against it.
    """

    def __init__(
        self,
        prior: Callable[..., Distribution],
        encoder: Callable[[Tensor], Tensor],
        likelihood: Callable[..., Distribution],
        discriminator: nn.Module,
        num_classes: int | None = None,
        adversary_rate: float = 1.0,
    ) -> None:
        super().__init__(prior, encoder, likelihood)
        self.discriminator = discriminator
        self.num_classes, self.adversary_rate = num_classes, adversary_rate

    @property
    def conditional(self) -> bool:
        """Whether `given` can be asked for."""
        return self.num_classes is not None

    needs_labels = conditional

    def given(self, y: Int[Tensor, "*batch"]) -> Generative:
        """The model of x given y, p(z | y) p(x | z): it can be sampled, and annealed.

        With y of shape () every sample has that label, with (B,) each row has its own.
        """
        if self.num_classes is None:
            raise JensenError("this model was fitted without labels: set variant=conditional")
        return Generative(lambda: self.prior(y), self.likelihood)

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """Reconstruction; then the discriminator on draws of p(z) and codes; then the encoder against it.

        Logged: `reconstruction` E log p(x | z); `jensen_shannon` and `accuracy` of the discriminator, see `GAN.turns`:
        the codes match p(z) where they are 0 and 1/2 for every discriminator.
        """
        coding = list(self.encoder.parameters())  # type: ignore[attr-defined]
        reconstruction = self.likelihood(self.encoder(batch.x)).log_prob(batch.x).mean()
        yield Turn(
            "reconstruction",
            -reconstruction,
            [*coding, *self.likelihood.parameters()],  # type: ignore[attr-defined]
            {"reconstruction": reconstruction.detach()},
        )
        with torch.no_grad():
            codes = self.encoder(batch.x)
        real, fake = self._logits(self._drawn(batch), batch), self._logits(codes, batch)
        yield discriminator_turn("discriminator", self.discriminator, real, fake, self.adversary_rate)

        loss = non_saturating_loss(self._logits(self.encoder(batch.x), batch))
        yield Turn("encoder", loss, coding, {"encoder_loss": loss.detach()}, self.adversary_rate)

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where the discriminator has won outright, and the setting to change."""
        return won("discriminator", terms)

    def _logits(self, z: Float[Tensor, "batch latent"], batch: Batch) -> Float[Tensor, " batch"]:
        """The discriminator's, of z at the rows of the batch; unlabelled rows have a class of their own, the last."""
        if self.num_classes is None:
            return self.discriminator(z)
        y = labels_of(batch)
        which = torch.where(y < 0, self.num_classes, y)
        return self.discriminator(z, nn.functional.one_hot(which, self.num_classes + 1).to(z.dtype))

    @torch.no_grad()
    def _drawn(self, batch: Batch) -> Float[Tensor, "batch latent"]:
        """z ~ p(z | y) of each row, of p(z) where it is not labelled: (B, Z)."""
        drawn = self.prior().sample(torch.Size([len(batch.x)]))
        if self.num_classes is None:
            return drawn
        y = labels_of(batch)
        return torch.where(y[:, None] < 0, drawn, self.prior(y.clamp_min(0)).sample())


def labels_of(batch: Batch) -> Int[Tensor, " batch"]:
    """y (B,), or an error where the data have none."""
    if batch.y is None:
        raise JensenError("variant=conditional needs labelled data, got none: give labels, or set variant=plain")
    return batch.y


def build(
    spec: Spec,
    *,
    prior: Prior = "normal",
    encoder: Draw = "deterministic",
    variant: Variant = "plain",
    num_clusters: int = 16,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    latent_dim: int = 2,
    net: Net = "dense",
    hidden: tuple[int, ...] = (300, 300),
    discriminator_hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "relu",
    adversary_rate: float = 1.0,
) -> AAE | CategoricalAAE:
    """An adversarial autoencoder; the decoder mirrors the encoder.

    Args:
        spec: the data.
        prior: "normal" is N(0, I); "ten-gaussians" and "swiss-roll" are in the plane, latent_dim=2.
        encoder: how z is drawn: "deterministic", "gaussian", or "noise" that a network pushes forward.
        variant: "plain"; "conditional", the codes of class y match the y-th part of a prior that has parts;
            "semi-supervised", a categorical code is learned from the rows that are labelled; "cluster", from none.
        num_clusters: of variant=cluster.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        latent_dim: Z.
        net: "dense", "convolutional" for images, "recurrent" for series.
        hidden: widths of the encoder's hidden layers (channels of a convolutional one, units of a recurrent one).
        discriminator_hidden: widths of a discriminator's hidden layers.
        activation: between the layers of encoder and decoder.
        adversary_rate: the adversaries' learning rate as a multiple of the reconstruction's.
    """
    if variant not in get_args(Variant):
        raise unknown("variant", variant, get_args(Variant))
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    hidden_layers, width = features(spec, net, hidden, activation)
    code = CodeHead(width, latent_dim, encoder, activation)

    def p_x(num_inputs: int) -> nn.Module:
        return choose.likelihood_for(
            spec,
            lambda outputs: decoder(spec, num_inputs, outputs, net, hidden, activation),
            likelihood,
            likelihood_scale,
        )

    if variant in ("semi-supervised", "cluster"):
        if prior != "normal":
            raise JensenError(f"variant={variant} has a style z ~ N(0, I) beside its category: set prior=normal")
        num_classes = num_clusters if variant == "cluster" else _num_classes(spec, variant)
        if num_classes < 2:
            raise JensenError(f"a categorical code needs at least 2 categories, got {num_classes}: set num_clusters")
        return CategoricalAAE(
            StandardNormal(latent_dim),
            hidden_layers,
            code,
            nn.Linear(width, num_classes),
            p_x(num_classes + latent_dim),
            Discriminator(latent_dim, discriminator_hidden),
            Discriminator(num_classes, discriminator_hidden),
            variant == "semi-supervised",
            adversary_rate,
        )
    classes = _num_classes(spec, variant) if variant == "conditional" else None
    return AAE(
        _prior(prior, latent_dim, classes),
        nn.Sequential(hidden_layers, code),
        p_x(latent_dim),
        Discriminator(latent_dim + (0 if classes is None else classes + 1), discriminator_hidden),
        classes,
        adversary_rate,
    )


def _num_classes(spec: Spec, variant: Variant) -> int:
    if spec.num_classes is None:
        raise JensenError(f"variant={variant} needs labelled data, got none: give labels, or set variant=plain")
    return spec.num_classes


def _prior(word: Prior, latent_dim: int, num_classes: int | None) -> nn.Module:
    if word not in get_args(Prior):
        raise unknown("prior", word, get_args(Prior))
    if word == "normal":
        if num_classes is not None:
            raise JensenError("variant=conditional needs a prior that has a part for each class: set prior=swiss-roll")
        return StandardNormal(latent_dim)
    if latent_dim != 2:
        raise JensenError(f"prior={word} is in the plane, got latent_dim={latent_dim}: set latent_dim=2")
    if word == "swiss-roll":
        return swiss_roll(num_classes or 10)
    if num_classes not in (None, 10):
        raise JensenError(f"prior=ten-gaussians has 10 parts, and the data {num_classes} classes: set prior=swiss-roll")
    return ten_gaussians()
