"""Presets of `gaussian`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="a Gaussian of correlation 0.9, which it should find",
        data={"source": "correlated-gaussian"},
    ),
    "wine": Preset(
        description="UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"standardize": True, "target": "quality"},
    ),
}
