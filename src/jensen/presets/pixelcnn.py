"""Presets of `pixelcnn`. Those of digits are what did best on the validation part; the paper names no width."""

from __future__ import annotations

from jensen.presets.base import Preset
from jensen.presets.pixels import DIGITS, MNIST, SMALL_MNIST

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"width": 16, "blocks": 2, "kernel_size": 5, "output_width": 16},
        training={"steps": 100, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels",
        data={"source": "digits", "as_levels": True},
        model={"width": 128, "blocks": 3, "kernel_size": 5, "output_width": 64},
        training={**DIGITS, "steps": 4000, "weight_decay": 0.1},
    ),
    "binarized-mnist": Preset(
        description="15 blocks on Larochelle's binarised MNIST, as in van den Oord et al. (2016), 128 wide; for a GPU",
        data={"source": "binarized-mnist"},
        model={"width": 128, "blocks": 15},
        training={**MNIST, "steps": 200_000},
    ),
    "binarized-mnist-small": Preset(
        description="the same, 32 wide and 5 epochs",
        data={"source": "binarized-mnist"},
        model={"width": 32, "blocks": 15},
        training={**SMALL_MNIST, "steps": 8000, "learning_rate": 2e-3},
    ),
}
