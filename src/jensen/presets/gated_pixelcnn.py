"""Presets of `gated-pixelcnn`. Those of digits are what did best on the validation part."""

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
        description="8 x 8 digits of 17 levels",
        data={"source": "digits", "as_levels": True},
        model={"width": 32, "layers": 4, "kernel_size": 5, "output_width": 64},
        training={
            "steps": 4000,
            "batch_size": 50,
            "learning_rate": 2e-3,
            "schedule": "linear",
            "validate_every": 100,
            "keep": "best",
        },
    ),
    "binarized-mnist": Preset(
        description="10 layers, each stack 64 wide, on Larochelle's binarised MNIST; for a GPU",
        data={"source": "binarized-mnist"},
        model={"width": 64, "layers": 10},
        training={
            "steps": 200_000,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "schedule": "linear",
            "validate_every": 2000,
            "keep": "best",
        },
    ),
    "binarized-mnist-small": Preset(
        description="8 layers, each stack 16 wide, 5 epochs",
        data={"source": "binarized-mnist"},
        model={"width": 16, "layers": 8},
        training={
            "steps": 8000,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "schedule": "linear",
            "validate_every": 2000,
            "keep": "best",
        },
    ),
}
