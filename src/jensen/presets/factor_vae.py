"""Presets of the FactorVAE."""

from jensen.presets.base import Preset
from jensen.presets.beta_vae import SHAPES_NET, SHAPES_TRAINING

PRESETS = {
    "tiny": Preset(
        "seconds: 3 latent dimensions on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 3, "hidden": (64,), "discriminator_hidden": (64, 64), "gamma": 5.0},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "shapes": Preset(
        "ten minutes of a core: rendered shapes as bits, under a small discriminator that moves fast and often",
        data={"source": "shapes", "binarize": "threshold"},
        model={
            **SHAPES_NET,
            "gamma": 35.0,
            "discriminator_hidden": (256, 256, 256),
            "discriminator_rate": 4.0,
            "discriminator_steps": 5,
        },
        training=SHAPES_TRAINING,
    ),
    "published": Preset(
        "the paper's setting of dSprites but for the discriminator's Adam: gamma 35, 300,000 steps; for a GPU",
        data={"source": "dsprites"},
        model={"net": "convolutional", "hidden": (32, 32, 64, 64), "latent_dim": 10, "gamma": 35.0},
        training={"steps": 300_000, "batch_size": 64, "learning_rate": 1e-4},
    ),
}
