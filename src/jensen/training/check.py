"""Whether data and model fit, asked once before training so that no step has to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from jensen.data import Dataset
from jensen.errors import JensenError
from jensen.models.base import Conditional, Latent, bound_to, kind_of

REMEDY = "divide by 255, load with binarize=dynamic, or choose likelihood=gaussian"


def check_shape(model: nn.Module, data: Dataset) -> None:
    """Raises JensenError where x has another shape than the model's, or, without a likelihood, another kind."""
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


@torch.no_grad()
def check_data(model: nn.Module, data: Dataset) -> None:
    """Raises JensenError where x or y do not suit the model: shape, labels, and the likelihood's support."""
    check_shape(model, data)
    if data.spec.missing and not getattr(model, "sums_out_missing", False):
        raise JensenError(
            f"{data.name} is loaded with entries that may be missing, and the model has no density of a part of x: "
            "choose gaussian-mixture, bernoulli-mixture, gaussian or independent, or fill them in and leave missing out"
        )
    # A semi-supervised model learns from labels, and has something to say of x without.
    needs_labels = kind_of(model) == "classifier" or getattr(model, "needs_labels", False)
    without = not isinstance(model, Conditional) and hasattr(model, "sample") and data.part != "train"
    if len(data) and needs_labels and not without:
        check_labels(model, data)
    if not isinstance(model, Latent) or not len(data):
        return
    data = like_model(data, model)
    with torch.random.fork_rng([]):
        first = bound_to(model, data.batch(torch.zeros(1, dtype=torch.int64, device=data.device)))
        likelihood = first.likelihood(first.prior().sample(torch.Size([1])))
        if likelihood.event_shape != data.spec.event_shape:
            raise JensenError(
                f"the likelihood is of x with shape {tuple(likelihood.event_shape)}, the data have "
                f"{data.spec.event_shape}: give a likelihood of that event shape"
            )
        for batch in data.batches(4096):
            check_support(likelihood, batch.x)


def check_labels(model: nn.Module, data: Dataset) -> None:
    """Raises where the data have no labels, labels that the model has no class for, or classes of one example.

    One example of a class can be learned by heart, or held out, but not both; it is asked of training data alone.
    """
    if data.y is None:
        raise JensenError(
            f"{data.name} has no labels, and the model needs them: give labels=, target=COLUMN of a table, or images "
            "in sub-folders"
        )
    num_classes = getattr(model, "recipe", {}).get("spec", {}).get("num_classes") or data.spec.num_classes
    if isinstance(model, Conditional) and int(data.y.min()) < 0:
        raise JensenError(
            f"{int((data.y < 0).sum()):,} examples of {data.name} have no label, and the model is of x given it: leave "
            "labelled out, or choose the model ss-vae"
        )
    highest = int(data.y.max())
    if num_classes is not None and highest >= num_classes:
        raise JensenError(
            f"{data.name} has label {highest}, the model was made for labels below {num_classes}: drop those rows"
        )
    if data.part != "train" or num_classes is None:
        return
    counts = data.y[data.y >= 0].bincount(minlength=num_classes).tolist()
    scarce = [label for label, count in enumerate(counts) if count < 2]
    if scarce:
        label = scarce[0]
        name = f"'{data.classes[label]}'" if data.classes is not None else str(label)
        raise JensenError(
            f"class {name} of {data.name} has {counts[label]} training examples with a label, 2 are needed: add "
            "some, drop the class, or number the labels 0, 1, ... without gaps"
        )


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
