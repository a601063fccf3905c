"""Presets of `made`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"hidden": (64,)},
        training={"steps": 200, "learning_rate": 1e-2},
    ),
    "mnist-static": Preset(
        description="one hidden layer of 500 units and one mask on binarised MNIST, as in Germain et al. (2015)",
        data={"source": "binarized-mnist"},
        model={"hidden": (500,)},
        training={"steps": 50_000, "batch_size": 100, "learning_rate": 1e-3, "validate_every": 500, "keep": "best"},
    ),
}
