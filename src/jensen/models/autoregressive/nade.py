"""NADE: one hidden layer, whose weights all conditionals share, brought forward by one entry at a time.

Source: Larochelle and Murray (2011), The neural autoregressive distribution estimator; of real x, Uria, Murray and
Larochelle (2013), RNADE.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.entrywise import Entrywise, RawWalk
from jensen.models.autoregressive.heads import Categories, Head, head_for
from jensen.models.autoregressive.orderings import orderings
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned

# Numbers of a block of hidden layers: with its gradient it stays in a core's own cache.
_BLOCK = 2**16


class NADE(Entrywise):
    """p(x_i = 1 | x_<i) = sigmoid(b_i + V_i h_i), h_i = sigmoid(c + Σ_{j<i} W_j x_j), for all D entries in O(D H).

    Other x have the conditional of their kind, with several rows in V_i, and categories, which enter as indicators,
    several in W_j.

    Args:
        spec: what x is; the event is flattened in raster order.
        head: what a conditional is.
        orders: (1, D), the entries in the order in which they are drawn.
        hidden: H.
        num_conditions: how many numbers y x is given: U y is added to c, and R y to b.
    """

    def __init__(
        self,
        spec: Spec,
        head: Head,
        orders: Int64[Tensor, "orderings dims"],
        *,
        hidden: int,
        num_conditions: int = 0,
    ) -> None:
        super().__init__(spec, head, orders, num_conditions)
        if hidden < 1:
            raise JensenError(f"hidden must be at least 1, got {hidden}: it is the number of hidden units")
        dims = spec.num_dims
        self.inward = nn.Parameter(torch.empty(dims, head.num_features, hidden).uniform_(-1, 1) / dims**0.5)  # W
        self.outward = nn.Parameter(torch.empty(dims, head.num_parameters, hidden).uniform_(-1, 1) / hidden**0.5)  # V
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))  # c
        self.hidden_of_condition = nn.Linear(num_conditions, hidden, bias=False) if num_conditions else None

    def raw(
        self,
        features: Float[Tensor, "batch dims features"],
        y: Float[Tensor, "batch conditions"] | None,
        ordering: int | Tensor,
    ) -> Float[Tensor, "batch dims parameters"]:
        """V_i h_i."""
        with torch.autocast(features.device.type, enabled=False):
            start = self._start(len(features), y)
            return _along(start, features.transpose(0, 1), self.inward, self.outward, self.orders[ordering].flatten())

    def raw_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None, ordering: int) -> RawWalk:
        """V_i h_i for one i after another: O(H) each."""
        into = self._start(num_samples, y).clone()
        units = torch.empty_like(into)
        for i in self.orders[ordering].tolist():
            torch.sigmoid(into, out=units)
            into.addmm_((yield units @ self.outward[i].T), self.inward[i])

    def _start(self, count: int, y: Tensor | None) -> Tensor:
        """c, (B, H)."""
        start = self.hidden_bias if self.hidden_of_condition is None else self.hidden_bias + self.hidden_of_condition(y)
        return start.expand(count, -1)


@torch.compiler.disable
def _along(start: Tensor, features: Tensor, inward: Tensor, outward: Tensor, order: Tensor) -> Tensor:
    return _Along.apply(start, features.contiguous(), inward, outward, order).transpose(0, 1)


class _Along(torch.autograd.Function):
    """raw_i = V_i sigmoid(a_i), where a_i = start + Σ_{j before i} W_j x_j, and its gradient, in O(B H) beside them.

    A loop over the entries whose hidden layer is overwritten and stays in cache, in place of a cumulative sum (D, B, H)
    that autograd would keep several times. Going backwards the a_i are found again by subtraction.

    start (B, H), features (D, B, F), inward W (D, F, H), outward V (D, P, H), order (D,) -> (D, B, P).
    """

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, features: Tensor, inward: Tensor, outward: Tensor, order: Tensor
    ) -> Float[Tensor, "dims batch parameters"]:
        raw = start.new_empty(*features.shape[:2], outward.shape[1])
        into = start.clone(memory_format=torch.contiguous_format)
        for rows in _blocks(into):
            a, units = into[rows], torch.empty_like(into[rows])
            for x, w, v, r in _each(order.tolist(), features[:, rows], inward, outward.mT, raw[:, rows]):
                torch.sigmoid(a, out=units)
                torch.mm(units, v, out=r)
                a.addmm_(x, w)
        ctx.save_for_backward(into, features, inward, outward, order)
        return raw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_raw: Tensor) -> tuple[Tensor | None, ...]:
        into, features, inward, outward, order = ctx.saved_tensors
        into, of_start, of_raw = into.clone(), torch.zeros_like(into), of_raw.contiguous()
        of_features, of_inward, of_outward = (torch.zeros_like(part) for part in (features, inward, outward))
        wanted = ctx.needs_input_grad[1]
        for rows in _blocks(into):
            a, of_a = into[rows], of_start[rows]
            units, of_units = torch.empty_like(a), torch.empty_like(a)
            parts = (features[:, rows], inward, outward, of_features[:, rows], of_inward, of_outward, of_raw[:, rows])
            for x, w, v, of_x, of_w, of_v, of_r in _each(order.tolist()[::-1], *parts):
                # Here `a` is that of the next entry, and `of_a` its gradient.
                of_w.addmm_(x.T, of_a)
                if wanted:
                    torch.mm(of_a, w.T, out=of_x)
                a.addmm_(x, w, alpha=-1)
                torch.sigmoid(a, out=units)
                of_v.addmm_(of_r.T, units)
                torch.mm(of_r, v, out=of_units)
                of_a += torch.ops.aten.sigmoid_backward.grad_input(of_units, units, grad_input=of_units)
        return of_start, of_features if wanted else None, of_inward, of_outward, None


def _each(order: list[int], *parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Of each part what belongs to one entry after another."""
    apart = [part.unbind() for part in parts]
    return (tuple(part[i] for part in apart) for i in order)


def _blocks(into: Tensor) -> list[slice]:
    """Rows that are taken through all entries together."""
    count, units = into.shape
    size = max(1, _BLOCK // units) if into.device.type == "cpu" else max(1, count)
    return [slice(first, first + size) for first in range(0, count, size)]


def build(
    spec: Spec,
    *,
    hidden: int = 500,
    ordering: str = "natural",
    ordering_seed: int = 0,
    given: Given = "none",
    categories: Categories = "indicators",
    num_components: int = 10,
    scale_floor: float = 1e-2,
) -> nn.Module:
    """A NADE for bits, categories, 8-bit or real x.

    Args:
        spec: what x is.
        hidden: the number of hidden units.
        ordering: "natural" is raster order, "random" one permutation of it, or the entries in order: "2,0,1".
        ordering_seed: of the random ordering.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.
        categories: how they enter: as "indicators", or as "numbers" in [-1, 1], which suits those with an order.
        num_components: of the mixture of Gaussians of real x.
        scale_floor: the least scale of a Gaussian of real x, as the model sees x.

    Raises:
        JensenError: where x is of another kind, or the ordering is no permutation.

    >>> model = build(Spec((6,), "binary"), hidden=16)
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    head = head_for(spec, "nade", num_components, scale_floor, categories)
    condition = condition_for(spec, given)
    orders = orderings(spec.num_dims, ordering, seed=ordering_seed)
    return conditioned(NADE(spec, head, orders, hidden=hidden, num_conditions=num_conditions(condition)), condition)
