"""jensen's own presets, as the benchmarks run them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent

import jensen
from jensen.data import Split
from jensen.models.latent.vae import VAE
from jensen.presets.base import Preset
from jensen.registry import entry


def preset(name: str) -> tuple[Preset, Split]:
    """A preset of `vae`, and all of MNIST's 60,000 training images as the baselines get them."""
    return entry("vae").preset(name), jensen.data.load("mnist", binarize="dynamic", validation=0)


def create(chosen: Preset, split: Split) -> VAE:
    """The preset's model, untrained."""
    model = jensen.create("vae", split.spec, **chosen.model)
    assert isinstance(model, VAE)
    return model


def mean_and_variance(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of q(z | x), for rows x (N, 784): (N, Z) each."""
    q_z = model.posterior(as_images(x))
    return q_z.mean, q_z.variance


def logits(model: VAE, z: Tensor) -> Tensor:
    """Of p(x | z): (N, 784)."""
    p_x = model.likelihood(z)
    assert isinstance(p_x, Independent)
    return p_x.base_dist.logits.flatten(1)


def as_images(x: Tensor) -> Tensor:
    """(N, 784) -> (N, 1, 28, 28), the event that jensen knows MNIST by."""
    return x.unflatten(1, torch.Size([1, 28, 28]))
