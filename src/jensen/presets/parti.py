"""Presets of `parti`."""

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        "seconds: 4 codes for each 8 x 8 digit, binarised afresh at every draw, from captions such as 'a three'",
        data={"source": "captioned-digits", "binarize": "dynamic"},
        model={
            "num_codes": 16,
            "code_width": 8,
            "hidden": (16, 32),
            "width": 32,
            "encoder_depth": 1,
            "depth": 2,
            "heads": 2,
        },
        training={"steps": 300, "learning_rate": 3e-3, "validate_every": 100},
    ),
    "captioned-digits": Preset(
        "grey 8 x 8 digits from captions such as 'the digit 3': a 4 x 4 map of 32 codes, a few minutes of a core",
        data={"source": "captioned-digits"},
        model={"num_codes": 32, "hidden": (64,), "width": 64, "encoder_depth": 1, "depth": 2, "dropout": 0.1},
        training={
            "steps": 2000,
            "batch_size": 64,
            "learning_rate": 2e-3,
            "warmup": 0.05,
            "schedule": "linear",
            "validate_every": 250,
        },
    ),
    "captioned-shapes": Preset(
        "coloured shapes from captions such as 'a small green square': an 8 x 8 map of 64 codes",
        data={"source": "captioned-shapes"},
        model={"num_codes": 64, "hidden": (32, 64), "width": 96, "encoder_depth": 1, "depth": 3},
        training={
            "steps": 6000,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "betas": (0.9, 0.95),
            "warmup": 0.05,
            "schedule": "linear",
            "validate_every": 2000,
        },
    ),
}
