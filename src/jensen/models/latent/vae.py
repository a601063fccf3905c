"""The variational autoencoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.data.spec import Spec
from jensen.distributions import PositiveMap
from jensen.errors import JensenError
from jensen.models.latent import likelihoods, posteriors, priors
from jensen.nets import MLP, Activation


class VAE(nn.Module):
    """p(x) = integral of p(z) p(x | z) dz, with q(z | x) to bound it.

    The three parts are whatever returns a Distribution when called; modules are registered, so that their parameters
    are trained and saved.

    Args:
        prior: () -> p(z), event_shape (Z,).
        posterior: x -> q(z | x), batch_shape (B,), event_shape (Z,).
        likelihood: z -> p(x | z), batch_shape (..., B), event_shape of x.

    With a condition y each part takes it as one more argument, prior(y), posterior(x, y), likelihood(z, y), and
    `given` binds it.

    >>> _ = torch.manual_seed(0)
    >>> model = build(Spec((1, 8, 8), "binary", levels=2), latent_dim=2, hidden=(16,))
    >>> model.sample(5).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        prior: Callable[..., Distribution],
        posterior: Callable[..., Distribution],
        likelihood: Callable[..., Distribution],
    ) -> None:
        super().__init__()
        self.prior = prior
        self.posterior = posterior
        self.likelihood = likelihood

    def given(self, y: Tensor) -> VAE:
        """The model of x given y: bounds and `sample` take it unchanged.

        With y of shape () every sample has that condition; with (B,) each row of a batch of x has its own.
        """
        return VAE(
            lambda: self.prior(y),
            lambda x: self.posterior(x, y),
            lambda z: self.likelihood(z, y),
        )

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | z), z ~ p(z): (N, *event).

        `temperature` scales z about the prior's mean, which for a Gaussian prior is its standard deviation.
        """
        return self.likelihood(self._latents(num_samples, temperature)).sample()

    @torch.no_grad()
    def sample_mean(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """E[x | z] for z ~ p(z): (N, *event), what figures usually show."""
        return self.likelihood(self._latents(num_samples, temperature)).mean

    def _latents(self, num_samples: int, temperature: float) -> Tensor:
        prior = self.prior()
        z = prior.sample(torch.Size([num_samples]))
        return z if temperature == 1.0 else prior.mean + temperature * (z - prior.mean)

    @torch.no_grad()
    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """E[x | z] at the posterior's mean: (B, *event)."""
        return self.likelihood(self.posterior(x).mean).mean

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the data's own mean, where it knows how; called once before training."""
        if hasattr(self.likelihood, "initialize"):
            self.likelihood.initialize(x)


def build(
    spec: Spec,
    *,
    prior: Literal["normal", "mixture"] = "normal",
    num_components: int = 500,
    latent_dim: int = 10,
    hidden: tuple[int, ...] = (300, 300),
    activation: Activation = "elu",
    posterior_map: PositiveMap = "softplus-variance",
    likelihood: Literal["bernoulli", "gaussian", "auto"] = "auto",
    likelihood_scale: Literal["unit", "learned"] = "learned",
    start_from_data: bool = True,
    init_gain: float = 1.0,
) -> VAE:
    """A VAE with diagonal Gaussian posterior and dense networks, hidden widths mirrored.

    Args:
        spec: the data.
        prior: "normal" is N(0, I), "mixture" a learned mixture of Gaussians.
        num_components: of a mixture.
        latent_dim: Z.
        hidden: widths of the encoder's hidden layers; the decoder has them reversed.
        activation: between the layers.
        posterior_map: how the encoder's output becomes the posterior's scale.
        likelihood: "auto" is Bernoulli for bits and Gaussian otherwise.
        likelihood_scale: of a Gaussian likelihood.
        start_from_data: whether the output bias (and a learned scale) starts at the data's mean (and spread).
        init_gain: multiplies the usual initial weights of the layers that feed a nonlinearity.
    """
    if spec.kind in ("8-bit", "categorical"):
        raise JensenError(
            f"vae has no likelihood for {spec.kind} data yet: load it with binarize=dynamic, dequantize=true, "
            "or as grey values, or choose the model made"
        )
    if latent_dim < 1:
        raise JensenError(f"latent_dim must be at least 1, got {latent_dim}")
    if likelihood == "auto":
        likelihood = "bernoulli" if spec.kind == "binary" else "gaussian"
    if likelihood == "bernoulli" and spec.kind == "real":
        raise JensenError("Bernoulli likelihood needs x in [0, 1], got real values: choose likelihood=gaussian")
    encoder = MLP([spec.num_dims, *hidden, 2 * latent_dim], activation)
    decoder = MLP([latent_dim, *reversed(hidden), spec.num_dims], activation)
    for net in (encoder, decoder):
        for layer in list(net)[:-1]:
            if isinstance(layer, nn.Linear):
                layer.weight.data.mul_(init_gain)
    return VAE(
        priors.StandardNormal(latent_dim) if prior == "normal" else priors.GaussianMixture(latent_dim, num_components),
        posteriors.DiagonalGaussian(encoder, posterior_map),
        likelihoods.Bernoulli(decoder, spec.event_shape, start_from_data)
        if likelihood == "bernoulli"
        else likelihoods.Gaussian(decoder, spec.event_shape, likelihood_scale, start_from_data),
    )
