"""Presets of the variational autoencoder with a mixture prior."""

from jensen.presets.base import Preset
from jensen.presets.vae import CS236_NET

PRESETS = {
    "tiny": Preset(
        "seconds: 3 latent dimensions and 10 components on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 3, "hidden": (64,), "num_components": 10},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "cs236": Preset(
        "784-300-300-(10)-300-300-784 with 500 components on dynamically binarised MNIST, 20,000 steps",
        data={"source": "mnist", "binarize": "dynamic"},
        model={**CS236_NET, "num_components": 500, "start_from_data": False},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
}
