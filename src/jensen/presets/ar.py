"""Presets of `ar`."""

from __future__ import annotations

from jensen.presets.base import Preset

PRESETS = {
    "tiny": Preset(
        description="Yule's disturbed pendulum, which is an AR(2), from up to four steps before",
        data={"source": "pendulum", "window": 12},
        model={"max_order": 4},
    ),
    "exchange-rate": Preset(
        description="ten days of eight exchange rates' daily differences, from up to nine days before",
        data={"source": "exchange-rate", "window": 10, "difference": True, "standardize": True},
    ),
    "exchange-rate-levels": Preset(
        description="thirty days of the rates themselves, which are near a random walk",
        data={"source": "exchange-rate", "window": 30, "standardize": True},
    ),
}
