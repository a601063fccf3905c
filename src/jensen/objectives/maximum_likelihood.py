"""Maximum likelihood, for models whose density is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from jensen.data.spec import Batch
from jensen.models.base import Clock, Turn, bound_to


@dataclass(frozen=True)
class MaximumLikelihood:
    """Ascends the mean of log p(x), or of log p(x | y): one player, loss = -mean(log_prob), nats per example."""

    def turns(self, model: nn.Module, batch: Batch, clock: Clock) -> Iterator[Turn]:
        """One turn: the whole model."""
        log_prob = bound_to(model, batch).log_prob(batch.x).mean()
        yield Turn("model", -log_prob, list(model.parameters()), {"log_prob": log_prob.detach()})
