"""Presets of `dag-network`."""

from __future__ import annotations

from jensen.presets.base import Preset
from jensen.presets.dag import LATTICE

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits as bits, each pixel given its left and its upper neighbour, a network each",
        data={"source": "digits", "binarize": "threshold"},
        model={"graph": LATTICE, "hidden": (4,)},
        training={"steps": 300, "learning_rate": 0.02, "schedule": "linear"},
    ),
    "table": Preset(
        description="a table of categories (--data FILE --set graph=[a][b|a])",
        data={"columns": "mixed"},
        training={"steps": 3000, "batch_size": 500, "learning_rate": 0.02, "schedule": "linear"},
    ),
}
