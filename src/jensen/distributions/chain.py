"""Two random vectors as one: p(a) p(b | a)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from jensen.errors import JensenError


class Chain(Distribution):
    """p(a) p(b | a) over the concatenation (a, b), event_shape (A + B,).

    Ancestral sampling, and log p(a, b) = log p(a) + log p(b | a). With `reverse` the value is (b, a), so that a
    generative chain p(z2) p(z1 | z2) and an inference chain q(z1 | x) q(z2 | z1) are both distributions of
    z = (z1, z2). Reparameterised where both factors are. There is no `variance`: it has no closed form.

    Args:
        first: p(a), event_shape (A,).
        conditional: a (..., A) -> p(b | a), batch_shape (...), event_shape (B,).
        conditional_dim: B.
        reverse: whether the value is (b, a).
        reparameterised: whether p(b | a) has `rsample`, as it usually has.

    >>> from jensen.distributions import diagonal_gaussian
    >>> walk = Chain(diagonal_gaussian(torch.zeros(1), torch.ones(1)), lambda a: diagonal_gaussian(a, 0 * a + 0.1), 1)
    >>> walk.sample((7,)).shape
    torch.Size([7, 2])
    >>> walk.log_prob(torch.zeros(2))
    tensor(0.4647)
    """

    arg_constraints = {}  # noqa: RUF012  # torch's own protocol
    support = constraints.independent(constraints.real, 1)

    def __init__(
        self,
        first: Distribution,
        conditional: Callable[[Tensor], Distribution],
        conditional_dim: int,
        reverse: bool = False,
        reparameterised: bool = True,
    ) -> None:
        self.first = first
        self.conditional = conditional
        self.conditional_dim = conditional_dim
        self.reverse = reverse
        self.reparameterised = reparameterised
        super().__init__(first.batch_shape, torch.Size([first.event_shape[0] + conditional_dim]), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether both factors can be reparameterised; `rsample` refuses where the second cannot after all."""
        return self.first.has_rsample and self.reparameterised

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... dims"]:
        """a ~ p(a), then b ~ p(b | a), with gradients: (*sample_shape, *batch, A + B)."""
        a = self.first.rsample(torch.Size(sample_shape))
        p_b = self.conditional(a)
        if not p_b.has_rsample:
            raise JensenError("the chain's second factor has no rsample: give both factors one, or neither")
        return self._join(a, p_b.rsample())

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... dims"]:
        """a ~ p(a), then b ~ p(b | a): (*sample_shape, *batch, A + B)."""
        a = self.first.sample(torch.Size(sample_shape))
        return self._join(a, self.conditional(a).sample())

    def log_prob(self, value: Float[Tensor, "... dims"]) -> Float[Tensor, "..."]:
        """log p(a) + log p(b | a), (...), nats."""
        sizes = [self.event_shape[0] - self.conditional_dim, self.conditional_dim]
        a, b = value.split(sizes[::-1], -1)[::-1] if self.reverse else value.split(sizes, -1)
        return self.first.log_prob(a) + self.conditional(a).log_prob(b)

    @property
    def mean(self) -> Float[Tensor, "... dims"]:
        """E a, and E[b | a = E a], which is E b where E[b | a] is linear in a and else an approximation of it."""
        a = self.first.mean
        return self._join(a, self.conditional(a).mean)

    def _join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([b, a] if self.reverse else [a, b], -1)
