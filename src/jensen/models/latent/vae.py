"""The variational autoencoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.distributions import Distribution


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

    >>> from jensen.models.latent import likelihoods, posteriors, priors
    >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    >>> p_x = likelihoods.Bernoulli(nn.Linear(2, 64), event_shape=(1, 8, 8))
    >>> VAE(priors.StandardNormal(2), posteriors.DiagonalGaussian(encoder), p_x).sample(5).shape
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

    batch_shape = torch.Size()  # of the condition that is bound

    def given(self, y: Tensor) -> VAE:
        """The model of x given y: bounds and `sample` take it unchanged.

        With y of shape () every sample has that condition; with (B,) each row of a batch of x has its own, and so many
        samples are drawn for each: (N, B, *event).
        """
        bound = VAE(lambda: self.prior(y), lambda x: self.posterior(x, y), lambda z: self.likelihood(z, y))
        bound.batch_shape = y.shape
        return bound

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
        missing = self.batch_shape[: len(self.batch_shape) - len(prior.batch_shape)]
        z = prior.sample(torch.Size([num_samples, *missing]))
        return z if temperature == 1.0 else prior.mean + temperature * (z - prior.mean)

    @torch.no_grad()
    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """E[x | z] at the posterior's mean: (B, *event)."""
        return self.likelihood(self.posterior(x).mean).mean

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts prior and likelihood from the data, where they know how; called once before training."""
        for part in (self.prior, self.likelihood):
            if hasattr(part, "initialize"):
                part.initialize(x)
