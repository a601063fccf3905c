"""Sounds of known pitch, made here: tones of a scale, and chirps."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from jensen.data.audio import LEVELS, mu_law
from jensen.data.raw import Raw

RATE = 4000  # samples a second
LENGTH = 1024
SIZES = (2000, 250, 250)

# The scale of C major from middle C on, equally tempered about A = 440 Hz.
NOTES = ("C4", "D4", "E4", "F4", "G4", "A4", "B4", "C5")
PITCHES = 440 * 2 ** (np.array([-9, -7, -5, -4, -2, 0, 2, 3]) / 12)
CHIRPED = (200.0, 800.0)

_OVERTONES = np.array([1, 1 / 2, 1 / 4])  # by amplitude; the largest pitch's third is at 1,570 Hz
NOISE = 0.01  # its standard deviation, where sounds are in [-1, 1]


def tones(seed: int) -> Raw:
    """Steady notes of three partials each, in phases and at a loudness of their own, and faint noise; y is the note."""
    random = np.random.default_rng(seed)
    x, note = _notes(random)
    return _raw("tones", x, random, note, classes=NOTES, num_classes=len(NOTES))


def clean_tones(seed: int) -> Float[np.ndarray, "sounds samples"]:
    """The same without their noise, in [-1, 1]: training, validation and test sounds."""
    return _notes(np.random.default_rng(seed))[0]


def chirps(seed: int) -> Raw:
    """Sines whose frequency goes in a straight line from one to another, and faint noise; y are the two, in Hz."""
    random = np.random.default_rng(seed)
    ends = random.uniform(*CHIRPED, size=(sum(SIZES), 2))
    frequency = np.linspace(ends[:, 0], ends[:, 1], LENGTH, axis=1)
    turns = np.cumsum(frequency, 1) / RATE + random.random((sum(SIZES), 1))
    x = _loudness(random) * np.sin(2 * np.pi * turns)
    return _raw("chirps", x, random, ends, conditions=("from_hz", "to_hz"))


def _notes(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    note = random.integers(len(NOTES), size=sum(SIZES))
    turns = np.arange(LENGTH) * (PITCHES[note] / RATE)[:, None]
    x = sum(
        weight * np.sin(2 * np.pi * (partial * turns + random.random((sum(SIZES), 1))))
        for partial, weight in enumerate(_OVERTONES, start=1)
    )
    return _loudness(random) * x / _OVERTONES.sum(), note


def _loudness(random: np.random.Generator) -> np.ndarray:
    return random.uniform(0.3, 0.9, size=(sum(SIZES), 1))


def _raw(name: str, x: np.ndarray, random: np.random.Generator, y: np.ndarray, **known: Any) -> Raw:
    noisy = (x + NOISE * random.standard_normal(x.shape)).clip(-1, 1)
    train, validation, test = np.split(np.arange(len(x)), np.cumsum(SIZES)[:2])
    parts, treatment = (train, validation, test), f"mu-law at {RATE} Hz"
    return Raw(mu_law(noisy), name, y, "levels", LEVELS - 1, treatment, parts=parts, rate=RATE, **known)
