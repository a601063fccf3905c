"""What x may be given: a label, numbers, or a part of itself; as the numbers that networks take."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError, unknown

Given = Literal["none", "label", "vector"]

# Of an image, what is given; the quadrants as Sohn, Lee & Yan (2015) have them, from the lower left.
PARTS = ("quadrant", "half", "three-quadrants")


class Label(nn.Module):
    """y in 0 .. C-1, as indicators. p(y) are the shares of the training data.

    Args:
        num_classes: C.
    """

    probs: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_features = num_classes
        self.register_buffer("probs", torch.full((num_classes,), 1 / num_classes))

    def of(self, batch: Batch) -> Int64[Tensor, " batch"]:
        """The labels of a batch."""
        if batch.y is None:
            raise JensenError("this model is of x given its label, and these data have none: give labels, or target")
        return batch.y

    def forward(self, y: Int64[Tensor, "*batch"]) -> Float[Tensor, "*batch classes"]:
        """Indicators, (..., C)."""
        return nn.functional.one_hot(y, self.num_features).to(self.probs.dtype)

    def sample(self, num_samples: int) -> Int64[Tensor, " num_samples"]:
        """y ~ p(y)."""
        return torch.multinomial(self.probs, num_samples, replacement=True)

    def initialize(self, y: Int64[Tensor, " batch"]) -> None:
        """p(y): the shares of these labels, each class counted once more than it occurs."""
        counts = torch.bincount(y, minlength=self.num_features) + 1
        self.probs.copy_(counts / counts.sum())


class Vector(nn.Module):
    """y a vector of numbers, in units of their mean and standard deviation in training.

    Args:
        num_features: how many.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.register_buffer("shift", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))

    def of(self, batch: Batch) -> Float[Tensor, "batch conditions"]:
        """The vectors of a batch."""
        if batch.y is None:
            raise JensenError("this model is of x given a vector, and these data have none: give condition=COLUMN,...")
        return batch.y.to(self.shift.dtype)

    def forward(self, y: Float[Tensor, "*batch conditions"]) -> Float[Tensor, "*batch conditions"]:
        """(y - mean) / standard deviation, (..., Y)."""
        return (y - self.shift) / self.scale

    def initialize(self, y: Float[Tensor, "batch conditions"]) -> None:
        """Mean and standard deviation of these; 1 where that is 0."""
        deviation, mean = torch.std_mean(y, 0)
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(deviation > 0, deviation, 1.0))


class Part(nn.Module):
    """y a part of the image x; what is modelled then is the rest of it.

    Args:
        spec: of x.
        part: "quadrant" (the lower left), "half" (the left), or "three-quadrants" (all but the lower right).
    """

    is_given: Tensor

    def __init__(self, spec: Spec, part: str) -> None:
        super().__init__()
        if len(spec.event_shape) != 3 or spec.kind not in ("binary", "unit", "real"):
            raise JensenError(
                f"given={part} is a part of an image of bits, grey or real values, got {spec.kind} x of shape "
                f"{spec.event_shape}: choose given=label"
            )
        self.register_buffer("is_given", mask(spec, part), persistent=False)
        self.num_features = int(self.is_given.sum())

    def of(self, batch: Batch) -> Shaped[Tensor, "batch given"]:
        """The given entries of each image of a batch."""
        return batch.x.flatten(1)[:, self.is_given.flatten()]

    def forward(self, y: Shaped[Tensor, "*batch given"]) -> Shaped[Tensor, "*batch given"]:
        """(..., G)."""
        return y


def mask(spec: Spec, part: str) -> Bool[Tensor, "channels height width"]:
    """Which entries of an image are in the part."""
    _, height, width = spec.event_shape
    lower = (torch.arange(height) >= height // 2)[:, None]
    left = (torch.arange(width) < width // 2)[None]
    found = {"quadrant": lower & left, "half": left & torch.ones_like(lower), "three-quadrants": left | ~lower}[part]
    return found.expand(spec.event_shape).clone()


def condition_for(spec: Spec, given: Given) -> Label | Vector | None:
    """What y is: nothing, the "label" of the data, or the "vector" of numbers that x comes with.

    Raises:
        JensenError: where the data have no such y.
    """
    if given == "none":
        return None
    if given == "label":
        if spec.num_classes is None:
            raise JensenError("given=label needs data with labels, and these have none: give labels, or target=COLUMN")
        return Label(spec.num_classes)
    if given == "vector":
        if spec.conditions is None:
            raise JensenError("given=vector needs columns that x is given: load a table with condition=COLUMN,...")
        return Vector(len(spec.conditions))
    raise unknown("given", given, get_args(Given))


def num_conditions(condition: Label | Vector | None) -> int:
    """How many numbers a model is given for y, 0 without one."""
    return 0 if condition is None else condition.num_features
