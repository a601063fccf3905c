"""Presets of `nade`. Rates, decays and epsilons are those that did best on the validation parts."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        model={"hidden": 32},
        training={"steps": 200, "learning_rate": 1e-2},
    ),
    "binarized-mnist": Preset(
        description="500 units on Larochelle's binarised MNIST, as in Larochelle & Murray (2011); 40 minutes",
        data={"source": "binarized-mnist"},
        model={"hidden": 500},
        training={
            "steps": 20_000,
            "batch_size": 100,
            "learning_rate": 1e-3,
            "schedule": "linear",
            "validate_every": 1000,
            "keep": "best",
        },
    ),
    "dna": Preset(
        description="180 bits of DNA, in half a minute",
        data={"source": "dna"},
        model={"hidden": 100},
        training={
            "steps": 2000,
            "learning_rate": 1e-2,
            "weight_decay": 0.4,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 50,
            "keep": "best",
        },
    ),
    "mushrooms": Preset(
        description="112 bits of mushrooms, in half a minute",
        data={"source": "mushrooms"},
        model={"hidden": 100},
        training={
            "steps": 2500,
            "learning_rate": 1e-2,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 50,
            "keep": "best",
        },
    ),
    "nips": Preset(
        description="500 words in 400 papers, in seconds; a large epsilon keeps rare words from moving as others do",
        data={"source": "nips"},
        model={"hidden": 200},
        training={
            "steps": 250,
            "learning_rate": 3e-2,
            "eps": 0.1,
            "precision": "32",
            "validate_every": 10,
            "keep": "best",
        },
    ),
}
