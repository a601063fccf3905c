"""Presets of `realnvp`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: two half moons",
        data={"source": "moons"},
        model={"num_layers": 6},
        training={"steps": 400, "batch_size": 256, "learning_rate": 3e-3, "schedule": "linear"},
    ),
    "digits": Preset(
        "seconds: 8 x 8 digits of 17 levels, dequantised, their logits through 8 layers",
        data={"source": "digits", "dequantize": True},
        model={"num_layers": 8, "hidden": (128, 128), "logit": 0.05},
        training={"steps": 600, "learning_rate": 1e-3, "schedule": "linear", "validate_every": 50, "keep": "best"},
    ),
}
