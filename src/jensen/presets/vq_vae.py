"""Presets of the vector-quantised variational autoencoder."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 4 codes for each 8 x 8 digit, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"num_codes": 16, "code_width": 8, "hidden": (16, 32), "prior_hidden": (64,)},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "minutes: a 7 x 7 map of 64 codes for dynamically binarised MNIST",
        data={"source": "mnist", "binarize": "dynamic"},
        model={"num_codes": 64, "code_width": 16, "hidden": (32, 64), "prior_hidden": (1024,)},
        training={"steps": 12_000, "learning_rate": 2e-3, "schedule": "linear", "validate_every": 1000},
    ),
    "published": Preset(
        "an 8 x 8 map of 512 codes for 32 x 32 colour images (--data), 250,000 steps at 2e-4: for a GPU",
        data={"as_levels": True},
        model={
            "num_codes": 512,
            "code_width": 64,
            "hidden": (256, 256),
            "num_residual": 2,
            "prior_hidden": (2048, 2048),
            "prior_width": 64,
        },
        training={"steps": 250_000, "batch_size": 128, "learning_rate": 2e-4},
    ),
}
