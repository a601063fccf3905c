"""What x is: its shape, its kind, and the measure that a likelihood of it is taken under."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

Kind = Literal["binary", "unit", "8-bit", "real", "categorical"]


@dataclass(frozen=True)
class Measure:
    """What a log-likelihood is taken with respect to: numbers under different measures are never ranked.

    `base` is "counts" (a probability) or "volume" (a density over the original units of x: the log-determinant of
    any scaling has been put back); `treatment` is what was done to x that cannot be undone.
    """

    base: Literal["counts", "volume"]
    treatment: str = "none"

    def __str__(self) -> str:
        return self.base if self.treatment == "none" else f"{self.base}, {self.treatment}"


@dataclass(frozen=True)
class Spec:
    """One example x, as a model sees it.

    event_shape: the shape of one x, e.g. (1, 28, 28) for an image, (12,) for a row of a table.
    kind: "binary" {0, 1} and "unit" [0, 1] and "real" are floating point; "8-bit" 0..255 and "categorical"
        0..levels-1 are int64.
    levels: the number of values an entry can take, where that is finite (binary 2, 8-bit 256).
    num_classes: labels y are int64 in 0..num_classes-1; None where there are none.
    treatment: what was done to x that cannot be undone ("dynamic binarisation", "dequantised", ...), or "none".
    columns: the names of a table's columns, where they have names.
    """

    event_shape: tuple[int, ...]
    kind: Kind
    levels: int | None = None
    num_classes: int | None = None
    treatment: str = "none"
    columns: tuple[str, ...] | None = None

    @property
    def num_dims(self) -> int:
        """The number of entries of one x: the D of bits per dimension."""
        total = 1
        for size in self.event_shape:
            total *= size
        return total

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Spec:
        """The inverse of `to_json`."""
        columns = values.get("columns")
        return cls(**{**values, "event_shape": tuple(values["event_shape"]), "columns": columns and tuple(columns)})


class Batch(NamedTuple):
    """What a model is trained on: x (B, *event), and labels y (B,) or None."""

    x: Tensor
    y: Tensor | None = None
