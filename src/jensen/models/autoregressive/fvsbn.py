"""The fully visible sigmoid belief network: a logistic regression of each bit on those before it.

Source: Neal (1992), Connectionist learning of belief networks; Frey, Hinton and Dayan (1996).
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.models.autoregressive.entrywise import Entrywise, RawWalk
from jensen.models.autoregressive.heads import Categories, Head, head_for
from jensen.models.autoregressive.orderings import orderings
from jensen.models.conditions import Given, condition_for, num_conditions
from jensen.models.exact import conditioned
from jensen.nets.masked import MaskedByDegree


class FVSBN(Entrywise):
    """p(x_i = 1 | x_<i) = sigmoid(b_i + Σ_{j<i} W_ij x_j): all conditionals are one product with a masked matrix.

    -log p(x) is convex in W and b. Categories have a softmax in place of the sigmoid, and enter as indicators; real x
    have mixtures of Gaussians, whose every parameter is such a sum.

    Args:
        spec: what x is; the event is flattened in raster order.
        head: what a conditional is.
        orders: (1, D), the entries in the order in which they are drawn.
        num_conditions: how many numbers y x is given: R y is added to b.
    """

    def __init__(
        self, spec: Spec, head: Head, orders: Int64[Tensor, "orderings dims"], num_conditions: int = 0
    ) -> None:
        super().__init__(spec, head, orders, num_conditions)
        dims = spec.num_dims
        self.weight = MaskedByDegree(dims * head.num_features, dims * head.num_parameters, bias=False)
        nn.init.zeros_(self.weight.weight)  # the problem is convex: nothing before an entry says anything of it yet

    def raw(
        self,
        features: Float[Tensor, "batch dims features"],
        y: Float[Tensor, "batch conditions"] | None,
        ordering: int | Tensor,
    ) -> Float[Tensor, "batch dims parameters"]:
        """(M ∘ W) x."""
        place = self.orders[ordering].flatten().argsort()
        reach = (place - 1).repeat_interleave(self.head.num_parameters)
        degree = place.repeat_interleave(self.head.num_features)
        return self.weight(features.flatten(1), reach, degree).unflatten(1, (-1, self.head.num_parameters))

    def raw_walk(self, num_samples: int, y: Float[Tensor, "samples conditions"] | None, ordering: int) -> RawWalk:
        """Σ_{j<i} W_ij x_j for one i after another."""
        order, width = self.orders[ordering], self.head.num_features
        weight = self.weight.weight.view(len(order), -1, len(order), width)[:, :, order].flatten(2)
        seen = weight.new_zeros(num_samples, len(order) * width)
        for t, i in enumerate(order.tolist()):
            before = t * width
            seen[:, before : before + width] = yield seen[:, :before] @ weight[i, :, :before].T


def build(
    spec: Spec,
    *,
    ordering: str = "natural",
    ordering_seed: int = 0,
    given: Given = "none",
    categories: Categories = "indicators",
    num_components: int = 10,
    scale_floor: float = 1e-2,
) -> nn.Module:
    """A fully visible sigmoid belief network for bits, categories, 8-bit or real x.

    Args:
        spec: what x is.
        ordering: "natural" is raster order, "random" one permutation of it, or the entries in order: "2,0,1".
        ordering_seed: of the random ordering.
        given: what x is given: "none", its "label", or the "vector" of numbers that comes with it.
        categories: how they enter: as "indicators", or as "numbers" in [-1, 1], which suits those with an order.
        num_components: of the mixture of Gaussians of real x.
        scale_floor: the least scale of a Gaussian of real x, as the model sees x.

    Raises:
        JensenError: where x is of another kind, or the ordering is no permutation.

    >>> model = build(Spec((6,), "binary"))
    >>> model.log_prob(model.sample(4)).shape
    torch.Size([4])
    """
    head = head_for(spec, "fvsbn", num_components, scale_floor, categories)
    condition = condition_for(spec, given)
    orders = orderings(spec.num_dims, ordering, seed=ordering_seed)
    return conditioned(FVSBN(spec, head, orders, num_conditions(condition)), condition)
