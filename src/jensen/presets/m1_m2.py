"""Presets of M1 + M2."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 8 x 8 digits as bits, 100 of them with their label",
        data={"source": "digits", "binarize": "dynamic", "labelled": 100},
        model={"latent_dim": 8, "second_dim": 4, "hidden": (64,), "second_hidden": (32,), "cw": 20.0},
        training={"steps": 500, "learning_rate": 3e-3},
    ),
    "mnist": Preset(
        "MNIST, 100 labels: 784-600-600-(50) and 50-500-(y, 50), 40,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic", "labelled": 100, "validation": 0},
        training={"steps": 40_000, "batch_size": 100, "learning_rate": 1e-3, "schedule": "linear"},
    ),
}
