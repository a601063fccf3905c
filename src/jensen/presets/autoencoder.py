"""Presets of the autoencoder."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 2 numbers for each 8 x 8 digit",
        data={"source": "digits"},
        model={"latent_dim": 2, "hidden": (64,)},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "linear": Preset(
        "seconds: no hidden layers, all 8 x 8 digits at each step; it finds the space of 10 principal components",
        data={"source": "digits"},
        model={"latent_dim": 10, "hidden": ()},
        training={
            "steps": 1000,
            "batch_size": 1297,
            "learning_rate": 1e-2,
            "betas": (0.9, 0.95),
            "schedule": "linear",
            "precision": "32",
            "validate_every": 100,
        },
    ),
    "denoising": Preset(
        "minutes: 784-512-(32)-512-784 on grey MNIST under Gaussian noise of scale 1/2",
        data={"source": "mnist"},
        model={"latent_dim": 32, "hidden": (512,), "activation": "relu", "noise": "gaussian", "noise_level": 0.5},
        training={"steps": 5000, "batch_size": 100, "learning_rate": 2e-3, "schedule": "linear"},
    ),
    "map": Preset(
        "minutes: MNIST in the plane, 784-1000-500-250-(2), the network of Hinton & Salakhutdinov (2006)",
        data={"source": "mnist"},
        model={"latent_dim": 2, "hidden": (1000, 500, 250), "activation": "tanh", "loss": "bernoulli"},
        training={"steps": 5000, "batch_size": 100, "learning_rate": 1e-3, "schedule": "linear"},
    ),
}
