"""Presets of `nsf`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: the ring x = z / 10 + z / |z|",
        data={"source": "ring"},
        training={"steps": 400, "batch_size": 256, "learning_rate": 5e-3, "schedule": "linear"},
    ),
    "wine": Preset(
        "half a minute: UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"target": "quality"},
        training={
            "steps": 1000,
            "batch_size": 256,
            "learning_rate": 2e-3,
            "schedule": "linear",
            "validate_every": 50,
            "keep": "best",
        },
    ),
}
