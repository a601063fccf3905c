"""What x is: its shape, its kind, and the measure that a likelihood of it is taken under."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

Kind = Literal["binary", "unit", "8-bit", "real", "categorical", "count", "mixed"]
ColumnKind = Literal["real", "binary", "count", "categorical"]


class Column(NamedTuple):
    """A column of a table of mixed type; of kind "categorical" x is the place of its value among `categories`."""

    kind: ColumnKind
    categories: tuple[str, ...] = ()

    @property
    def levels(self) -> int | None:
        """The number of values that an entry can take, where that is finite."""
        return {"binary": 2, "categorical": len(self.categories)}.get(self.kind)


@dataclass(frozen=True)
class Measure:
    """What a log-likelihood is taken with respect to: numbers under different measures are never ranked.

    `base` is "counts" (a probability) or "volume" (a density over the original units of x: the log-determinant of
    any scaling has been put back); `treatment` is what was done to x that cannot be undone. In a table of mixed type
    that is a density over a volume, `counted` names the columns that are probabilities all the same.
    """

    base: Literal["counts", "volume"]
    treatment: str = "none"
    counted: tuple[str, ...] = ()

    def __str__(self) -> str:
        base = f"{self.base}, counts of {', '.join(self.counted)}" if self.counted else self.base
        return base if self.treatment == "none" else f"{base}, {self.treatment}"


@dataclass(frozen=True)
class Spec:
    """One example x, as a model sees it.

    event_shape: the shape of one x, e.g. (1, 28, 28) for an image, (12,) for a row of a table.
    kind: "binary" {0, 1}, "unit" [0, 1], "real" and "count" (0, 1, 2, ...) are floating point; "8-bit" 0..255 and
        "categorical" 0..levels-1 are int64. "mixed" is a row of columns of several kinds, floating point.
    levels: the number of values an entry can take, where that is finite (binary 2, 8-bit 256).
    num_classes: labels y are int64 in 0..num_classes-1; None where there are none.
    treatment: what was done to x that cannot be undone ("dynamic binarisation", "dequantised", ...), or "none".
    columns: the names of a table's columns, where they have names.
    column_types: of kind "mixed", what each column is.
    conditions: the names of y's columns where y (B, Y) are numbers that x is given; y then are no labels.
    caption_length: L where y (B, L) are captions that x is given: bytes, 0 after the end; y then are no labels.
    rate: samples a second where x are the mu-law levels of a sound.
    merges: where x are tokens of a text, the pairs of tokens that `jensen.data.text.Tokeniser` merges ("" of bytes).
    missing: whether entries of x may be missing, NaN; log p(x) is then that of the entries that are there.
    """

    event_shape: tuple[int, ...]
    kind: Kind
    levels: int | None = None
    num_classes: int | None = None
    treatment: str = "none"
    columns: tuple[str, ...] | None = None
    column_types: tuple[Column, ...] | None = None
    conditions: tuple[str, ...] | None = None
    caption_length: int | None = None
    rate: int | None = None
    merges: str | None = None
    missing: bool = False

    @property
    def num_dims(self) -> int:
        """The number of entries of one x: the D of bits per dimension."""
        total = 1
        for size in self.event_shape:
            total *= size
        return total

    def measure(self, discrete: bool) -> Measure:
        """What log p(x) is taken with respect to, of a likelihood that is `discrete` or has a density."""
        if self.column_types is None:
            return Measure("counts" if discrete else "volume", self.treatment)
        names = self.columns or tuple(map(str, range(self.num_dims)))
        counted = tuple(name for name, column in zip(names, self.column_types, strict=True) if column.kind != "real")
        if len(counted) == len(names):
            return Measure("counts", self.treatment)
        return Measure("volume", self.treatment, counted)

    def cells(self, row: list[float]) -> list[float | int | str]:
        """A row as its table has it: categories by name, and whole numbers in columns that count."""
        return [
            _cell(column, x) for column, x in zip(self.column_types or [Column("real")] * len(row), row, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Spec:
        """The inverse of `to_json`."""
        columns, types = values.get("columns"), values.get("column_types")
        made = {
            "event_shape": tuple(values["event_shape"]),
            "columns": columns and tuple(columns),
            "conditions": tuple(values["conditions"]) if values.get("conditions") else None,
            "column_types": types and tuple(Column(kind, tuple(categories)) for kind, categories in types),
        }
        return cls(**{**values, **made})


def _cell(column: Column, x: float) -> float | int | str:
    if column.kind == "categorical":
        return column.categories[round(x)]
    return int(x) if column.kind != "real" and x == int(x) else x


class Batch(NamedTuple):
    """What a model is trained on: x (B, *event), and a condition y or None.

    y are labels (B,) int64, -1 where an example has none, real numbers (B, Y), or captions (B, L) int64. Of data of
    which some examples have labels, `labelled` are such examples alone, as many as the batch has or as there are.
    """

    x: Tensor
    y: Tensor | None = None
    labelled: Batch | None = None
