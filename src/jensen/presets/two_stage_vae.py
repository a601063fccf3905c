"""Presets of the two-stage variational autoencoder."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 4 latent dimensions on dequantised 8 x 8 digits",
        data={"source": "digits", "dequantize": True},
        model={"latent_dim": 4, "hidden": (64,), "second_hidden": (64,)},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "784-300-300-(16)-300-300-784 on dequantised MNIST, its latents 16-512-512-(16)-512-512-16: 5,000 steps",
        data={"source": "mnist", "dequantize": True},
        model={"latent_dim": 16, "second_hidden": (512, 512)},
        training={"steps": 5000, "learning_rate": 1e-3, "warmup": 0.02, "schedule": "linear"},
    ),
    "published": Preset(
        "the paper's sizes on MNIST: 64 latents, a second stage of 3 x 1,024, 400 epochs in batches of 64: for a GPU",
        data={"source": "mnist", "dequantize": True, "validation": 0},
        model={
            "latent_dim": 64,
            "net": "convolutional",
            "hidden": (64, 128),
            "second_hidden": (1024, 1024, 1024),
            "activation": "relu",
            "posterior_map": "softplus-scale",
        },
        training={"steps": 375_000, "batch_size": 64, "learning_rate": 1e-4, "schedule": "linear"},
    ),
}
