"""Presets of the importance-weighted autoencoder."""

from jensen.presets.base import Preset

_ONE_LAYER = {
    "latent_dim": 50,
    "hidden": (200, 200),
    "activation": "tanh",
    "posterior_map": "exp-variance",
    "likelihood": "bernoulli",
    "start_from_data": True,
}

# 20,000 steps, where the paper takes 9.8 million.
SHORT = {"steps": 20_000, "batch_size": 100, "learning_rate": 3e-3, "warmup": 0.02, "schedule": "linear"}
# Times torch's usual weights: about what Glorot & Bengio (2010) draw for layers of equal width.
GLOROT = {"init_gain": 1.7}
# 3,280 epochs of 59,600 images.
BURDA = {
    "steps": 3280 * 2980,
    "batch_size": 20,
    "learning_rate": 1e-3,
    "eps": 1e-4,
    "schedule": "burda",
    "log_every": 2980,
    "checkpoint_every": 29_800,
    "validate_every": 29_800,
}

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions and 5 importance samples on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,)},
        objective={"num_samples": 5},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "short": Preset(
        "784-200-200-(50)-200-200-784, 50 importance samples, doubly reparameterised: 20,000 steps of 100 images",
        data={"source": "mnist", "binarize": "dynamic"},
        model=_ONE_LAYER,
        objective={"num_samples": 50, "gradient": "doubly-reparameterised"},
        training=SHORT,
    ),
    "published": Preset(
        "the same network, 50 importance samples, the paper's 3,280 epochs of 20 images a step: days, for a GPU",
        data={"source": "mnist", "binarize": "dynamic", "validation": 400},
        model={**_ONE_LAYER, **GLOROT},
        objective={"num_samples": 50},
        training=BURDA,
    ),
}
