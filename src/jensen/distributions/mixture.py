"""A mixture of Gaussians with diagonal covariances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints


class DiagonalGaussianMixture(Distribution):
    """sum_k pi_k N(z; mu_k, diag sigma_k^2), event_shape (Z,).

    What `MixtureSameFamily` says, with the quadratic forms of all components taken by one matrix product, so that
    nothing of shape (N, K, Z) is made: 500 components cost what a layer of 500 units does.

    Args:
        logits: (K,), of the weights pi.
        loc, scale: (K, Z).
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol
    support = constraints.independent(constraints.real, 1)
    has_rsample = False

    def __init__(
        self,
        logits: Float[Tensor, " components"],
        loc: Float[Tensor, "components latent"],
        scale: Float[Tensor, "components latent"],
    ) -> None:
        self.log_weights = logits.log_softmax(-1)
        self.loc, self.scale = loc, scale
        super().__init__(torch.Size(), loc.shape[-1:], validate_args=False)

    def component_log_prob(self, value: Float[Tensor, "... latent"]) -> Float[Tensor, "... components"]:
        """log pi_k N(z; mu_k, sigma_k^2), (..., K), nats.

        z is centred on the mixture's own middle first, which keeps the expanded square accurate.
        """
        # Mixed precision would take this product too, and 8 bits of it are a nat of error.
        with torch.autocast(value.device.type, enabled=False):
            return self._quadratic_forms(value)

    def _quadratic_forms(self, value: Tensor) -> Tensor:
        centre = self.loc.mean(0)
        z, loc, precision = value - centre, self.loc - centre, self.scale.square().reciprocal()
        features = torch.cat([z.square(), z], -1)
        weights = torch.cat([-0.5 * precision, precision * loc], -1)
        constant = -0.5 * (precision * loc.square()).sum(-1) - self.scale.log().sum(-1)
        constant = constant - 0.5 * self.loc.shape[-1] * torch.tensor(2 * torch.pi).log()
        return torch.nn.functional.linear(features, weights, constant + self.log_weights)

    def log_prob(self, value: Float[Tensor, "... latent"]) -> Float[Tensor, "..."]:
        """log p(z), (...), nats."""
        return self.component_log_prob(value).logsumexp(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """z of shape (*sample_shape, Z): a component, then its Gaussian."""
        shape = torch.Size(sample_shape)
        component = torch.multinomial(self.log_weights.exp(), max(shape.numel(), 1), replacement=True).view(shape)
        loc, scale = self.loc[component], self.scale[component]
        return loc + scale * torch.randn_like(loc)

    @property
    def mean(self) -> Tensor:
        """sum_k pi_k mu_k, (Z,)."""
        return self.log_weights.exp() @ self.loc

    @property
    def variance(self) -> Tensor:
        """Of each dimension, (Z,)."""
        second = self.log_weights.exp() @ (self.scale.square() + self.loc.square())
        return second - self.mean.square()
