"""The arrays that every contender gets."""

from __future__ import annotations

import torch
from torch import Tensor

import jensen.data


def images() -> tuple[Tensor, Tensor]:
    """MNIST's 60,000 training and 10,000 test images as float rows in [0, 1]: (60000, 784), (10000, 784)."""
    split = jensen.data.load("mnist", validation=0)
    return split.train.all().x.flatten(1), split.test.all().x.flatten(1)


def binarised(x: Tensor, seed: int = 0) -> Tensor:
    """One Bernoulli draw of each pixel, the same for every contender."""
    return torch.bernoulli(x, generator=torch.Generator().manual_seed(seed))
