"""A data set that lies on its device and is batched by index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from jensen.data.spec import Batch, Spec
from jensen.data.treatment import Treatment

Part = Literal["train", "validation", "test"]

# Rows handled at a time where all of them are gone through: bounds the memory, and changes no result.
_CHUNK_ENTRIES = 2**18


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples x with labels y, and what is done to the stored values when a batch is taken.

    Attributes:
        x: the stored values (N, *event): a tensor on `device`, or an `np.memmap` of which only the rows asked for
            are read; then (F, *event) with `rows` saying which of the file's F rows belong here.
        y: labels (N,) int64, -1 where an example has none; or numbers (N, Y) or captions (N, L) int64 that x is given;
            or None.
        spec: what a model sees.
        treatment: stored values -> x.
        name: "mnist", or the file's name.
        part: "train", "validation" or "test".
        rows: (N,) the number of each example in the part (for a memory map: in the file), which is what a fixed
            realisation is drawn from; on the CPU.
        classes: the names of the labels 0, 1, ..., where they have names.
        realisation: whether and how randomness in x was drawn. Two evaluations of fixed data may pair their examples
            where `fingerprint` and `realisation` are both equal.
        device, dtype: of a batch; dtype is that of floating-point x.
    """

    x: Tensor | np.memmap
    y: Shaped[Tensor, "num_examples *numbers"] | None
    spec: Spec
    treatment: Treatment
    name: str
    part: Part
    rows: Int64[Tensor, "num_examples"]
    classes: tuple[str, ...] | None = None
    realisation: str = "as stored"
    device: torch.device = torch.device("cpu")  # noqa: RUF009  # immutable
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.part}, {len(self):,} x {self.spec.event_shape}, {self.spec.kind})"

    def batch(self, index: Int64[Tensor, "batch"]) -> Batch:
        """The examples of these positions: x (B, *event), y (B, ...).

        x is floating point (`dtype`), and int64 where its kind is 8-bit or categorical. Dynamic binarisation
        and dequantisation draw from the global torch generator of the device, anew at each call.
        """
        fixed = self.treatment.draws and self.treatment.seed is not None
        rows = self.rows.index_select(0, index.cpu()).to(self.device) if fixed else None
        x = self.treatment(self._stored(index), rows, self.dtype)
        return Batch(x, None if self.y is None else self.y.index_select(0, index.to(self.device)))

    def _stored(self, index: Tensor) -> Tensor:
        if isinstance(self.x, Tensor):
            return self.x.index_select(0, index.to(self.device))
        rows = self.rows.index_select(0, index.cpu())
        return torch.from_numpy(native(self.x[rows.numpy()])).to(self.device)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All examples in order, `batch_size` at a time; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(torch.arange(start, min(start + batch_size, len(self)), device=self.device))

    def all(self) -> Batch:
        """All examples as one batch."""
        return self.batch(torch.arange(len(self), device=self.device))

    def subset(self, index: Int64[Tensor, "batch"]) -> Dataset:
        """The examples of these positions; each keeps its row, so a fixed realisation stays what it was."""
        return replace(
            self,
            x=self._stored(index) if isinstance(self.x, Tensor) else self.x,
            y=None if self.y is None else self.y.index_select(0, index.to(self.device)),
            rows=self.rows.index_select(0, index.cpu()),
        )

    @property
    def labels(self) -> Int64[Tensor, "num_examples"] | None:
        """y where they are labels, and no numbers or captions that x is given."""
        return None if self.y is None or self.y.dim() == 2 else self.y

    @cached_property
    def labelled(self) -> Int64[Tensor, "labelled"] | None:
        """The positions of the examples that have a label, where some have none; else None."""
        y = self.labels
        if y is None or int(y.min()) >= 0:
            return None
        return (y >= 0).nonzero().squeeze(1)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Dataset:
        """On another device, or with x of another floating-point type; stored values keep their precision."""
        target = self.device if device is None else torch.device(device)
        return replace(
            self,
            x=self.x.to(target) if isinstance(self.x, Tensor) else self.x,
            y=None if self.y is None else self.y.to(target),
            treatment=self.treatment.to(target),
            device=target,
            dtype=self.dtype if dtype is None else dtype,
        )

    def fixed(self, seed: int = 0) -> Dataset:
        """One realisation of whatever is still random in x, a function of (seed, part, row); self where nothing is.

        Any batching, order or subset of it sees the same values. Data in memory are drawn once and kept.
        """
        if not self.treatment.draws or self.treatment.seed is not None:
            return self
        key = 3 * seed + ("train", "validation", "test").index(self.part)
        how = "dequantisation" if self.treatment.dequantize else f"{self.treatment.binarize} binarisation"
        drawn = replace(self, treatment=replace(self.treatment, seed=key), realisation=f"{how}, drawn with seed {seed}")
        return drawn._stored_draw() if isinstance(self.x, Tensor) else drawn

    def _stored_draw(self) -> Dataset:
        stored, treatment = self.x, self.treatment
        assert isinstance(stored, Tensor)
        # Dequantised values keep the stored scale, where float32 holds s + u exactly; the scaling stays to be done.
        work = treatment.noisy if treatment.dequantize else treatment.bits
        values = torch.empty_like(stored, dtype=torch.float32 if treatment.dequantize else torch.uint8)
        for part in chunks(len(self), self.spec.num_dims):
            values[part] = work(stored[part], self.rows[part].to(self.device))
        return replace(self, x=values, treatment=replace(treatment, drawn=True))

    def log_det(self, x: Shaped[Tensor, "batch *event"]) -> Float64[Tensor, "batch"]:
        """log |det dx / d(raw x)| (B,), float64 nats: log p(raw x) = log p(x) + log_det(x).

        Raw x are the user's own units: columns before standardisation, 0..256 for dequantised 8-bit values. 0 where
        nothing was scaled; grey values of kind "unit" have the unit interval as their own units.
        """
        constant = self.treatment.log_det(self.spec.event_shape)
        return torch.full((len(x),), constant, dtype=torch.float64, device=x.device)

    def to_raw(self, x: Shaped[Tensor, "batch *event"]) -> Shaped[Tensor, "batch *event"]:
        """x back in the user's own units; dequantised values are floored to the level that they belong to."""
        if self.spec.kind not in ("real", "mixed"):
            return x
        return self.treatment.to(x.device).to_raw(x.double()).to(x.dtype)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the sha256 of the stored rows and labels.

        For a memory map: of its shape, type and file size, of the row numbers, and of the contents of at most 1,024
        rows at equal distances.
        """
        digest = hashlib.sha256()
        if isinstance(self.x, Tensor):
            digest.update(f"{self.x.dtype} {tuple(self.x.shape)}".encode())
            # Windows that are a token apart overlap: the text that they are of says it all, in a hundredth of the time.
            x = torch.cat([self.x[:1, :-1].T, self.x[:, -1:]]) if self.x.stride() == (1, 1) else self.x
            for part in chunks(len(x), x[0].numel() if len(x) else 1):
                digest.update(x[part].cpu().contiguous().numpy().data)
        else:
            digest.update(f"{self.x.dtype} {self.x.shape} {self.x.nbytes}".encode())
            digest.update(self.rows.numpy().data)
            stride = max(1, len(self) // 1024)
            digest.update(np.ascontiguousarray(self.x[self.rows[::stride].numpy()]).data)
        if self.y is not None:
            digest.update(self.y.cpu().numpy().data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Split:
    """A data set in its three parts, and how it was loaded: `load(source, **options)` gives the same again."""

    train: Dataset
    validation: Dataset
    test: Dataset
    source: str
    options: dict[str, Any]

    @property
    def spec(self) -> Spec:
        """What one x is, in all three parts."""
        return self.train.spec


def chunks(num_rows: int, row_size: int) -> Iterator[slice]:
    """Slices that together cover the rows, each of a bounded number of entries."""
    step = max(1, _CHUNK_ENTRIES // max(row_size, 1))
    for start in range(0, num_rows, step):
        yield slice(start, start + step)


def native(values: np.ndarray) -> np.ndarray:
    """Of a type that torch has, in the machine's byte order."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if native.dtype == np.bool_:
        return native.view(np.uint8)
    if native.dtype == np.float16:
        return native.astype(np.float32)
    if native.dtype.kind == "u" and native.dtype.itemsize > 1:
        return native.astype(np.int64)
    return np.ascontiguousarray(native)
