"""Presets: named, complete configurations, one file for each model; every model has one called `tiny`."""

from jensen.presets.base import Preset

__all__ = ["Preset"]
