"""Presets of `maf`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: a pinwheel of five arms",
        data={"source": "pinwheel"},
        training={"steps": 400, "batch_size": 256, "learning_rate": 3e-3, "schedule": "linear"},
    ),
    "wine": Preset(
        "seconds: UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
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
    "mnist": Preset(
        "digits dequantised, their logits through 5 layers of 1,024 hidden units, as in Papamakarios et al. (2017)",
        data={"source": "mnist", "dequantize": True},
        model={"hidden": (1024,), "logit": 1e-6},
        training={"steps": 50_000, "learning_rate": 1e-4, "validate_every": 500, "keep": "best"},
    ),
}
