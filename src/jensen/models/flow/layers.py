"""Invertible layers, and the law that they push a base to: all that jensen takes from zuko."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import AffineTransform, Distribution, Transform, constraints

_validated = Distribution._validate_args
from zuko.distributions import NormalizingFlow  # noqa: E402
from zuko.flows.autoregressive import MaskedAutoregressiveTransform  # noqa: E402
from zuko.flows.coupling import GeneralCouplingTransform  # noqa: E402
from zuko.lazy import UnconditionalTransform  # noqa: E402
from zuko.transforms import (  # noqa: E402
    AdditiveTransform,
    ComposedTransform,
    LULinearTransform,
    MonotonicAffineTransform,
    MonotonicRQSTransform,
)

# Importing zuko switches argument validation off for the whole process.
Distribution.set_default_validate_args(_validated)

from jensen.errors import JensenError, unknown  # noqa: E402

Univariate = Literal["additive", "affine", "spline"]
Conditioner = Literal["coupling", "autoregressive"]

BINS = 8
_UNIVARIATE: dict[str, tuple[type[Transform], list[tuple[int, ...]]]] = {
    "additive": (AdditiveTransform, [()]),
    "affine": (MonotonicAffineTransform, [(), ()]),
    "spline": (MonotonicRQSTransform, [(BINS,), (BINS,), (BINS - 1,)]),
}
DRAWS = 1000


def invertible_layers(
    num_dims: int,
    context: int = 0,
    *,
    univariate: Univariate,
    conditioner: Conditioner,
    num_layers: int,
    hidden: Sequence[int],
    linear: bool = False,
) -> nn.ModuleList:
    """Layers from x to u, each a module: y (..., context) or None -> a Transform of (..., D), near the identity.

    In each, entry i becomes f(x_i; h), f increasing in x_i, with parameters h that a network finds from other entries
    and y: "coupling", where every second entry is transformed given the others, and in the next layer the other way
    round; "autoregressive", where each is given all before it, in the order 1 ... D and then D ... 1. f is "additive",
    x + b; "affine", exp(a) x + b with |a| < 7; or a "spline", monotone and rational-quadratic with 8 bins on [-5, 5]
    and the identity outside.

    Both directions of a coupling cost one pass of its network, x from u of an autoregressive layer D passes.

    Args:
        num_dims: D; a coupling needs 2.
        context: numbers of y.
        univariate: f.
        conditioner: what its parameters are found from.
        num_layers: how many.
        hidden: widths of each layer's network.
        linear: whether a full linear layer L U, lower and upper triangular, stands between any two of them.
    """
    if univariate not in _UNIVARIATE:
        raise unknown("univariate", univariate, get_args(Univariate))
    if conditioner not in get_args(Conditioner):
        raise unknown("conditioner", conditioner, get_args(Conditioner))
    if min(hidden, default=1) < 1:
        raise JensenError(f"a layer needs a width of at least 1, got {tuple(hidden)}: mend hidden")
    function, shapes = _UNIVARIATE[univariate]
    options: dict[str, Any] = {"univariate": function, "shapes": shapes, "hidden_features": tuple(hidden)}
    places = torch.arange(num_dims)
    layers: list[nn.Module] = []
    for number in range(num_layers):
        turned = number % 2 == 1
        if linear and number > 0:
            layers.append(UnconditionalTransform(LULinearTransform, torch.eye(num_dims)))
        if conditioner == "coupling":
            kept = places % 2 == (1 if turned else 0)
            layer = GeneralCouplingTransform(num_dims, context, mask=kept, **options)
        else:
            order = places.flip(0) if turned else places
            layer = MaskedAutoregressiveTransform(num_dims, context, order=order, **options)
        _start_near_identity(layer)
        layers.append(layer)
    return nn.ModuleList(layers)


def _start_near_identity(layer: nn.Module) -> None:
    if hasattr(layer, "hyper"):
        layer.hyper[-1].weight.data.mul_(0.01)  # type: ignore[index, union-attr]
        layer.hyper[-1].bias.data.zero_()  # type: ignore[index, union-attr]
    else:  # one dimension without context: no network, but the parameters themselves
        for parameter in layer.parameters():
            parameter.data.zero_()


class LogitTransform(Transform):
    """u = log a - log(1 - a), a = λ + (1 - 2λ) x: of x in [0, 1] and λ / (1 - 2λ) beyond, where u is infinite."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def _call(self, x: Tensor) -> Tensor:
        below, above = self._parts(x)
        return below.log() - above.log()

    def _inverse(self, y: Tensor) -> Tensor:
        return (y.sigmoid() - self.margin) / (1 - 2 * self.margin)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |det du/dx|, (..., D) -> (...)."""
        below, above = self._parts(x)
        return (math.log(1 - 2 * self.margin) - below.log() - above.log()).sum(-1)

    def inside(self, x: Tensor) -> Tensor:
        """Whether u is finite: (..., D) -> (...)."""
        beyond = self.margin / (1 - 2 * self.margin)
        return ((x > -beyond) & (x < 1 + beyond)).all(-1)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # Each from its own end of the interval, near which the other has no digits left.
        parts = (self.margin + (1 - 2 * self.margin) * side for side in (x, 1 - x))
        below, above = (part.clamp_min(torch.finfo(x.dtype).tiny) for part in parts)
        return below, above


class Logit(nn.Module):
    """x in [0, 1] -> logit(λ + (1 - 2λ) x).

    Args:
        margin: λ, in (0, 1/2).
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.transform = LogitTransform(margin)

    def forward(self, context: Float[Tensor, "*batch context"] | None = None) -> LogitTransform:
        """The same whatever the context."""
        return self.transform


class Standardize(nn.Module):
    """x -> (x - mean) / standard deviation, entry by entry, those of the training data."""

    shift: Tensor
    scale: Tensor

    def __init__(self, num_dims: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(num_dims))
        self.register_buffer("scale", torch.ones(num_dims))

    def forward(self, context: Float[Tensor, "*batch context"] | None = None) -> Transform:
        """The same whatever the context."""
        return AffineTransform(self.shift, self.scale, event_dim=1).inv

    def initialize(self, x: Float[Tensor, "batch dims"]) -> None:
        """Mean and standard deviation of these x; an entry that never varies is only centred."""
        deviation, mean = torch.std_mean(x.double(), 0, correction=0)
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(deviation > 0, deviation, 1.0))


class Scaling(nn.Module):
    """x -> exp(s) x, entry by entry, s (D,) learned: what layers that keep volumes need at their end."""

    def __init__(self, num_dims: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(num_dims))

    def forward(self, context: Float[Tensor, "*batch context"] | None = None) -> AffineTransform:
        """The same whatever the context."""
        return AffineTransform(0.0, self.log_scale.exp(), event_dim=1)


def composed(layers: Iterable[nn.Module], context: Float[Tensor, "*batch context"] | None = None) -> ComposedTransform:
    """The layers one after the other, all given the same context; its `call_and_ladj` takes one pass for both."""
    return ComposedTransform(*(layer(context) for layer in layers))


class PushForward(NormalizingFlow):
    """The law of T^-1(u), u ~ base: values are broadcast against the batch before a layer sees its context."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log base(T(value)) + log |det dT / dvalue|, nats."""
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        with torch.autocast(value.device.type, enabled=False):
            return super().log_prob(value.expand(*shape, value.shape[-1]))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(*sample_shape, *batch, D)."""
        with torch.autocast(self.base.mean.device.type, enabled=False):
            return super().rsample(torch.Size(sample_shape))

    @property
    def mean(self) -> Tensor:
        """From 1,000 draws, since no formula is known: (*batch, D), off by a thirtieth of the scale."""
        return self.sample(torch.Size([DRAWS])).mean(0)

    @property
    def variance(self) -> Tensor:
        """Of each dimension, from 1,000 draws: (*batch, D)."""
        return self.sample(torch.Size([DRAWS])).var(0)
