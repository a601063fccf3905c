"""Presets of adversarial variational Bayes."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,), "contrast_hidden": (64,), "num_basis": 4, "noise_dim": 4},
        training={"steps": 300, "batch_size": 128, "learning_rate": 2e-3, "betas": (0.5, 0.9)},
    ),
    "mnist": Preset(
        "minutes: dynamically binarised MNIST, 10 latent dimensions, dense nets",
        data={"source": "mnist", "binarize": "dynamic"},
        model={"latent_dim": 10, "hidden": (300, 300)},
        training={
            "steps": 15_000,
            "batch_size": 100,
            "learning_rate": 1e-3,
            "betas": (0.5, 0.999),
            "schedule": "linear",
        },
    ),
    "published": Preset(
        "z of 32 numbers, convolutional, dynamically binarised MNIST, 300,000 steps: for a GPU",
        data={"source": "mnist", "binarize": "dynamic", "validation": 0},
        model={
            "latent_dim": 32,
            "net": "convolutional",
            "hidden": (32, 64, 128),
            "contrast_hidden": (512, 512),
            "num_basis": 16,
            "noise_dim": 16,
        },
        training={
            "steps": 300_000,
            "batch_size": 64,
            "learning_rate": 1e-4,
            "betas": (0.5, 0.999),
            "schedule": "linear",
        },
    ),
}
