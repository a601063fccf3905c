"""Where x comes from, and in what units."""

from __future__ import annotations

from jensen.data.dataset import Dataset, Split
from jensen.data.like import load_like
from jensen.data.load import load
from jensen.data.named import NAMES, NamedSet, describe
from jensen.data.spec import Batch, Kind, Measure, Spec

__all__ = [
    "NAMES",
    "Batch",
    "Dataset",
    "Kind",
    "Measure",
    "NamedSet",
    "Spec",
    "Split",
    "describe",
    "load",
    "load_like",
]
