"""Presets of the variational autoencoder."""

from jensen.presets.base import Preset

_CS236_NET = {
    "latent_dim": 10,
    "hidden": (300, 300),
    "activation": "elu",
    "posterior_map": "softplus-variance",
    "likelihood": "bernoulli",
}
_ALL_OF_MNIST = {"source": "mnist", "binarize": "dynamic", "validation": 0}

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,)},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "digits": Preset(
        "a minute: 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 6, "hidden": (256, 128), "activation": "elu"},
        training={"steps": 6000, "learning_rate": 2e-3, "schedule": "linear", "warmup": 0.05, "validate_every": 250},
    ),
    "cs236": Preset(
        "784-300-300-(10)-300-300-784 on dynamically binarised MNIST: the setting of Stanford's CS236, 20,000 steps",
        data={"source": "mnist", "binarize": "dynamic"},
        model={**_CS236_NET, "start_from_data": False},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
    "cs236-fast": Preset(
        "the same network in 1,300 steps: larger batches, a high rate that rises and falls, a data-dependent start",
        data=_ALL_OF_MNIST,
        model={**_CS236_NET, "start_from_data": True, "init_gain": 2.0},
        training={
            "steps": 1300,
            "batch_size": 400,
            "learning_rate": 1e-2,
            "betas": (0.95, 0.99),
            "warmup": 0.1,
            "schedule": "linear",
        },
    ),
    "sta4124": Preset(
        "784-512-(2)-512-784 on grey MNIST, 20 epochs: a classroom example whose loss is no likelihood",
        data={"source": "mnist", "binarize": "none", "validation": 0},
        model={
            "latent_dim": 2,
            "hidden": (512,),
            "activation": "relu",
            "posterior_map": "exp-variance",
            "likelihood": "bernoulli",
            "start_from_data": False,
        },
        training={"steps": 9375, "batch_size": 128, "learning_rate": 1e-3},
    ),
}
