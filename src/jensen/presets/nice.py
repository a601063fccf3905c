"""Presets of `nice`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 8 x 8 digits of 17 levels, dequantised, their logits through 4 layers",
        data={"source": "digits", "dequantize": True},
        model={"num_layers": 4, "logit": 0.05},
        training={"steps": 300, "learning_rate": 2e-3, "schedule": "linear"},
    ),
    "mnist": Preset(
        "digits dequantised, 4 coupling layers with 5 hidden layers of 1,000 units each, as in Dinh et al. (2015)",
        data={"source": "mnist", "dequantize": True},
        model={"num_layers": 4, "hidden": (1000,) * 5},
        training={"steps": 50_000, "batch_size": 200, "validate_every": 500, "keep": "best"},
    ),
}
