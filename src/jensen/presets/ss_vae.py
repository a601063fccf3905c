"""Presets of the semi-supervised variational autoencoder."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 8 x 8 digits as bits, 100 of them with their label",
        data={"source": "digits", "binarize": "dynamic", "labelled": 100},
        model={"latent_dim": 5, "hidden": (64,), "cw": 20.0},
        training={"steps": 500, "learning_rate": 3e-3},
    ),
    "cs236": Preset(
        "MNIST, 100 labels, 784-300-300 nets, z = 64: 30,000 steps of 100 images and all labelled ones",
        data={"source": "mnist", "binarize": "dynamic", "labelled": 100, "validation": 0},
        training={"steps": 30_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
}
