"""The state in which a model is asked: evaluation mode, and random numbers of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from jensen.training.processes import cuda_devices


@contextmanager
def evaluating(model: nn.Module, device: torch.device, seed: int) -> Iterator[None]:
    """Evaluation mode, no gradients, draws that are a function of `seed`; mode and random state are put back."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(cuda_devices(device)):
            torch.manual_seed(seed)
            yield
    finally:
        model.train(was_training)
