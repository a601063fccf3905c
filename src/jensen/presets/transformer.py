"""Presets of `transformer`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"width": 32, "depth": 2, "heads": 2},
        training={"steps": 200, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels",
        data={"source": "digits", "as_levels": True},
        model={"width": 64, "depth": 2, "heads": 4, "dropout": 0.1},
        training={
            "steps": 2000,
            "batch_size": 32,
            "learning_rate": 3e-3,
            "weight_decay": 0.1,
            "warmup": 0.05,
            "schedule": "linear",
            "validate_every": 100,
            "keep": "best",
        },
    ),
    "binarized-mnist": Preset(
        description="8 blocks on Larochelle's binarised MNIST, in raster order as in Chen et al. (2020); for a GPU",
        data={"source": "binarized-mnist"},
        model={"width": 256, "depth": 8, "heads": 8, "dropout": 0.1},
        training={
            "steps": 50_000,
            "batch_size": 100,
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "warmup": 0.02,
            "schedule": "linear",
            "max_grad_norm": 1.0,
            "validate_every": 1000,
            "keep": "best",
        },
    ),
    "python-docstrings": Preset(
        description="byte pairs of the docstrings of Python's library, in 50 minutes of a core",
        data={"source": "python-docstrings", "tokens": "bpe:1024", "window": 256},
        model={"width": 256, "depth": 4, "heads": 4, "positions": "rotary", "dropout": 0.1},
        training={
            "steps": 2500,
            "batch_size": 16,
            "learning_rate": 1e-3,
            "betas": (0.9, 0.95),
            "weight_decay": 0.1,
            "warmup": 0.05,
            "schedule": "linear",
            "max_grad_norm": 1.0,
            "validate_every": 250,
            "keep": "best",
        },
    ),
}
