"""Presets of `independent`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits as bits, each pixel by itself",
        data={"source": "digits", "binarize": "threshold"},
    ),
    "wine": Preset(
        description="UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"standardize": True, "target": "quality"},
    ),
    "wine-mixed": Preset(
        description="UCI wine quality (--data winequality-white.csv), 11 real columns and `quality` as a category",
        data={"standardize": True, "columns": "mixed,quality=categorical"},
    ),
}
