"""Presets of the beta-VAE."""

from jensen.presets.base import Preset

SHAPES_NET = {
    "latent_dim": 10,
    "hidden": (256, 256),
    "activation": "relu",
    "posterior_map": "exp-variance",
    "likelihood": "bernoulli",
}
# A low rate, so that factor-vae's discriminator, trained in the same way, can follow.
SHAPES_TRAINING = {"steps": 20_000, "batch_size": 128, "learning_rate": 3e-4, "warmup": 0.02, "schedule": "linear"}

PRESETS = {
    "tiny": Preset(
        "seconds: 2 latent dimensions and beta = 2 on 8 x 8 digits, resampled to bits",
        data={"source": "digits", "binarize": "dynamic"},
        model={"latent_dim": 2, "hidden": (64,)},
        objective={"beta": 2.0},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "784-300-300-(10)-300-300-784 on dynamically binarised MNIST under beta = 4, 20,000 steps",
        data={"source": "mnist", "binarize": "dynamic"},
        model={"latent_dim": 10, "hidden": (300, 300), "likelihood": "bernoulli"},
        objective={"beta": 4.0},
        training={"steps": 20_000, "batch_size": 100, "learning_rate": 1e-3},
    ),
    "shapes": Preset(
        "six minutes of a core: rendered shapes as bits, beta = 4, in the nets of factor-vae's preset of that name",
        data={"source": "shapes", "binarize": "threshold"},
        model=SHAPES_NET,
        objective={"beta": 4.0},
        training=SHAPES_TRAINING,
    ),
    "dsprites": Preset(
        "2-D shapes, dense nets of 1,200 units, Z = 10, beta = 4: as published, but for Adam in Adagrad's place",
        data={"source": "dsprites"},
        model={
            "latent_dim": 10,
            "hidden": (1200, 1200),
            "activation": "relu",
            "posterior_map": "exp-variance",
            "likelihood": "bernoulli",
        },
        objective={"beta": 4.0},
        training={"steps": 300_000, "batch_size": 64, "learning_rate": 1e-4},
    ),
}
