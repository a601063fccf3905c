"""Presets of the model with two layers of latent variables."""

from jensen.presets.base import Preset
from jensen.presets.iwae import BURDA, GLOROT, SHORT

PRESETS = {
    "tiny": Preset(
        "seconds: 4 and 2 latent dimensions and 5 importance samples on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dims": (4, 2), "hidden": (64,), "upper_hidden": (16,)},
        objective={"num_samples": 5},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "short": Preset(
        "784-200-200-(100)-100-100-(50) and back, K = 50, doubly reparameterised: 20,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic"},
        model=GLOROT,
        objective={"num_samples": 50, "gradient": "doubly-reparameterised"},
        training=SHORT,
    ),
    "published": Preset(
        "the same network, 50 importance samples, the paper's 3,280 epochs of 20 images a step: days, for a GPU",
        data={"source": "mnist", "binarize": "dynamic", "validation": 400},
        model=GLOROT,
        objective={"num_samples": 50},
        training=BURDA,
    ),
}
