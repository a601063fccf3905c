"""The two-stage variational autoencoder (Dai & Wipf 2019)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from jensen.data.spec import Batch, Spec
from jensen.distributions import PositiveMap
from jensen.distributions.chain import Chain
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.latent import posteriors, priors
from jensen.models.latent.likelihoods import Gaussian
from jensen.models.latent.vae import VAE
from jensen.nets import MLP, Activation, Net, decoder, encoder


class TwoStageVAE(VAE):
    """u ~ N(0, I), z ~ p(z | u), x ~ p(x | z): a VAE of x, and a VAE of the z that its encoder gives.

    As one model it is a chain, p(u) p(z | u) p(x | z) under q(z | x) q(u | z), over (z, u); bounds and evidence are of
    that whole. It is trained in two stages, neither of which moves the other's parameters:

        first   ascends E_q(z | x) log p(x | z) - KL(q(z | x) || N(0, I))
        second  ascends E_q(u | z) log p(z | u) - KL(q(u | z) || N(0, I)),  z ~ q(z | x) held fixed

    Args:
        first: of x, with latents z.
        second: of z, with latents u.
        latent_dim: of z.
        second_dim: of u.
    """

    def __init__(self, first: VAE, second: VAE, latent_dim: int, second_dim: int) -> None:
        nn.Module.__init__(self)  # the three parts are the chain's, not attributes
        self.first, self.second = first, second
        self.latent_dim, self.second_dim = latent_dim, second_dim

    def prior(self) -> Chain:
        """p(u) p(z | u): batch_shape (), event_shape (Z + U,)."""
        return Chain(self.second.prior(), self.second.likelihood, self.latent_dim, reverse=True)

    def posterior(self, x: Shaped[Tensor, "batch *event"]) -> Chain:
        """q(z | x) q(u | z): batch_shape (B,), event_shape (Z + U,)."""
        return Chain(self.first.posterior(x), self.second.posterior, self.second_dim)

    def likelihood(self, z: Float[Tensor, "*batch latent"]) -> Distribution:
        """p(x | z) of (z, u): batch_shape (..., B), event_shape of x."""
        return self.first.likelihood(z[..., : self.latent_dim])

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts each stage's likelihood from what it models: x, and the z that the untrained encoder gives."""
        self.first.initialize(x)
        with torch.no_grad():
            self.second.initialize(self.first.posterior(x).sample())

    def turns(self, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn for both stages, on one pass of the encoder: what they ascend shares no parameter."""
        q_z = self.first.posterior(batch.x)
        z = q_z.rsample()
        reconstruction = self.first.likelihood(z).log_prob(batch.x)
        first = reconstruction - kl_divergence(q_z, self.first.prior())
        q_u = self.second.posterior(z.detach())
        second = self.second.likelihood(q_u.rsample()).log_prob(z.detach()) - kl_divergence(q_u, self.second.prior())
        whole = reconstruction - q_z.log_prob(z) + second
        figures = {"elbo": whole, "first_elbo": first, "second_elbo": second}
        yield Turn(
            "model",
            -(first + second).mean(),
            list(self.parameters()),
            {name: value.detach().mean() for name, value in figures.items()},
        )


def build(
    spec: Spec,
    *,
    latent_dim: int = 64,
    net: Net = "dense",
    hidden: tuple[int, ...] = (300, 300),
    second_hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "elu",
    posterior_map: PositiveMap = "exp-variance",
) -> TwoStageVAE:
    """Two VAEs with Gaussian likelihoods, each with its own learned scale gamma; u has as many dimensions as z.

    Args:
        spec: the data, of real or grey values.
        latent_dim: of z, and of u.
        net: between x and z; between z and u it is dense.
        hidden: widths of the first encoder's hidden layers; its decoder has them reversed.
        second_hidden: those of the second stage.
        activation: between the layers.
        posterior_map: how an encoder's output becomes the scale of q(z | x) and q(u | z).
    """
    if spec.kind not in ("real", "unit"):
        raise JensenError(
            f"two-stage-vae learns the scale of real or grey values, got {spec.kind} data: "
            "load images with binarize=none or dequantize=true, or choose the model vae"
        )
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")

    def stage(inward: nn.Module, outward: nn.Module, event_shape: tuple[int, ...]) -> VAE:
        return VAE(
            priors.StandardNormal(latent_dim),
            posteriors.DiagonalGaussian(inward, posterior_map),
            Gaussian(outward, event_shape, "learned", start_from_data=True),
        )

    first = stage(
        encoder(spec, 2 * latent_dim, net, hidden, activation),
        decoder(spec, latent_dim, spec.num_dims, net, hidden, activation),
        spec.event_shape,
    )
    second = stage(
        MLP([latent_dim, *second_hidden, 2 * latent_dim], activation),
        MLP([latent_dim, *reversed(second_hidden), latent_dim], activation),
        (latent_dim,),
    )
    return TwoStageVAE(first, second, latent_dim, latent_dim)
