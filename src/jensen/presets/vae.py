"""Presets of the variational autoencoder."""

from typing import Any

from jensen.presets.base import Preset

CS236_NET = {
    "latent_dim": 10,
    "hidden": (300, 300),
    "activation": "elu",
    "posterior_map": "softplus-variance",
    "likelihood": "bernoulli",
}
_ALL_OF_MNIST = {"source": "mnist", "binarize": "dynamic", "validation": 0}
# The columns are rounded: a scale of a tenth of a column's spread, at least, keeps the density off single values.
_WINE_NET = {"latent_dim": 6, "hidden": (64, 64), "likelihood_scale": "decoder", "scale_floor": 0.1}
_WINE_TRAINING = {"steps": 5000, "schedule": "linear", "validate_every": 500, "keep": "best"}
# That of fs-vae has the same, so that the two differ in y alone.
COLOR_SHAPES: dict[str, Any] = {
    "data": {"source": "many-color-shapes", "binarize": "threshold"},
    "model": {
        "prior": "flow",
        "net": "convolutional",
        "latent_dim": 10,
        "hidden": (32, 64),
        "dense": (500, 500),
    },
    "training": {
        "steps": 60_000,
        "batch_size": 100,
        "learning_rate": 2e-3,
        "warmup": 0.05,
        "schedule": "linear",
        "precision": "bf16",
    },
}
_IMAGE_NET = {"net": "convolutional", "hidden": (32, 64), "latent_dim": 20}
_IMAGE_TRAINING = {"steps": 3000, "learning_rate": 4e-3, "warmup": 0.05, "schedule": "linear", "validate_every": 500}

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
    "dna": Preset(
        "half a minute: 180 bits of DNA, of which 1,400 rows are learned by heart after some hundred steps",
        data={"source": "dna"},
        model={"latent_dim": 10, "hidden": (256, 128), "activation": "elu"},
        training={
            "steps": 1500,
            "learning_rate": 2e-3,
            "schedule": "linear",
            "warmup": 0.05,
            "validate_every": 50,
            "keep": "best",
        },
    ),
    "cs236": Preset(
        "784-300-300-(10)-300-300-784 on dynamically binarised MNIST: the setting of Stanford's CS236, 20,000 steps",
        data={"source": "mnist", "binarize": "dynamic"},
        model={**CS236_NET, "start_from_data": False},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
    "cs236-fast": Preset(
        "the same network in 1,300 steps: larger batches, a high rate that rises and falls, a data-dependent start",
        data=_ALL_OF_MNIST,
        model={**CS236_NET, "start_from_data": True, "init_gain": 2.0},
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
    "wine": Preset(
        "half a minute: UCI wine quality (--data winequality-white.csv), 11 real columns, `quality` left out",
        data={"standardize": True, "target": "quality"},
        model=_WINE_NET,
        training=_WINE_TRAINING,
    ),
    "wine-mixed": Preset(
        "half a minute: UCI wine quality (--data winequality-white.csv), 11 real columns and `quality` as a category",
        data={"standardize": True, "columns": "mixed,quality=categorical"},
        model=_WINE_NET,
        training=_WINE_TRAINING,
    ),
    "manifold": Preset(
        "seconds: a surface of dimension 2 in R^20 under 5 latents, which the learned scale has to find out",
        data={"source": "manifold"},
        model={"latent_dim": 5, "hidden": (128, 128), "activation": "tanh", "likelihood_scale": "learned"},
        training={"steps": 4000, "batch_size": 200, "learning_rate": 3e-3, "warmup": 0.05, "schedule": "linear"},
    ),
    "fashion-mnist": Preset(
        "two minutes: 28 x 28 fashion, resampled to bits, by convolutions",
        data={"source": "fashion-mnist", "binarize": "dynamic"},
        model=_IMAGE_NET,
        training=_IMAGE_TRAINING,
    ),
    "fashion-mnist-8bit": Preset(
        "two minutes: 28 x 28 fashion at 256 levels, a discretised logistic, by convolutions",
        data={"source": "fashion-mnist", "as_levels": True},
        model={**_IMAGE_NET, "likelihood": "discretised-logistic"},
        training=_IMAGE_TRAINING,
    ),
    "freyfaces": Preset(
        "half a minute: 28 x 20 video frames at 256 levels, by convolutions; held out are the last of the video",
        data={"source": "freyfaces", "as_levels": True},
        model={**_IMAGE_NET, "likelihood": "discretised-logistic"},
        training={**_IMAGE_TRAINING, "steps": 1000, "learning_rate": 2e-3, "validate_every": 100, "keep": "best"},
    ),
    "color-shapes": Preset(
        "an hour: rendered shapes in colour as bits, convolutional, z from a flow; what fs-vae is held against",
        **COLOR_SHAPES,
    ),
    "exchange-rate": Preset(
        "half a minute: ten days of eight exchange rates' daily differences, by recurrent networks",
        data={"source": "exchange-rate", "window": 10, "difference": True, "standardize": True},
        # Quiet and wild days differ by orders of magnitude; below the floor lie the days on which a rate was pegged.
        model={
            "net": "recurrent",
            "hidden": (64,),
            "latent_dim": 8,
            "likelihood_scale": "decoder",
            "scale_floor": 0.1,
        },
        training={"steps": 1500, "learning_rate": 2e-3, "warmup": 0.05, "schedule": "linear", "validate_every": 250},
    ),
}
