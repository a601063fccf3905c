"""Presets of `gated-pixelcnn`. Those of digits are what did best on the validation part."""

from __future__ import annotations

from jensen.presets.base import Preset
from jensen.presets.pixels import DIGITS, MNIST, SMALL_MNIST

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
        training={**DIGITS, "steps": 4000},
    ),
    "binarized-mnist": Preset(
        description="10 layers, each stack 64 wide, on Larochelle's binarised MNIST; for a GPU",
        data={"source": "binarized-mnist"},
        model={"width": 64, "layers": 10},
        training={**MNIST, "steps": 200_000},
    ),
    "binarized-mnist-small": Preset(
        description="8 layers, each stack 16 wide, 5 epochs",
        data={"source": "binarized-mnist"},
        model={"width": 16, "layers": 8},
        training={**SMALL_MNIST, "steps": 8000, "learning_rate": 2e-3},
    ),
}
