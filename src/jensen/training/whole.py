"""The one step of a model that fits itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jensen.data import Dataset
from jensen.models.base import Exact
from jensen.training.config import Training
from jensen.training.processes import cuda_devices


class WholeEngine:
    """Fits a model by its own `fit_to`: one step, on all the data."""

    def __init__(self, model: nn.Module, data: Dataset, validation: Dataset, training: Training) -> None:
        self.model, self.data, self.validation, self.training = model, data, validation, training
        self.converged = False

    def step(self, number: int) -> dict[str, Tensor]:
        """The whole fit, and with it the end."""
        with torch.random.fork_rng(cuda_devices(torch.device(self.training.device))):
            torch.manual_seed(self.training.seed)  # each of several processes finds the same
            figures = self.model.fit_to(self.data.all().x, self.validation.all().x)  # type: ignore[operator]
        self.converged = True
        return figures

    def validate(self, data: Dataset) -> dict[str, float]:
        """The mean log p(x) of held-out data, where the model has it."""
        if not isinstance(self.model, Exact):
            return {}
        return {"log_prob": float(self.model.log_prob(data.all().x).mean())}

    def state(self) -> dict[str, Tensor]:
        """Whether the step was made."""
        return {"converged": torch.tensor(self.converged)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.converged = bool(state["converged"])
