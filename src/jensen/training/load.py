"""load: a trained model from its run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from jensen.registry import rebuild
from jensen.training import checkpoint


def load(run: str | Path, model: nn.Module | None = None) -> nn.Module:
    """The model of a run, rebuilt from config.json with the weights of model.safetensors, in evaluation mode.

    Args:
        run: the folder that `fit` wrote.
        model: for a model of one's own, which config.json cannot rebuild: an instance to put the weights into.
    """
    folder = Path(run)
    config = checkpoint.read_config(folder)
    if model is None:
        with torch.random.fork_rng([]):  # fresh weights are drawn, only to be replaced
            model = rebuild(config["model"])
    weights, _ = checkpoint.read_tensors(folder / checkpoint.MODEL)
    checkpoint.load_weights(model, weights, folder / checkpoint.MODEL)
    return model.eval()
