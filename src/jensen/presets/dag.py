"""Presets of `dag`."""

from __future__ import annotations

from jensen.presets.base import Preset

# Each of the 8 x 8 pixels given the one to its left and the one above it.
LATTICE = "".join(
    f"[{8 * row + column}{'|' if row + column else ''}"
    + ":".join(([f"{8 * row + column - 1}"] if column else []) + ([f"{8 * row + column - 8}"] if row else []))
    + "]"
    for row in range(8)
    for column in range(8)
)

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits as bits, each pixel given its left and its upper neighbour, a table each",
        data={"source": "digits", "binarize": "threshold"},
        model={"graph": LATTICE, "pseudo_count": 0.5},
    ),
    "linear-gaussian": Preset(
        description="a Gaussian of correlation 0.9, the second entry given the first",
        data={"source": "correlated-gaussian"},
        model={"graph": "[0][1|0]"},
    ),
}
