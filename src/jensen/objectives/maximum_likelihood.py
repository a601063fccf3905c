"""Maximum likelihood, for models whose density is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from jensen.data.spec import Batch
from jensen.models.base import Clock, Turn


@dataclass(frozen=True)
class MaximumLikelihood:
    """Ascends the mean of log p(x): one player, loss = -mean(log_prob), nats per example."""

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn: the whole model."""
        log_prob = model.log_prob(batch.x).mean()  # type: ignore[operator]
        yield Turn("model", -log_prob, list(model.parameters()), {"log_prob": log_prob.detach()})
