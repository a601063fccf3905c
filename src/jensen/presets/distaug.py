"""Presets of `distaug`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"width": 16, "layers": 2, "kernel_size": 5, "output_width": 16},
        training={"steps": 100, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels under rotations and transpositions",
        data={"source": "digits", "as_levels": True},
        training={
            "steps": 6000,
            "batch_size": 50,
            "learning_rate": 2e-3,
            "weight_decay": 0.1,
            "schedule": "linear",
            "validate_every": 100,
            "keep": "best",
        },
    ),
}
