"""Flows over the latents: coupling layers that push a simple law of z to a richer one, by zuko's transforms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

_validated = Distribution._validate_args
from zuko.distributions import NormalizingFlow  # noqa: E402
from zuko.flows.coupling import GeneralCouplingTransform  # noqa: E402
from zuko.transforms import ComposedTransform, MonotonicRQSTransform  # noqa: E402

# Importing zuko switches argument validation off for the whole process.
Distribution.set_default_validate_args(_validated)

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, full_precision, positive_scale  # noqa: E402
from jensen.errors import JensenError  # noqa: E402

BINS = 8
DRAWS = 1000
CONTEXT = 32  # numbers that the layers of a posterior see of x


class PushForward(NormalizingFlow):
    """The law of T^-1(u), u ~ base: values are broadcast against the batch before a layer sees its context."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log base(T(value)) + log |det dT / dvalue|, nats."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        with torch.autocast(value.device.type, enabled=False):
            return super().log_prob(value.expand(*shape, value.shape[-1]))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(*sample_shape, *batch, Z)."""
        with torch.autocast(self.base.mean.device.type, enabled=False):
            return super().rsample(torch.Size(sample_shape))

    @property
    def mean(self) -> Tensor:
        """From 1,000 draws, since no formula is known: (*batch, Z), off by a thirtieth of the scale."""
        return self.sample(torch.Size([DRAWS])).mean(0)

    @property
    def variance(self) -> Tensor:
        """Of each dimension, from 1,000 draws: (*batch, Z)."""
        return self.sample(torch.Size([DRAWS])).var(0)


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
        halves = torch.arange(num_dims) % 2 == 1
        layers = [
            GeneralCouplingTransform(
                num_dims,
                context,
                mask=halves if layer % 2 else ~halves,
                univariate=MonotonicRQSTransform,
                shapes=[(BINS,), (BINS,), (BINS - 1,)],
                hidden_features=tuple(hidden),
            )
            for layer in range(num_layers)
        ]
        for layer in layers:  # near the identity, so that training starts from the base
            layer.hyper[-1].weight.data.mul_(0.01)
            layer.hyper[-1].bias.data.zero_()
        self.layers = nn.ModuleList(layers)

    def forward(self, base: Distribution, context: Tensor | None = None) -> PushForward:
        """The base pushed through the layers: the batch_shape of the base, event_shape (Z,)."""
        return PushForward(ComposedTransform(*(layer(context) for layer in self.layers)), base)


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
