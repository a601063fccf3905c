"""Presets of `diagonal-bilstm`. What the paper does not name is what did best on validation parts."""

from __future__ import annotations

from jensen.presets.base import Preset
from jensen.presets.pixels import DIGITS, MNIST, SMALL_MNIST

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"width": 16, "layers": 1, "kernel_size": 5, "output_width": 16},
        training={"steps": 100, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels",
        data={"source": "digits", "as_levels": True},
        model={"width": 64, "layers": 2, "kernel_size": 5, "output_width": 64},
        training={**DIGITS, "steps": 3000, "weight_decay": 0.5},
    ),
    "binarized-mnist": Preset(
        description="7 layers of h = 16 on binarised MNIST, as in van den Oord et al. (2016); for a GPU",
        data={"source": "binarized-mnist"},
        model={"width": 32, "layers": 7},
        training={**MNIST, "steps": 100_000},
    ),
    "binarized-mnist-small": Preset(
        description="the same with one layer of h = 32",
        data={"source": "binarized-mnist"},
        model={"width": 64, "layers": 1},
        training={**SMALL_MNIST, "steps": 12_000, "learning_rate": 3e-3},
    ),
}
