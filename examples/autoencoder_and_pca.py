"""An autoencoder beside as many principal components: without hidden layers it spans the same subspace.

Of a run that `jensen fit autoencoder` wrote, or of a linear one on digits that is fitted first. PCA is fitted to clean
training data; where the autoencoder was trained with noise, both are given the same corrupted test data.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.linalg import subspace_angles
from torch import Tensor, nn

import jensen
from jensen.data import Split
from jensen.evaluation.results import paired_difference
from jensen.evaluation.runs import load_split
from jensen.registry import entry


def principal_components(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The mean (D,), and the directions of largest variance as columns (D, K)."""
    flat = x.flatten(1).double()
    mean = flat.mean(0)
    return mean, torch.linalg.eigh((flat - mean).T @ (flat - mean)).eigenvectors[:, -count:]


def compare(model: nn.Module, split: Split) -> None:
    x = split.test.all().x
    latent_dim = model.encode(x[:1]).shape[1]
    mean, components = principal_components(split.train.all().x, latent_dim)
    linear = [layer for layer in model.decoder.modules() if isinstance(layer, nn.Linear)]
    if len(linear) == 1:
        angles = subspace_angles(linear[0].weight.detach().double().numpy(), components.numpy())
        print(f"largest principal angle to PCA's subspace: {angles.max():.1e} rad")

    torch.manual_seed(0)
    inputs = {"clean": x} if model.noise == "none" else {"clean": x, "corrupted": model.corrupt(x)}
    for name, given in inputs.items():
        centred = given.flatten(1).double() - mean
        projected = (centred @ components @ components.T + mean).view_as(x)
        found = {"autoencoder": model.reconstruct(given), "PCA": projected}
        if name == "corrupted":
            found["left as is"] = given
        errors = {who: (x - guess).double().square().flatten(1).sum(1).numpy() for who, guess in found.items()}
        print(f"squared error to the clean x, K = {latent_dim}, {len(x):,} {name} test examples")
        for who, values in errors.items():
            print(f"  {who:12} {values.mean():8.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}")
        difference, error = paired_difference(errors["PCA"], errors["autoencoder"])
        print(f"  PCA less autoencoder, paired: {difference:.4f} ± {error:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="the folder of a run")
    parser.add_argument("--tiny", action="store_true", help="a few seconds, whatever the machine")
    arguments = parser.parse_args()
    if arguments.run is not None:
        compare(jensen.load(arguments.run), load_split(arguments.run))
        return
    preset = entry("autoencoder").preset("linear")
    split = jensen.data.load(**preset.data)
    torch.manual_seed(0)
    model = jensen.create("autoencoder", split.spec, **preset.model)
    steps = 500 if arguments.tiny else preset.training["steps"]
    jensen.fit(model, split, **{**preset.training, "steps": steps}, progress=False)
    compare(model, split)


if __name__ == "__main__":
    main()
