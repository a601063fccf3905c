"""Presets of the VAE/GAN."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: grey 8 x 8 digits",
        data={"source": "digits"},
        model={"latent_dim": 4, "hidden": (64, 64), "gamma": 0.3},
        training={"steps": 400, "learning_rate": 2e-3, "betas": (0.5, 0.9)},
    ),
    "mnist": Preset(
        "ten minutes: 28 x 28 grey digits, by convolutions",
        data={"source": "mnist", "validation": 0},
        model={
            "latent_dim": 16,
            "net": "convolutional",
            "hidden": (32, 64),
            "gamma": 0.04,
            "feature_scale": 2.0,
            "discriminator_rate": 0.2,
        },
        training={"steps": 10_000, "batch_size": 64, "learning_rate": 1e-3, "betas": (0.5, 0.9), "schedule": "linear"},
    ),
    "published": Preset(
        "days without a GPU: faces at 64 x 64 (--data FOLDER of images), 128 latents",
        data={},
        model={
            "latent_dim": 128,
            "net": "convolutional",
            "hidden": (64, 128, 256),
            "activation": "relu",
            "gamma": 0.01,
        },
        training={"steps": 100_000, "batch_size": 64, "learning_rate": 3e-4, "betas": (0.5, 0.9)},
    ),
}
