"""Presets of the variational autoencoder with a VampPrior."""

from jensen.presets.base import Preset
from jensen.presets.vae import CS236_NET

PRESETS = {
    "tiny": Preset(
        "seconds: 3 latent dimensions and 10 pseudo-inputs on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 3, "hidden": (64,), "num_components": 10},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "cs236": Preset(
        "784-300-300-(10)-300-300-784 with 500 pseudo-inputs on dynamically binarised MNIST: the nets of vae's cs236",
        data={"source": "mnist", "binarize": "dynamic"},
        model={**CS236_NET, "num_components": 500, "start_from_data": False},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
    "published": Preset(
        "the published schedule: Z = 40, 500 pseudo-inputs, Adam 5e-4, KL warm-up of 100 epochs; layers without gates",
        data={"source": "mnist", "binarize": "dynamic"},
        model={
            "num_components": 500,
            "latent_dim": 40,
            "hidden": (300, 300),
            "activation": "relu",
            "posterior_map": "exp-variance",
            "likelihood": "bernoulli",
            "start_from_data": True,
        },
        objective={"kl_warmup": 0.1},
        training={"steps": 500_000, "batch_size": 100, "learning_rate": 5e-4, "keep": "best"},
    ),
}
