"""Presets of `fvsbn`. Rates, decays and epsilons are those that did best on the validation parts."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised afresh at every draw, in seconds",
        data={"source": "digits", "binarize": "dynamic"},
        training={"steps": 200, "learning_rate": 1e-2},
    ),
    "digits": Preset(
        description="8 x 8 digits of 17 levels, in a minute",
        data={"source": "digits", "as_levels": True},
        model={"categories": "numbers"},
        training={
            "steps": 5000,
            "learning_rate": 1e-2,
            "weight_decay": 0.3,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 100,
            "keep": "best",
        },
    ),
    "binarized-mnist": Preset(
        description="784 logistic regressions on Larochelle's binarised MNIST, as in Larochelle & Murray (2011)",
        data={"source": "binarized-mnist"},
        training={
            "steps": 15_000,
            "batch_size": 100,
            "learning_rate": 1e-2,
            "eps": 1e-3,
            "weight_decay": 0.01,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 500,
            "keep": "best",
        },
    ),
    "dna": Preset(
        description="180 bits of DNA, in seconds",
        data={"source": "dna"},
        training={
            "steps": 3000,
            "learning_rate": 2e-2,
            "weight_decay": 0.2,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 50,
            "keep": "best",
        },
    ),
    "mushrooms": Preset(
        description="112 bits of mushrooms, in seconds",
        data={"source": "mushrooms"},
        training={
            "steps": 5000,
            "learning_rate": 0.1,
            "eps": 1e-3,
            "schedule": "linear",
            "precision": "32",
            "validate_every": 50,
            "keep": "best",
        },
    ),
    "nips": Preset(
        description="500 words in 400 papers, in seconds; a large epsilon keeps rare words from moving as others do",
        data={"source": "nips"},
        training={
            "steps": 300,
            "learning_rate": 0.1,
            "eps": 1.0,
            "precision": "32",
            "validate_every": 5,
            "keep": "best",
        },
    ),
}
