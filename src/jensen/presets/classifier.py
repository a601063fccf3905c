"""Presets of the classifier."""

from jensen.presets.base import Preset

_IMAGE_NET = {"net": "convolutional", "hidden": (48, 96, 128), "num_features": 128, "dropout": 0.5}
# A shape is a hundredth of its image: without the gain the network takes it for black for a long time.
_SHAPES_NET = {"net": "convolutional", "num_features": 128, "init_gain": 2.4}
_TRAINING = {
    "steps": 6000,
    "learning_rate": 2e-3,
    "weight_decay": 0.02,
    "warmup": 0.05,
    "schedule": "linear",
    "validate_every": 500,
}

PRESETS = {
    "tiny": Preset(
        "seconds: 8 x 8 digits",
        data={"source": "digits"},
        model={"hidden": (64,), "num_features": 32},
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "mnist": Preset(
        "two minutes: 28 x 28 grey digits, by convolutions",
        data={"source": "mnist", "validation": 0},
        model=_IMAGE_NET,
        training=_TRAINING,
    ),
    "fashion-mnist": Preset(
        "two minutes: 28 x 28 grey fashion, by convolutions",
        data={"source": "fashion-mnist", "validation": 0},
        model=_IMAGE_NET,
        training=_TRAINING,
    ),
    "color-shapes": Preset(
        "a minute: the shape of coloured squares, ellipses and hearts, 32 x 32, by convolutions",
        data={"source": "color-shapes"},
        model={**_SHAPES_NET, "hidden": (32, 64, 96)},
        training={**_TRAINING, "steps": 4000},
    ),
    "shapes": Preset(
        "two minutes: the shape of white squares, ellipses and hearts, 64 x 64, by convolutions",
        data={"source": "shapes"},
        model={**_SHAPES_NET, "hidden": (16, 32, 64, 96)},
        training={**_TRAINING, "steps": 4000},
    ),
}
