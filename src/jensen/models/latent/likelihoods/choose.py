"""A likelihood by its word, checked against the kind of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

from jensen.data.spec import Kind, Spec
from jensen.errors import JensenError, unknown
from jensen.models.latent.likelihoods.autoregressive import Autoregressive
from jensen.models.latent.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from jensen.models.latent.likelihoods.counts import NegativeBinomial, Poisson
from jensen.models.latent.likelihoods.gaussian import FullGaussian, Gaussian, Scale
from jensen.models.latent.likelihoods.levels import Categorical, DiscretisedLogistic
from jensen.models.latent.likelihoods.mixed import Mixed

Name = Literal[
    "auto",
    "bernoulli",
    "continuous-bernoulli",
    "autoregressive",
    "gaussian",
    "gaussian-full",
    "categorical",
    "discretised-logistic",
    "poisson",
    "negative-binomial",
    "mixed",
]

# Of each kind of data, what fits it; the first is what "auto" takes.
FITTING: dict[Kind, tuple[Name, ...]] = {
    "binary": ("bernoulli", "autoregressive"),
    "unit": ("gaussian", "continuous-bernoulli", "gaussian-full", "bernoulli"),
    "real": ("gaussian", "gaussian-full"),
    "8-bit": ("discretised-logistic", "categorical"),
    "categorical": ("categorical", "discretised-logistic"),
    "count": ("negative-binomial", "poisson"),
    "mixed": ("mixed",),
}
_NEEDS: dict[Name, str] = {
    "bernoulli": "x in [0, 1]",
    "continuous-bernoulli": "grey values in [0, 1]",
    "autoregressive": "bits",
    "gaussian": "real values",
    "gaussian-full": "real values",
    "categorical": "levels 0, 1, ... (load with as_levels)",
    "discretised-logistic": "levels 0, 1, ... (load with as_levels)",
    "poisson": "counts (load with as_counts)",
    "negative-binomial": "counts (load with as_counts)",
    "mixed": "a table whose columns are of several kinds (load with columns=mixed)",
}
_WORDS: dict[Kind, str] = {
    "binary": "bits",
    "unit": "grey values",
    "real": "real values",
    "8-bit": "8-bit levels",
    "categorical": "categories",
    "count": "counts",
    "mixed": "columns of several kinds",
}


def likelihood_for(
    spec: Spec,
    decoder: Callable[[int], nn.Module],
    name: Name = "auto",
    scale: Scale = "learned",
    start_from_data: bool = True,
    scale_floor: float = 1e-3,
    autoregressive_units: int = 500,
) -> nn.Module:
    """The likelihood of that name for data of that spec.

    Args:
        spec: of x.
        decoder: given a number of outputs, the network (..., Z) -> (..., outputs).
        name: "auto" is the first of `FITTING` for the kind of data.
        scale: of a Gaussian likelihood, or of the real columns of a mixed one.
        start_from_data: whether `initialize` starts the outputs at the data's own mean (and spread).
        scale_floor: the least scale that the decoder can give a Gaussian.
        autoregressive_units: of an autoregressive likelihood's two masked layers, each.

    Raises:
        JensenError: where the likelihood does not fit the kind of data.
    """
    if name not in get_args(Name):
        raise unknown("likelihood", name, get_args(Name))
    if name == "auto":
        name = FITTING[spec.kind][0]
    if name not in FITTING[spec.kind]:
        raise JensenError(
            f"{name} likelihood needs {_NEEDS[name]}, got {_WORDS[spec.kind]}: choose "
            f"likelihood={' or '.join(FITTING[spec.kind])}"
        )
    shape, dims = spec.event_shape, spec.num_dims
    if name == "bernoulli":
        return Bernoulli(decoder(dims), shape, start_from_data)
    if name == "continuous-bernoulli":
        return ContinuousBernoulli(decoder(dims), shape, start_from_data)
    if name == "autoregressive":
        return Autoregressive(decoder(dims), shape, autoregressive_units, start_from_data)
    if name == "gaussian":
        per_entry = 2 if scale == "decoder" else 1
        return Gaussian(decoder(per_entry * dims), shape, scale, start_from_data, scale_floor)
    if name == "gaussian-full":
        return FullGaussian(decoder(dims), shape, start_from_data)
    if name == "poisson":
        return Poisson(decoder(dims), shape, start_from_data)
    if name == "negative-binomial":
        return NegativeBinomial(decoder(2 * dims), shape, start_from_data)
    if name == "mixed":
        return Mixed(decoder, spec.column_types or (), scale, start_from_data, scale_floor)
    levels = spec.levels
    if levels is None or levels < 2:
        raise JensenError(f"{name} likelihood needs to know how many levels x has, at least 2: set Spec.levels")
    if name == "categorical":
        return Categorical(decoder(levels * dims), shape, levels, start_from_data)
    return DiscretisedLogistic(decoder(2 * dims), shape, levels, start_from_data)
