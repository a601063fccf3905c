"""Presets of `wavenet`."""

from __future__ import annotations

from jensen.presets.base import Preset

_SMALL = {"layers": 9, "channels": 32, "skip_channels": 64}
_MINUTES = {"steps": 3000, "batch_size": 8, "learning_rate": 5e-3, "schedule": "linear"}

PRESETS = {
    "tiny": Preset(
        description="notes of a scale, by a network that hears 32 samples, in seconds",
        data={"source": "tones"},
        model={"layers": 5, "channels": 8, "skip_channels": 16},
        training={"steps": 60, "batch_size": 8, "learning_rate": 1e-2, "precision": "32"},
    ),
    "tones": Preset(
        description="the same notes given their names, by one that hears 512, in minutes",
        data={"source": "tones"},
        model={**_SMALL, "given": "label"},
        training=_MINUTES,
    ),
    "chirps": Preset(
        description="chirps given the two frequencies that each goes from and to",
        data={"source": "chirps"},
        model={**_SMALL, "given": "vector"},
        training=_MINUTES,
    ),
    "16khz": Preset(
        description="30 layers in 3 stacks, as in van den Oord et al. (2016): name a folder of WAV files by --data",
        data={"window": 16_000},
        model={"layers": 10, "stacks": 3, "channels": 64, "skip_channels": 256},
        training={
            "steps": 200_000,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "schedule": "linear",
            "validate_every": 2000,
            "keep": "best",
        },
    ),
}
