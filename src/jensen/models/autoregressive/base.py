"""What every autoregressive model has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical

from jensen.data.spec import Spec
from jensen.errors import JensenError

Conditionals = Bernoulli | Categorical


class Autoregressive(nn.Module, ABC):
    """p(x) = ∏_t p(x_{o(t)} | x_{o(1)}, ..., x_{o(t-1)}): a product of conditionals along an ordering o of the entries.

    A subclass writes `conditionals`; the likelihood and ancestral sampling follow from it.

    Args:
        spec: what x is.
        order: (D,), the entries of the flattened x in the order in which they are drawn; raster order where None.
    """

    order: Tensor

    def __init__(self, spec: Spec, order: Int[Tensor, "dims"] | None = None) -> None:
        super().__init__()
        self.spec = spec
        # Saved with the weights: they mean nothing under another ordering.
        self.register_buffer("order", torch.arange(spec.num_dims) if order is None else order)

    @abstractmethod
    def conditionals(self, x: Shaped[Tensor, "batch *event"]) -> Conditionals:
        """All p(x_i | x_<i) at once, given the true x_<i (teacher forcing); x_<i is what comes before i in `order`.

        x (B, *event) -> a distribution of batch_shape (B, *event), whose entry i does not depend on x_i or later ones.
        """

    def log_prob(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) = Σ_i log p(x_i | x_<i) in nats, exactly: (B, *event) -> (B,).

        Raises:
            JensenError: where one x has not the model's shape.
        """
        if x.shape[1:] != self.spec.event_shape:
            expected, got = tuple(self.spec.event_shape), tuple(x.shape)
            raise JensenError(
                f"expected a batch of x of shape {expected} each, got a tensor of shape {got}: reshape it"
            )
        return self.conditionals(x).log_prob(x).flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, num_samples: int, temperature: float = 1.0) -> Shaped[Tensor, "num_samples *event"]:
        """Draws x_{o(1)}, then x_{o(2)} given it, and so on: D passes, no gradient; (N, *event) of the data's type.

        Args:
            num_samples: N.
            temperature: divides the logits of every conditional; below 1 sharpens. Only at 1 are these draws from p.

        Raises:
            JensenError: where the temperature is not positive.
        """
        if not temperature > 0:
            raise JensenError(f"temperature must be above 0, got {temperature}: 1 draws from the model")
        dtype = next(self.parameters()).dtype if self.spec.kind == "binary" else torch.int64
        x = torch.zeros(num_samples, *self.spec.event_shape, dtype=dtype, device=self.order.device)
        entries = x.view(num_samples, self.spec.num_dims)
        for i in self.order.tolist():
            entries[:, i] = _entry(self.conditionals(x), i, temperature).sample()
        return x


def _entry(conditionals: Conditionals, i: int, temperature: float) -> Conditionals:
    """The conditional of entry i of the flattened event, logits divided by the temperature: batch_shape (B,)."""
    # A Categorical's logits have one more dimension, the levels, which is kept.
    logits = conditionals.logits.flatten(1, len(conditionals.batch_shape) - 1)
    return type(conditionals)(logits=logits[:, i] / temperature)
