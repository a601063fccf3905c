"""Flows over the latents: spline couplings that push a simple law of z to a richer one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, full_precision, positive_scale
from jensen.errors import JensenError
from jensen.models.flow.layers import PushForward, composed, invertible_layers

CONTEXT = 32  # numbers that the layers of a posterior see of x


class Couplings(nn.Module):
    """Coupling layers of monotone rational-quadratic splines, the halves taking turns (Durkan et al. 2019).

    Both directions cost one pass, so that z can be drawn and any z be scored. Outside [-5, 5] each layer is the
    identity.

    Args:
        num_dims: Z, at least 2.
        context: what the layers see beside the other half, (..., context).
        num_layers: layers.
        hidden: widths of each layer's network.
    """

    def __init__(self, num_dims: int, context: int = 0, num_layers: int = 4, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        if num_dims < 2:
            raise JensenError(
                f"a flow couples dimensions and needs at least 2 of them, got {num_dims}: raise latent_dim"
            )
        if num_layers < 1:
            raise JensenError(f"flow_layers must be at least 1, got {num_layers}")
        self.num_dims = num_dims
        self.layers = invertible_layers(
            num_dims, context, univariate="spline", conditioner="coupling", num_layers=num_layers, hidden=hidden
        )

    def forward(self, base: Distribution, context: Tensor | None = None) -> PushForward:
        """The base pushed through the layers: the batch_shape of the base, event_shape (Z,)."""
        return PushForward(composed(self.layers, context), base)


class FlowPrior(nn.Module):
    """p(z), or p(z | y): N(0, I) pushed through coupling layers, learned with the rest of the model.

    Args:
        latent_dim: Z.
        num_layers: layers.
        context: the numbers of y that the layers see, 0 without y.
    """

    loc: Tensor

    def __init__(self, latent_dim: int, num_layers: int = 4, context: int = 0) -> None:
        super().__init__()
        self.couplings = Couplings(latent_dim, context, num_layers)
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)

    def forward(self, y: Float[Tensor, "*batch context"] | None = None) -> PushForward:
        """batch_shape () or that of y, event_shape (Z,)."""
        loc = self.loc if y is None else self.loc.expand(*y.shape[:-1], -1)
        return self.couplings(diagonal_gaussian(loc, torch.ones_like(loc)), y)


class FlowPosterior(nn.Module):
    """q(z | x): a diagonal Gaussian pushed through coupling layers that see x (Rezende & Mohamed 2015).

    Args:
        net: (B, *event) -> (B, 2 Z + context): the Gaussian's mean and raw scale, and what the layers see of x.
        couplings: of z given that context.
        positive_map: see `jensen.distributions.positive_scale`.
    """

    def __init__(self, net: nn.Module, couplings: Couplings, positive_map: PositiveMap = "softplus-variance") -> None:
        super().__init__()
        self.net, self.couplings = net, couplings
        self.positive_map: PositiveMap = positive_map

    def forward(self, *x: Shaped[Tensor, "..."]) -> PushForward:
        """batch_shape (B,), event_shape (Z,)."""
        z = self.couplings.num_dims
        loc, raw, context = full_precision(self.net(*x)).tensor_split([z, 2 * z], dim=-1)
        return self.couplings(diagonal_gaussian(loc, positive_scale(raw, self.positive_map)), context)
