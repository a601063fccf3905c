"""Presets of the generative adversarial network; docs/models/gan.md says what the settings were chosen on."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: eight Gaussians in the plane, stopped long before the samples are good",
        data={"source": "eight-gaussians"},
        model={"latent_dim": 2, "hidden": (32, 32)},
        training={"steps": 100, "batch_size": 128, "learning_rate": 1e-3, "betas": (0.0, 0.9)},
    ),
    "ring": Preset(
        "half a minute: eight Gaussians on a ring, all of them covered",
        data={"source": "eight-gaussians"},
        model={"latent_dim": 2, "hidden": (128, 128, 128)},
        training={
            "steps": 2000,
            "batch_size": 512,
            "learning_rate": 2e-3,
            "betas": (0.0, 0.9),
            "schedule": "linear",
        },
    ),
    "digits": Preset(
        "a minute: grey 8 x 8 digits",
        data={"source": "digits"},
        model={"latent_dim": 10, "hidden": (256, 256)},
        training={
            "steps": 12_000,
            "batch_size": 128,
            "learning_rate": 5e-4,
            "betas": (0.0, 0.9),
            "schedule": "linear",
        },
    ),
    "mnist": Preset(
        "twelve minutes: 28 x 28 grey digits, by convolutions",
        data={"source": "mnist", "validation": 0},
        model={"latent_dim": 64, "net": "convolutional", "hidden": (48, 96)},
        training={
            "steps": 20_000,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "betas": (0.5, 0.9),
            "schedule": "linear",
        },
    ),
}
