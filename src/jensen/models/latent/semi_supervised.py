"""The semi-supervised variational autoencoder, M2 of Kingma, Rezende, Mohamed & Welling (2014)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical, kl_divergence
from torch.nn.functional import log_softmax

from jensen.data.labels import UNLABELLED
from jensen.data.spec import Batch, Spec
from jensen.distributions import PositiveMap
from jensen.distributions.chain import Chain
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.labelled import cross_entropy, labelled_part
from jensen.models.latent import posteriors, priors
from jensen.models.latent.conditional import OfBoth
from jensen.models.latent.likelihoods import choose
from jensen.models.latent.vae import VAE
from jensen.nets import Activation, Net, decoder, encoder
from jensen.nets.conditional import ConditionalEncoder


class SemiSupervisedVAE(VAE):
    """p(x) = sum_y p(y) integral of p(z) p(x | z, y) dz, with q(y | x) q(z | x, y) to bound it; p(y) is uniform.

    With L(x, y) = E_q(z | x, y) log p(x | z, y) - KL(q(z | x, y) || p(z)) + log p(y),

        log p(x, y) >= L(x, y)                                            where x has a label
        log p(x)    >= sum_y q(y | x) (L(x, y) - log q(y | x))            where it has none

    are ascended with weight `gw`, and log q(y | x) of labelled x with weight `cw`, for the bounds of labelled x alone
    would leave q(y | x) untrained.

    As a model of x its latents are (y, z), y as indicators: bounds and evidence take it as any other.

    Args:
        classifier: x -> the logits of q(y | x), (B, C).
        prior: () -> p(z).
        posterior: (x, y) -> q(z | x, y), a diagonal Gaussian, y as indicators that broadcast against (B, C).
        likelihood: (z, y) -> p(x | z, y).
        num_classes: C.
        latent_dim: Z.
        gw: weight of the bounds.
        cw: weight of the classification.
    """

    conditional = True
    needs_labels = True
    discrete_latents = True
    eye: Tensor

    def __init__(
        self,
        classifier: nn.Module,
        prior: nn.Module,
        posterior: nn.Module,
        likelihood: nn.Module,
        num_classes: int,
        latent_dim: int,
        gw: float = 1.0,
        cw: float = 100.0,
    ) -> None:
        nn.Module.__init__(self)  # prior, posterior and likelihood of (y, z) are methods here
        if gw < 0 or cw < 0 or gw + cw == 0:
            raise JensenError(f"gw and cw are weights of at least 0, and not both 0: got gw={gw:g}, cw={cw:g}")
        self.classifier, self.p_z, self.q_z, self.p_x = classifier, prior, posterior, likelihood
        self.num_classes, self.latent_dim, self.gw, self.cw = num_classes, latent_dim, gw, cw
        self.register_buffer("eye", torch.eye(num_classes), persistent=False)

    def classify(self, x: Shaped[Tensor, "*event"]) -> Float[Tensor, "*batch classes"]:
        """log q(y | x) of every y, (B, C), nats; dense networks take any leading dimensions for B."""
        return log_softmax(full_precision(self.classifier(x)), -1)

    def given(self, y: Int64[Tensor, "*batch"]) -> VAE:
        """The model of x given its label."""
        features = self.eye[y]
        bound = VAE(self.p_z, lambda x: self.q_z(x, features), lambda z: self.p_x(z, features))
        bound.batch_shape = y.shape
        return bound

    def prior(self) -> Chain:
        """p(y) p(z): batch_shape (), event_shape (C + Z,)."""
        p_z = self.p_z()
        uniform = OneHotCategorical(logits=self.eye.new_zeros(self.num_classes), validate_args=False)
        return Chain(uniform, lambda y: p_z.expand(y.shape[:-1]), self.latent_dim)

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> Chain:
        """q(y | x) q(z | x, y): batch_shape (B,), event_shape (C + Z,)."""
        q_y = OneHotCategorical(logits=self.classify(x), validate_args=False)
        return Chain(q_y, lambda y: self.q_z(x, y), self.latent_dim)

    def likelihood(self, z: Float[Tensor, "*batch latent"]) -> Distribution:
        """p(x | z, y) of (y, z): batch_shape (..., B), event_shape of x."""
        y, z = z.split([self.num_classes, self.latent_dim], -1)
        return self.p_x(z, y)

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the data."""
        self.p_x.initialize(x)  # type: ignore[operator]

    def labelled_bounds(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "classes batch"]:
        """L(x, y) of every y, one draw of z each: (C, B), nats.

        All y of an x share the noise of z: q(y | x) learns from differences between them, from which it then drops out.
        """
        y = self.eye[:, None]
        q_z = self.q_z(x, y)
        z = q_z.mean + q_z.stddev * torch.randn_like(q_z.mean[0])
        return self.p_x(z, y).log_prob(x) - kl_divergence(q_z, self.p_z()) - math.log(self.num_classes)

    def bounds(
        self,
        x: Shaped[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"] | None,
        log_q: Float[Tensor, "batch classes"],
    ) -> Float[Tensor, " batch"]:
        """L(x, y) of examples with a label, the bound that sums over y of those without one (y = -1): (B,), nats."""
        of_y = self.labelled_bounds(x).T
        marginal = (log_q.exp() * (of_y - log_q)).sum(1)
        if y is None:
            return marginal
        labelled = of_y.gather(1, y.clamp(min=0)[:, None]).squeeze(1)
        return torch.where(y > UNLABELLED, labelled, marginal)

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """Ascends gw mean bound + cw mean log q(y | x); the first over the batch, the second over labelled examples."""
        x, y = labelled_part(batch)
        classification, accuracy = cross_entropy(self.classify(x), y)
        terms = {"classification": classification.detach(), "labelled_accuracy": accuracy}
        if self.gw == 0:
            yield Turn("model", self.cw * classification, list(self.classifier.parameters()), terms)
            return
        bound = self.bounds(batch.x, batch.y, self.classify(batch.x)).mean()
        loss = self.cw * classification - self.gw * bound
        yield Turn("model", loss, list(self.parameters()), {"bound": bound.detach(), **terms})


def build(
    spec: Spec,
    *,
    gw: float = 1.0,
    cw: float = 100.0,
    likelihood: choose.Name = "auto",
    likelihood_scale: choose.Scale = "learned",
    net: Net = "dense",
    latent_dim: int = 64,
    hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "elu",
    posterior_map: PositiveMap = "softplus-variance",
) -> SemiSupervisedVAE:
    """M2 with three networks alike: x to y, (x, y) to z, and (z, y) to x.

    Args:
        spec: the data, with labels; load them with labelled=N to keep N of them.
        gw: weight of the bounds on log p(x) and log p(x, y); 0 trains the classifier alone.
        cw: weight of log q(y | x) of labelled examples.
        likelihood: "auto" is the usual one for the kind of data.
        likelihood_scale: of a Gaussian likelihood.
        net: "dense", "convolutional" for images, "recurrent" for series.
        latent_dim: Z.
        hidden: widths of the hidden layers of the encoder and of the classifier; the decoder has them reversed.
        activation: between the layers.
        posterior_map: how the encoder's output becomes the scale of q(z | x, y).
    """
    if spec.num_classes is None:
        raise JensenError("ss-vae needs data with labels, and these have none: give labels, or target=COLUMN")
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    num_classes = spec.num_classes

    def outward(num_outputs: int) -> nn.Module:
        return decoder(spec, latent_dim + num_classes, num_outputs, net, hidden, activation)

    return SemiSupervisedVAE(
        encoder(spec, num_classes, net, hidden, activation),
        priors.StandardNormal(latent_dim),
        posteriors.DiagonalGaussian(
            ConditionalEncoder(spec, num_classes, 2 * latent_dim, net, hidden, activation), posterior_map
        ),
        OfBoth(choose.likelihood_for(spec, outward, likelihood, likelihood_scale)),
        num_classes,
        latent_dim,
        gw,
        cw,
    )
