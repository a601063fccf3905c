from __future__ import annotations

import math

import torch

from jensen.data import load
from jensen.data.toy import PENDULUM, pendulum


def test_documents_are_counts_of_named_words() -> None:
    split = load("python-topics")
    assert split.spec.columns is not None
    x = split.train.all().x
    assert x.shape == (600, 1000)
    assert x.sum(1).max() <= 60, "pieces of 60 words, of which stop words are left out"
    assert x.sum(1).min() > 5
    columns = list(split.spec.columns)
    assert {"class", "exception", "string"} <= set(columns)
    assert not {"the", "and", "of"} & set(columns)
    assert columns == sorted(columns)
    assert not torch.equal(load("python-topics", seed=1).train.all().x, x)


def test_the_pendulum_is_stationary() -> None:
    first, second = PENDULUM
    variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
    x = pendulum(20_000, seed=3)[:, 0]
    # Correlated over some twenty steps, so that they count for a twentieth.
    error = variance * math.sqrt(2 * 20 / len(x))
    assert abs(x.var() - variance) < 4 * error
    assert abs(x[:200].square().mean() - variance) < 4 * variance * math.sqrt(2 * 20 / 200)
    assert torch.equal(pendulum(5), pendulum(5))
