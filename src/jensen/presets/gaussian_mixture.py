"""Presets of `gaussian-mixture`; a step of training is one step of EM."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="two half moons under four Gaussians, in seconds",
        data={"source": "moons"},
        model={"num_components": 4},
        training={"steps": 100, "tolerance": 1e-8},
    ),
    "eight-gaussians": Preset(
        description="eight Gaussians on a circle, recovered by eight components",
        data={"source": "eight-gaussians"},
        model={"num_components": 8},
        training={"steps": 200, "tolerance": 1e-10},
    ),
    "wine": Preset(
        description="UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"target": "quality"},
        model={"num_components": 10},
        training={"steps": 300, "tolerance": 1e-5, "validate_every": 1, "keep": "best"},
    ),
}
