"""Presets of the conditional variational autoencoder."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions on 8 x 8 digits given their label",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,)},
        training={"steps": 500, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "digits given their label, with a flow for p(z | y), whose draws decode to digits: 20,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic"},
        model={"prior": "flow", "latent_dim": 10, "hidden": (500, 500)},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3, "schedule": "linear"},
    ),
    "completion": Preset(
        "the rest of a digit given its lower left quadrant: 20,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic"},
        model={"given": "quadrant", "latent_dim": 50, "hidden": (500, 500)},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3, "schedule": "linear"},
    ),
}
