"""Presets of `bernoulli-mixture`; a step of training is one step of EM.

Components and pseudocounts of the tables are the best of a grid by the mean validation log-likelihood of three seeds.
"""

from __future__ import annotations

from jensen.presets.base import Preset

_TRAINING = {"steps": 300, "tolerance": 1e-5, "validate_every": 1, "keep": "best"}

PRESETS = {
    "tiny": Preset(
        description="8 x 8 digits, binarised at one half, under ten components, in seconds",
        data={"source": "digits", "binarize": "threshold"},
        model={"num_components": 10, "pseudocount": 0.1},
        training={"steps": 50, "tolerance": 1e-6},
    ),
    "dna": Preset(
        description="DNA, 180 bits, under eight components",
        data={"source": "dna"},
        model={"num_components": 8, "pseudocount": 0.5},
        training=_TRAINING,
    ),
    "mushrooms": Preset(
        description="Mushrooms, 112 bits, under 75 components",
        data={"source": "mushrooms"},
        model={"num_components": 75, "pseudocount": 0.02},
        training=_TRAINING,
    ),
    "nips": Preset(
        description="NIPS-0-12, 500 bits of 400 rows, under ten components with a prior worth two rows",
        data={"source": "nips"},
        model={"num_components": 10, "pseudocount": 1.0},
        training=_TRAINING,
    ),
}
