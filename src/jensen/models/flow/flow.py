"""Normalising flows: densities of real x by change of variables. `nice`, `realnvp`, `maf` and `nsf` are lines over it.

Sources: Dinh, Krueger and Bengio (2015), NICE: Non-linear Independent Components Estimation; Dinh, Sohl-Dickstein and
Bengio (2017), Density Estimation using Real NVP; Papamakarios, Pavlakou and Murray (2017), Masked Autoregressive Flow
for Density Estimation; Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.distributions.heads import full_precision
from jensen.errors import JensenError
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.models.flow.layers import (
    ComposedTransform,
    Conditioner,
    Logit,
    Scaling,
    Standardize,
    Univariate,
    composed,
    invertible_layers,
)


class Flow(nn.Module):
    """log p(x | y) = log N(u; 0, I) + log |det du/dx|, where u = T(x; y) is a composition of invertible layers.

    Args:
        spec: of x; the event is flattened in raster order to D entries.
        layers: of T, each a module y -> Transform of (B, D), the first of which takes standardised x.
        logit: what comes before that, of x in [0, 1].
    """

    def __init__(self, spec: Spec, layers: nn.ModuleList, logit: Logit | None = None) -> None:
        super().__init__()
        self.spec, self.logit = spec, logit
        self.standardize = Standardize(spec.num_dims)
        self.layers = layers

    def transform(self, y: Float[Tensor, "batch features"] | None = None) -> ComposedTransform:
        """T(.; y), (B, D) -> (B, D)."""
        first = [self.standardize] if self.logit is None else [self.logit, self.standardize]
        return composed([*first, *self.layers], y)

    def inverse_and_log_det(
        self, x: Float[Tensor, "batch *event"], y: Float[Tensor, "batch features"] | None = None
    ) -> tuple[Float[Tensor, "batch dims"], Float[Tensor, "batch"]]:
        """u = T(x; y), (B, D), and log |det du/dx|, (B,), in single precision or better."""
        with torch.autocast(x.device.type, enabled=False):
            return self.transform(y).call_and_ladj(full_precision(x).flatten(1))

    def forward_and_log_det(
        self, u: Float[Tensor, "batch dims"], y: Float[Tensor, "batch features"] | None = None
    ) -> tuple[Float[Tensor, "batch *event"], Float[Tensor, "batch"]]:
        """x = T^-1(u; y), (B, *event), and log |det dx/du|, (B,)."""
        with torch.autocast(u.device.type, enabled=False):
            x, log_det = self.transform(y).inv.call_and_ladj(u)
        return x.reshape(-1, *self.spec.event_shape), log_det

    def log_prob(
        self, x: Float[Tensor, "batch *event"], y: Float[Tensor, "batch features"] | None = None
    ) -> Float[Tensor, "batch"]:
        """log p(x | y) in nats, a density in the units of x: (B, *event), (B, Y) -> (B,); -inf where there is none.

        Raises:
            JensenError: where one x has not the model's shape.
        """
        if x.shape[1:] != self.spec.event_shape:
            expected, got = tuple(self.spec.event_shape), tuple(x.shape)
            raise JensenError(
                f"expected a batch of x of shape {expected} each, got a tensor of shape {got}: reshape it"
            )
        u, log_det = self.inverse_and_log_det(x, y)
        log_prob = log_det - 0.5 * (u.square().sum(1) + u.shape[1] * math.log(2 * math.pi))
        if self.logit is None:
            return log_prob
        return torch.where(self.logit.transform.inside(x.flatten(1)), log_prob, -torch.inf)

    @torch.no_grad()
    def sample(
        self, num_samples: int, temperature: float = 1.0, *, y: Float[Tensor, "num_samples features"] | None = None
    ) -> Float[Tensor, "num_samples *event"]:
        """x = T^-1(u; y) for u ~ N(0, temperature^2 I): (N, *event). Only at temperature 1 are these draws from p.

        Raises:
            JensenError: where the temperature is not positive.
        """
        if not temperature > 0:
            raise JensenError(f"temperature must be above 0, got {temperature}: 1 draws from the model")
        like = self.standardize.shift
        u = torch.randn(num_samples, self.spec.num_dims, dtype=like.dtype, device=like.device)
        return self.forward_and_log_det(temperature * u, y)[0]

    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Standardises by the mean and scale of these x, of their logits where there is a logit.

        Raises:
            JensenError: where they are not in [0, 1] and there is a logit.
        """
        value = x.flatten(1)
        if self.logit is not None:
            low, high = float(x.min()), float(x.max())
            if low < 0 or high > 1:
                raise JensenError(
                    f"logit is of x in [0, 1], got values from {low:g} to {high:g}: load images with dequantize=true "
                    "alone, or set logit=0"
                )
            value = self.logit()(value)
        self.standardize.initialize(value)


def build(
    spec: Spec,
    *,
    univariate: Univariate = "spline",
    conditioner: Conditioner = "autoregressive",
    linear: bool = False,
    num_layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    logit: float = 0.0,
    given: Given = "none",
) -> nn.Module:
    """A flow for real x.

    Args:
        spec: what x is.
        univariate: how a layer changes an entry: "additive", x + b; "affine", exp(a) x + b; or by a monotone
            rational-quadratic "spline" of 8 bins on [-5, 5], in units of the standard deviation.
        conditioner: what its parameters are found from: "coupling", one half of the entries from the other, the halves
            taking turns; "autoregressive", each from those before it, layers alternating between first to last and
            last to first.
        linear: whether a learned linear map of all entries stands between any two layers.
        num_layers: how many.
        hidden: widths of the network of each layer.
        logit: λ of x -> logit(λ + (1 - 2λ) x), for images with dequantize=true; 0 is none.
        given: the density is of x given nothing ("none"), its "label", or a "vector" of numbers that comes with it.

    Raises:
        JensenError: where x is not real, a coupling has no two dimensions, or a number is out of range.

    >>> model = build(Spec((2,), "real"))
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    _check_kind(spec)
    if num_layers < 1:
        raise JensenError(f"num_layers must be at least 1, got {num_layers}")
    if not 0 <= logit < 0.5:
        raise JensenError(f"logit is the margin λ of logit(λ + (1 - 2λ) x) in [0, 0.5), got {logit}: 0 is no logit")
    if conditioner == "coupling" and spec.num_dims < 2:
        raise JensenError(
            f"a coupling changes some dimensions given the others and needs at least 2, got {spec.num_dims}: set "
            "conditioner=autoregressive, or choose maf or nsf"
        )
    condition = condition_for(spec, given)
    layers = invertible_layers(
        spec.num_dims,
        num_conditions(condition),
        univariate=univariate,
        conditioner=conditioner,
        num_layers=num_layers,
        hidden=hidden,
        linear=linear,
    )
    if univariate == "additive":
        layers.append(Scaling(spec.num_dims))
    return conditioned(Flow(spec, layers, Logit(logit) if logit > 0 else None), condition)


def _check_kind(spec: Spec) -> None:
    if spec.kind == "real":
        return
    remedy = {
        "unit": "load with dequantize=true, or with standardize=true where values are not levels",
        "mixed": "load without columns, or choose a model of mixed columns, such as vae",
    }.get(spec.kind, "load grey values with dequantize=true, or choose a model of discrete x, such as made")
    raise JensenError(f"a flow is a density of real x, got kind '{spec.kind}': {remedy}")
