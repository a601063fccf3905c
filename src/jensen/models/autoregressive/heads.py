"""What one conditional p(x_i | x_<i) is, by the kind of x: bits, levels, or a mixture of Gaussians.

A head knows how an entry enters the network (`features`), how many numbers the network gives for it
(`num_parameters`), and of what distribution they are.
"""

from __future__ import annotations

from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal
from torch.nn import functional

from jensen.data.spec import Spec
from jensen.distributions.heads import positive_scale
from jensen.errors import JensenError, unknown
from jensen.models.autoregressive.base import Conditionals

Categories = Literal["indicators", "numbers"]


@runtime_checkable
class Head(Protocol):
    """What an autoregressive model asks of it."""

    num_features: int  # F, what the network takes of an entry
    num_parameters: int  # P, what it gives for one

    def __call__(self, raw: Float[Tensor, "*batch parameters"]) -> Conditionals:
        """Raw numbers (..., P) -> a distribution of batch_shape (...)."""
        ...

    def features(self, x: Shaped[Tensor, "*batch"], dtype: torch.dtype) -> Float[Tensor, "*batch features"]:
        """(...) -> (..., F)."""
        ...

    def start(self, x: Shaped[Tensor, "batch dims"] | None, num_dims: int) -> Float[Tensor, "dims parameters"]:
        """Raw numbers (D, P) that say of each entry what these x have, or what nothing is known of."""
        ...


class Bits:
    """Bernoulli, by its log-odds."""

    num_features = num_parameters = 1

    def __call__(self, raw: Float[Tensor, "*batch parameters"]) -> Bernoulli:
        """(..., 1) -> batch_shape (...)."""
        return Bernoulli(logits=raw[..., 0], validate_args=False)

    def features(self, x: Shaped[Tensor, "*batch"], dtype: torch.dtype) -> Float[Tensor, "*batch features"]:
        """As they are."""
        return x[..., None].to(dtype)

    def start(self, x: Shaped[Tensor, "batch dims"] | None, num_dims: int) -> Float[Tensor, "dims parameters"]:
        """Log-odds of the shares of ones, each value counted once more than it occurs."""
        if x is None:
            return torch.zeros(num_dims, 1)
        ones = x.sum(0)
        return ((ones + 1).log() - (len(x) - ones + 1).log())[:, None]


class Levels:
    """Categorical over 0, 1, ..., L - 1, by its logits.

    Args:
        num_levels: L.
        scaled: whether an entry enters as 2 x / (L - 1) - 1 in [-1, 1], as intensities do; categories enter as
            indicators.
    """

    def __init__(self, num_levels: int, scaled: bool) -> None:
        self.num_parameters = num_levels
        self.num_features = 1 if scaled else num_levels

    def __call__(self, raw: Float[Tensor, "*batch parameters"]) -> Categorical:
        """(..., L) -> batch_shape (...)."""
        return Categorical(logits=raw, validate_args=False)

    def features(self, x: Shaped[Tensor, "*batch"], dtype: torch.dtype) -> Float[Tensor, "*batch features"]:
        """(..., 1) where scaled, else indicators (..., L)."""
        if self.num_features == 1:
            return (2 * x / (self.num_parameters - 1) - 1)[..., None].to(dtype)
        return functional.one_hot(x.long(), self.num_parameters).to(dtype)

    def start(self, x: Shaped[Tensor, "batch dims"] | None, num_dims: int) -> Float[Tensor, "dims parameters"]:
        """Logarithms of the shares, each level counted once more than it occurs."""
        if x is None:
            return torch.zeros(num_dims, self.num_parameters)
        counts = torch.stack([column.bincount(minlength=self.num_parameters) for column in x.long().T])
        return ((counts + 1) / (len(x) + self.num_parameters)).log()


class GaussianMixture:
    """sum_k pi_k N(m_k, s_k^2), by the logits of pi, by m, and by numbers whose softplus, plus a floor, is s.

    Args:
        num_components: K.
        scale_floor: the least s, in the units in which the model sees x; repeated values make the likelihood grow
            without bound where it is 0.
    """

    num_features = 1

    def __init__(self, num_components: int, scale_floor: float) -> None:
        self.num_components, self.scale_floor = num_components, scale_floor
        self.num_parameters = 3 * num_components

    def __call__(self, raw: Float[Tensor, "*batch parameters"]) -> MixtureSameFamily:
        """(..., 3 K) -> batch_shape (...)."""
        logits, loc, scale = raw.chunk(3, -1)
        scale = positive_scale(scale, "softplus-scale") + self.scale_floor
        weights = Categorical(logits=logits, validate_args=False)
        return MixtureSameFamily(weights, Normal(loc, scale, validate_args=False), validate_args=False)

    def features(self, x: Shaped[Tensor, "*batch"], dtype: torch.dtype) -> Float[Tensor, "*batch features"]:
        """As they are."""
        return x[..., None].to(dtype)

    def start(self, x: Shaped[Tensor, "batch dims"] | None, num_dims: int) -> Float[Tensor, "dims parameters"]:
        """Equal weights, means at the quantiles of a Gaussian of the mean and deviation of x, and that deviation."""
        mean, deviation = torch.zeros(num_dims), torch.ones(num_dims)
        if x is not None:
            deviation, mean = torch.std_mean(x, 0, correction=0)
            deviation = torch.where(deviation > 0, deviation, 1.0)
        quantiles = torch.special.ndtri((torch.arange(self.num_components) + 0.5) / self.num_components).to(mean)
        loc = mean[:, None] + deviation[:, None] * quantiles
        # softplus(raw) = s
        raw_scale = (deviation + (-(-deviation).expm1()).log())[:, None].expand_as(loc)
        return torch.cat([torch.zeros_like(loc), loc, raw_scale], 1)


def head_for(
    spec: Spec, name: str, num_components: int, scale_floor: float, categories: Categories = "indicators"
) -> Head:
    """The head that suits x.

    Args:
        spec: what x is.
        name: of the model, for the message where it has no conditional for such x.
        num_components: of a mixture of Gaussians.
        scale_floor: the least scale of a Gaussian.
        categories: how categories enter: as "indicators", or as "numbers" in [-1, 1], which suits those with an order.

    Raises:
        JensenError: where x is of a kind that has none, or its number of levels is not known.
    """
    if spec.kind == "binary":
        return Bits()
    if spec.kind == "8-bit":
        return Levels(256, scaled=True)
    if spec.kind == "categorical":
        if spec.levels is None or not 2 <= spec.levels <= 256:
            raise JensenError(f"{name} is of 2 to 256 categories, got {spec.levels}: set Spec.levels, or merge some")
        if categories not in get_args(Categories):
            raise unknown("categories", categories, get_args(Categories))
        return Levels(spec.levels, scaled=categories == "numbers")
    if spec.kind == "real":
        if num_components < 1 or not scale_floor >= 0:
            raise JensenError(
                f"num_components must be at least 1 and scale_floor at least 0, got {num_components} and {scale_floor}"
            )
        return GaussianMixture(num_components, scale_floor)
    raise JensenError(
        f"{name} needs bits, categories, 8-bit or real x, got kind '{spec.kind}': binarise grey values "
        "(binarize=dynamic), keep their levels (as_levels=true), or dequantise them (dequantize=true)"
    )
