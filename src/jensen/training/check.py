"""Whether data and model fit, asked once before training so that no step has to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.models.base import Latent

REMEDY = "divide by 255, load with binarize=dynamic, or choose likelihood=gaussian"


@torch.no_grad()
def check_data(model: nn.Module, data: Dataset) -> None:
    """Raises JensenError where x has another shape than the model's, or lies outside the likelihood's support."""
    recipe = getattr(model, "recipe", None)
    if recipe is not None and tuple(recipe["spec"]["event_shape"]) != data.spec.event_shape:
        expected = tuple(recipe["spec"]["event_shape"])
        raise JensenError(
            f"the model is of x with shape {expected}, the data have {data.spec.event_shape}: give data of that shape"
        )
    if recipe is not None and not isinstance(model, Latent):
        kinds = [(spec["kind"], spec["levels"]) for spec in (recipe["spec"], data.spec.to_json())]
        if kinds[0] != kinds[1]:
            said = [f"{kind} x" + (f" of {levels} levels" if levels else "") for kind, levels in kinds]
            raise JensenError(f"the model is of {said[0]}, the data are {said[1]}: load them with the same treatment")
    if not isinstance(model, Latent) or not len(data):
        return
    data = like_model(data, model)
    with torch.random.fork_rng([]):
        likelihood = model.likelihood(model.prior().sample(torch.Size([1])))
        if likelihood.event_shape != data.spec.event_shape:
            raise JensenError(
                f"the likelihood is of x with shape {tuple(likelihood.event_shape)}, the data have "
                f"{data.spec.event_shape}: give a likelihood of that event shape"
            )
        for batch in data.batches(4096):
            check_support(likelihood, batch.x)


def floating_tensor(model: nn.Module) -> Tensor:
    """A weight or buffer of the model, which says where the model is and in what type; empty where it has none."""
    tensors = [*model.parameters(), *model.buffers()]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.empty(0))


def like_model(data: Dataset, model: nn.Module) -> Dataset:
    """The data on the model's device, in its floating-point type."""
    tensor = floating_tensor(model)
    return data.to(tensor.device, tensor.dtype)


def check_support(likelihood: Distribution, x: Tensor) -> None:
    """Raises where x lies outside the support; grey values under a Bernoulli pass, and are reported as an objective."""
    name, support = likelihood_name(likelihood), likelihood.support
    if name == "Bernoulli":
        low, high = float(x.min()), float(x.max())
        if low < 0 or high > 1:
            worst = f"max {high:g}" if high > 1 else f"min {low:g}"
            raise JensenError(f"Bernoulli likelihood needs x in [0, 1], got {worst}: {REMEDY}")
    elif not bool(support.check(x).all()):  # type: ignore[union-attr]
        raise JensenError(
            f"{name} likelihood needs {_in_words(support)}, got values from {float(x.min()):g} to {float(x.max()):g}: "
            "choose a likelihood that fits the data"
        )


def _in_words(support: Any) -> str:
    """A constraint as a person would say it."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.boolean:
        return "bits, 0 or 1"
    if support is constraints.nonnegative_integer:
        return "whole numbers from 0 up"
    if type(support) is type(constraints.integer_interval(0, 1)):
        return f"whole numbers from {support.lower_bound} to {support.upper_bound}"
    return f"x in {'[0, 1]' if support is constraints.unit_interval else support}"


def likelihood_name(likelihood: Distribution) -> str:
    """The family's name, without the wrapper that says how many dimensions are one event."""
    while isinstance(likelihood, Independent):
        likelihood = likelihood.base_dist
    return type(likelihood).__name__
