"""Presets of the fully supervised variational autoencoder."""

from jensen.presets.base import Preset
from jensen.presets.vae import COLOR_SHAPES

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,)},
        training={"steps": 500, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "the network of vae's cs236 with the label beside x and z: 20,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic"},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
    "color-shapes": Preset(
        "an hour: rendered shapes in colour as bits, given the shape: the net of vae's color-shapes with y in it",
        **COLOR_SHAPES,
    ),
    "cs236-svhn": Preset(
        "32 x 32 x 3: 3072-1000-1000-(10)-1000-1000-3072 as in CS236, Gaussian; give --data your images of 3 channels",
        data={},
        model={"latent_dim": 10, "hidden": (1000, 1000)},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
}
