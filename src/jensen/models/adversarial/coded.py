"""Latent-variable models whose encoder can be drawn from and not scored."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.errors import JensenError


class Generative(nn.Module):
    """p(x) = integral of p(z) p(x | z) dz.

    Args:
        prior: () -> p(z), event_shape (Z,).
        likelihood: z (..., Z) -> p(x | z), batch_shape (...), event_shape of x.
    """

    def __init__(self, prior: Callable[..., Distribution], likelihood: Callable[..., Distribution]) -> None:
        super().__init__()
        self.prior = prior
        self.likelihood = likelihood

    @torch.no_grad()
    def sample(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """x ~ p(x | z), z ~ p(z): (N, *event)."""
        return self.likelihood(self.prior().sample(torch.Size([num_samples]))).sample()

    @torch.no_grad()
    def sample_mean(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """E[x | z] for z ~ p(z): (N, *event), what figures usually show."""
        return self.likelihood(self.prior().sample(torch.Size([num_samples]))).mean


class Coded(Generative):
    """The same with an encoder that draws z ~ q(z | x), whose density nobody knows.

    So there is no bound of log p(x) from q, and the model is of the implicit kind. Its evidence can still be estimated:
    p(z) and p(x | z) are all that annealed importance sampling from the prior asks for.

    Args:
        prior, likelihood: see `Generative`.
        encoder: x (B, *event) -> z ~ q(z | x), (B, Z), with a gradient.
    """

    def __init__(
        self,
        prior: Callable[..., Distribution],
        encoder: Callable[..., Tensor],
        likelihood: Callable[..., Distribution],
    ) -> None:
        super().__init__(prior, likelihood)
        self.encoder = encoder
        try:
            self.prior().sample(torch.Size([2]))
        except NotImplementedError:
            raise JensenError(
                f"the discriminator compares codes with draws of the prior, and {type(self.prior()).__name__} cannot "
                "be sampled: give a prior that has sample()"
            ) from None

    @torch.no_grad()
    def encode(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch latent"]:
        """One draw z ~ q(z | x) for each x, (B, Z): together they are draws of q(z), which is to match p(z)."""
        return self.encoder(x)

    @torch.no_grad()
    def reconstruct(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """E[x | z] at a draw z ~ q(z | x): (B, *event)."""
        return self.likelihood(self.encode(x)).mean

    @torch.no_grad()
    def reconstruction_errors(self, x: Shaped[Tensor, "batch *event"]) -> dict[str, Float[Tensor, " batch"]]:
        """Of each x (B,), at a draw z ~ q(z | x): see `errors_of`."""
        return errors_of(self.likelihood(self.encode(x)), x)

    def initialize(self, x: Shaped[Tensor, "batch *event"]) -> None:
        """Starts the likelihood from the data, where it knows how; called once before training."""
        if hasattr(self.likelihood, "initialize"):
            self.likelihood.initialize(x)


def errors_of(p_x: Distribution, x: Shaped[Tensor, "batch *event"]) -> dict[str, Float[Tensor, " batch"]]:
    """How far x is from p(x | z): distortion = -log p(x | z), nats, and squared_error where x are no levels; (B,)."""
    errors = {"distortion": -p_x.log_prob(x)}
    if x.is_floating_point():
        errors["squared_error"] = (x - p_x.mean).square().flatten(1).sum(1)
    return errors
