"""Presets of `made`. Rates, decays, dropout and orderings are those that did best on the validation parts."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"hidden": (64,)},
        training={"steps": 200, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels, in a minute",
        data={"source": "digits", "as_levels": True},
        model={"hidden": (500,), "dropout": 0.3, "categories": "numbers"},
        training={
            "steps": 5000,
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 100,
            "keep": "best",
        },
    ),
    "binarized-mnist": Preset(
        description="one mask on Larochelle's binarised MNIST, as in Germain et al. (2015)",
        data={"source": "binarized-mnist"},
        model={"hidden": (4000,), "dropout": 0.2},
        training={
            "steps": 7000,
            "batch_size": 200,
            "learning_rate": 1e-3,
            "schedule": "linear",
            "validate_every": 500,
            "keep": "best",
        },
    ),
    "binarized-mnist-32": Preset(
        description="the same with 32 orderings, whose probabilities are averaged",
        data={"source": "binarized-mnist"},
        model={"hidden": (4000,), "ordering": "random", "num_orderings": 32},
        training={
            "steps": 20_000,
            "batch_size": 200,
            "learning_rate": 1e-3,
            "schedule": "linear",
            "validate_every": 5000,
            "keep": "best",
        },
    ),
    "dna": Preset(
        description="180 bits of DNA, 32 orderings, in two minutes",
        data={"source": "dna"},
        model={"direct": True, "dropout": 0.5, "ordering": "random", "num_orderings": 32},
        training={
            "steps": 16_000,
            "learning_rate": 1e-2,
            "weight_decay": 0.1,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 1000,
            "keep": "best",
        },
    ),
    "mushrooms": Preset(
        description="112 bits of mushrooms, 16 orderings, in a minute",
        data={"source": "mushrooms"},
        model={"hidden": (1000,), "direct": True, "dropout": 0.3, "ordering": "random", "num_orderings": 16},
        training={
            "steps": 10_000,
            "learning_rate": 1e-2,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 500,
            "keep": "best",
        },
    ),
    "nips": Preset(
        description="500 words in 400 papers, 64 orderings, in seconds",
        data={"source": "nips"},
        model={"dropout": 0.5, "ordering": "random", "num_orderings": 64},
        training={
            "steps": 1000,
            "learning_rate": 1e-3,
            "precision": "32",
            "validate_every": 50,
            "keep": "best",
        },
    ),
}
