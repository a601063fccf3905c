"""Presets of `bayesian-gaussian-mixture`; a step of training is an update of each factor of q."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="eight Gaussians on a circle under at most twelve, in seconds",
        data={"source": "eight-gaussians", "standardize": True},
        model={"num_components": 12},
        training={"steps": 200, "tolerance": 1e-9},
    ),
    "old-faithful": Preset(
        description="six components for Old Faithful (--data faithful.csv): two survive, as in Bishop (2006)",
        data={"standardize": True},
        model={"num_components": 6},
        training={"steps": 1000, "tolerance": 1e-12},
    ),
}
