"""The adversarial autoencoder (Makhzani, Shlens, Jaitly, Goodfellow & Frey 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError, unknown
from jensen.models.adversarial.aae_labels import CategoricalAAE, discriminator_turn, won
from jensen.models.adversarial.coded import Coded, Generative
from jensen.models.adversarial.encoders import CodeHead, Coder, Discriminator, Draw, Features
from jensen.models.adversarial.gan import non_saturating_loss
from jensen.models.base import Clock, Turn
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.priors import StandardNormal
from jensen.models.latent.toy_priors import swiss_roll, ten_gaussians
from jensen.nets import Activation, Net, decoder

Prior = Literal["normal", "ten-gaussians", "swiss-roll"]
Variant = Literal["plain", "conditional", "semi-supervised", "cluster"]

HIDDEN = 1 / 4  # of the labels, from the encoder of a conditional model, in each step


class AAE(Coded):
    """An autoencoder whose codes z ~ q(z | x), over all x, are made to look like draws of p(z).

    Three turns: encoder and decoder raise log p(x | z); the discriminator learns to tell draws of p(z) from codes; the
    encoder learns to pass its codes for draws of p(z).

    Args:
        prior: () -> p(z), which is only ever sampled in training.
        encoder, likelihood: see `Coded`.
        discriminator: z (B, Z) -> logits (B,), of the probability that z is a draw of p(z) and no code.
        adversary_rate: the encoder's learning rate against the discriminator, over that of the reconstruction.
        discriminator_rate: the discriminator's, over that of the reconstruction.
    """

    def __init__(
        self,
        prior: Callable[..., Distribution],
        encoder: Callable[..., Tensor],
        likelihood: Callable[..., Distribution],
        discriminator: nn.Module,
        adversary_rate: float = 1.0,
        discriminator_rate: float = 1.0,
    ) -> None:
        super().__init__(prior, encoder, likelihood)
        self.discriminator = discriminator
        self.adversary_rate, self.discriminator_rate = adversary_rate, discriminator_rate

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """Reconstruction; then the discriminator on draws of p(z) and codes; then the encoder against it.

        Logged: `reconstruction` E log p(x | z); `jensen_shannon` and `accuracy` of the discriminator, see `GAN.turns`:
        the codes match p(z) where they are 0 and 1/2 for every discriminator.
        """
        told, judged_by = self._told(batch)
        coding = list(self.encoder.parameters())  # type: ignore[attr-defined]
        reconstruction = self.likelihood(self.encoder(batch.x, *told)).log_prob(batch.x).mean()
        yield Turn(
            "reconstruction",
            -reconstruction,
            [*coding, *self.likelihood.parameters()],  # type: ignore[attr-defined]
            {"reconstruction": reconstruction.detach()},
        )
        with torch.no_grad():
            drawn, codes = self._drawn(len(batch.x), *judged_by), self.encoder(batch.x, *told)
        real, fake = self.discriminator(drawn, *judged_by), self.discriminator(codes, *judged_by)
        yield discriminator_turn("discriminator", self.discriminator, real, fake, self.discriminator_rate)

        loss = non_saturating_loss(self.discriminator(self.encoder(batch.x, *told), *judged_by))
        yield Turn("encoder", loss, coding, {"encoder_loss": loss.detach()}, self.adversary_rate)

    def warning(self, terms: Mapping[str, float]) -> str | None:
        """Words where the discriminator has won outright, and the setting to change."""
        return won("discriminator", terms)

    def _told(self, batch: Batch) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What the encoder is told beside x, and the discriminator beside z: nothing."""
        return (), ()

    def _drawn(self, count: int, *judged_by: Tensor) -> Float[Tensor, "batch latent"]:
        """What codes are compared with: z ~ p(z), (B, Z)."""
        return self.prior().sample(torch.Size([count]))


class ConditionalAAE(AAE):
    """The same of labelled x: codes of class y are made to look like draws of p(z | y), the y-th part of the prior.

    Encoder and discriminator see y as an indicator of K + 1 places, the last of which says that there is no label.
    Codes of rows without one are compared with draws of p(z). So that x can be coded without its label as well, in each
    step a quarter of the labels, chosen at random, are kept from the encoder, which then has to guess them; the
    discriminator, which knows them, sees which they are too, and so holds the codes of either kind to p(z | y).

    Args:
        prior: y (B,) -> p(z | y); () -> p(z).
        encoder: (x, indicator (B, K + 1)) -> z ~ q(z | x, y), (B, Z).
        likelihood, adversary_rate, discriminator_rate: see `AAE`.
        discriminator: (z, indicator, whether the encoder was not told (B, 1)) -> logits (B,).
        num_classes: K.
    """

    conditional = True
    needs_labels = True

    def __init__(
        self,
        prior: Callable[..., Distribution],
        encoder: Callable[..., Tensor],
        likelihood: Callable[..., Distribution],
        discriminator: nn.Module,
        adversary_rate: float,
        discriminator_rate: float,
        num_classes: int,
    ) -> None:
        super().__init__(prior, encoder, likelihood, discriminator, adversary_rate, discriminator_rate)
        self.num_classes = num_classes

    def given(self, y: Int[Tensor, "*batch"]) -> Generative:
        """The model of x given y, p(z | y) p(x | z): it can be sampled, and annealed.

        With y of shape () every sample has that label, with (B,) each row has its own.
        """
        return Generative(lambda: self.prior(y), self.likelihood)

    @torch.no_grad()
    def encode(
        self, x: Shaped[Tensor, "batch *event"], y: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch latent"]:
        """One draw z ~ q(z | x, y) for each x, or z ~ q(z | x) without labels: (B, Z)."""
        return self.encoder(x, self._indicator(torch.full((len(x),), -1, device=x.device) if y is None else y))

    def _told(self, batch: Batch) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        if batch.y is None:
            raise JensenError("variant=conditional needs labelled data, got none: give labels, or set variant=plain")
        hidden = torch.rand(len(batch.y), device=batch.y.device) < HIDDEN
        told = self._indicator(batch.y.masked_fill(hidden, -1))
        return (told,), (self._indicator(batch.y), hidden[:, None].to(told))

    def _indicator(self, y: Int[Tensor, " batch"]) -> Float[Tensor, "batch classes_and_one"]:
        return nn.functional.one_hot(torch.where(y < 0, self.num_classes, y), self.num_classes + 1).float()

    def _drawn(self, count: int, *judged_by: Tensor) -> Float[Tensor, "batch latent"]:
        """z ~ p(z | y) of each row, of p(z) where it has no label: (B, Z)."""
        y = judged_by[0].argmax(-1)
        of_class: Tensor = self.prior(y.clamp_max(self.num_classes - 1)).sample()
        return torch.where((y == self.num_classes)[:, None], super()._drawn(count), of_class)


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
    discriminator_rate: float = 1.0,
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
        adversary_rate: the encoder's learning rate against a discriminator, over that of the reconstruction.
        discriminator_rate: a discriminator's, over that of the reconstruction.
    """
    if variant not in get_args(Variant):
        raise unknown("variant", variant, get_args(Variant))
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    for name, rate in (("adversary_rate", adversary_rate), ("discriminator_rate", discriminator_rate)):
        if not rate > 0:
            raise JensenError(f"{name} must be above 0, got {rate:g}")
    classes = _num_classes(spec, variant) if variant in ("conditional", "semi-supervised") else num_clusters
    told = classes + 1 if variant == "conditional" else 0
    trunk = Features(spec, net, hidden, activation, told)
    code = CodeHead(trunk.num_features, latent_dim, encoder, activation)

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
        if classes < 2:
            raise JensenError(f"a categorical code needs at least 2 categories, got {classes}: set num_clusters")
        return CategoricalAAE(
            StandardNormal(latent_dim),
            trunk,
            code,
            nn.Linear(trunk.num_features, classes),
            p_x(classes + latent_dim),
            Discriminator(latent_dim, discriminator_hidden),
            Discriminator(classes, discriminator_hidden),
            variant == "semi-supervised",
            adversary_rate,
            discriminator_rate,
        )
    p_z = _prior(prior, latent_dim, classes if variant == "conditional" else None)
    judge = Discriminator(latent_dim + (told + 1 if told else 0), discriminator_hidden)
    parts = (p_z, Coder(trunk, code), p_x(latent_dim), judge, adversary_rate, discriminator_rate)
    return ConditionalAAE(*parts, classes) if variant == "conditional" else AAE(*parts)


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
