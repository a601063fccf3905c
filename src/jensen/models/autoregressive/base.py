"""What every autoregressive model has in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from itertools import repeat
from typing import cast

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal

from jensen.data.spec import Spec
from jensen.errors import JensenError

Conditionals = Bernoulli | Categorical | MixtureSameFamily

# Yields the conditional of one entry after another, batch_shape (N,), and is sent what was drawn of it, (N,).
Walk = Generator[Conditionals, Tensor, None]

# Outputs of the network that are held at once where no gradient is taken: bounds the memory, and changes no result.
_CHUNK_OUTPUTS = 2**24


class Autoregressive(nn.Module, ABC):
    """p(x) = ∏_t p(x_{o(t)} | x_{o(1)}, ..., x_{o(t-1)}): a product of conditionals along an ordering o of the entries.

    A subclass writes `conditionals`; the likelihood and ancestral sampling follow from it. One that knows a faster way
    to the conditionals of one entry after another writes `walk` too.

    With K orderings p(x) is the mean of K such products, each of which is a density by itself; training then draws
    one of them for each step, as it draws the units that a dropout leaves out.

    Args:
        spec: what x is.
        orders: (K, D), the entries of the flattened x in the order in which they are drawn; raster order where None.
    """

    order: Tensor

    def __init__(self, spec: Spec, orders: Int64[Tensor, "orderings dims"] | None = None) -> None:
        super().__init__()
        self.spec = spec
        if orders is None:
            orders = torch.arange(spec.num_dims)[None]
        # Saved with the weights: they mean nothing under another ordering. (D,) where there is one.
        self.register_buffer("order", orders[0] if len(orders) == 1 else orders)

    @property
    def orders(self) -> Int64[Tensor, "orderings dims"]:
        """The orderings, (K, D)."""
        return self.order.view(-1, self.spec.num_dims)

    @abstractmethod
    def conditionals(
        self,
        x: Shaped[Tensor, "batch *event"],
        y: Shaped[Tensor, "batch conditions"] | None = None,
        ordering: int | Tensor = 0,
    ) -> Conditionals:
        """All p(x_i | x_<i) at once, given the true x_<i (teacher forcing); x_<i is what comes before i in the order.

        x (B, *event) -> a distribution of batch_shape (B, *event), whose entry i does not depend on x_i or later ones.
        y (B, Y) are the numbers that x is given, where it is given any. The ordering goes by its number, which may be
        a tensor (1,), so that a compiled step is the same for all.
        """

    def walk(self, num_samples: int, y: Shaped[Tensor, "samples conditions"] | None = None, ordering: int = 0) -> Walk:
        """The same along the ordering, entry by entry: here by a whole pass for each."""
        x = self._blank(num_samples)
        for i in self.orders[ordering].tolist():
            x[:, i] = yield _entry(self.conditionals(x.view(-1, *self.spec.event_shape), y, ordering), i)

    def log_prob(
        self, x: Shaped[Tensor, "batch *event"], y: Shaped[Tensor, "batch conditions"] | None = None
    ) -> Float[Tensor, "batch"]:
        """log p(x) = log 1/K Σ_k ∏_i p_k(x_i | x_<i) in nats, exactly: (B, *event) -> (B,).

        In training mode, with K > 1, log p_k(x) of one ordering drawn for the batch: in expectation a lower bound.

        Raises:
            JensenError: where x has not the model's shape, or values that it is not of.
        """
        event = tuple(self.spec.event_shape)
        if x.shape[1:] != event:
            raise JensenError(
                f"expected a batch of x of shape {event} each, got a tensor of shape {tuple(x.shape)}: reshape it"
            )
        check_values(self.spec, x)
        rows = max(1, _CHUNK_OUTPUTS // (self.spec.num_dims * (self.spec.levels or 1)))
        if len(x) > rows and not self.training and not torch.is_grad_enabled():
            return torch.cat([self.log_prob(*part) for part in parts_of(x, y, rows)])
        which: list[int | Tensor] = list(range(len(self.orders)))
        if self.training and len(which) > 1:
            which = [torch.randint(len(which), (1,), device=self.order.device)]
        each = [self.conditionals(x, y, k).log_prob(x).flatten(1).sum(1) for k in which]
        return torch.stack(each).logsumexp(0) - math.log(len(each))

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        temperature: float = 1.0,
        *,
        top_k: int | None = None,
        top_p: float | None = None,
        given: Shaped[Tensor, "*given"] | None = None,
        y: Shaped[Tensor, "samples conditions"] | None = None,
    ) -> Shaped[Tensor, "num_samples *event"]:
        """Draws x_{o(1)}, then x_{o(2)} given it, and so on; no gradient; (N, *event) of the data's type.

        Args:
            num_samples: N.
            temperature: T divides the logits of every conditional and multiplies the variances of Gaussians; below 1
                sharpens. Only at 1, and without top_k and top_p, are these draws from p.
            top_k: each conditional is cut to its k likeliest values (Fan, Lewis & Dauphin 2018).
            top_p: each is cut to the fewest values that together have at least this probability (Holtzman et al. 2020),
                after the temperature and top_k. Both are for categories, 8-bit values and tokens.
            given: the known entries of x, (*event) or one row for each draw (N, *event); NaN where x is to be drawn.
                They have to come first in the ordering: the draws are then exactly of p(the rest | given).
            y: (N, Y), the numbers that x is given, where it is given any.

        Raises:
            JensenError: where the temperature, top_k or top_p is out of range, or the given entries do not come first.
        """
        if not temperature > 0:
            raise JensenError(f"temperature must be above 0, got {temperature}: 1 draws from the model")
        self._check_cuts(top_k, top_p)
        known = None if given is None else self._known(given, num_samples)
        which = self._which(known, y, num_samples)
        x = self._blank(num_samples)
        for k in which.unique().tolist():
            mine = which == k
            rows, own_y = x[mine], None if y is None else y[mine]
            walk, value = self.walk(len(rows), own_y, k), None
            for i in self.orders[k].tolist():
                conditional = next(walk) if value is None else walk.send(value)
                value = cut(tempered(conditional, temperature), top_k, top_p).sample().to(x.dtype)
                if known is not None:
                    fixed = known[mine, i]
                    value = torch.where(fixed.isnan(), value, fixed.nan_to_num().to(x.dtype))
                rows[:, i] = value
            x[mine] = rows
        return x.view(num_samples, *self.spec.event_shape)

    def _check_cuts(self, top_k: int | None, top_p: float | None) -> None:
        if top_k is None and top_p is None:
            return
        if self.spec.kind not in ("categorical", "8-bit"):
            raise JensenError(
                f"top_k and top_p cut the values of categories, and this model is of {self.spec.kind} x: leave them "
                "out, temperature sharpens"
            )
        if top_k is not None and top_k < 1:
            raise JensenError(f"top_k must be at least 1, got {top_k}: leave it out to keep all values")
        if top_p is not None and not 0 < top_p <= 1:
            raise JensenError(f"top_p is a probability in (0, 1], got {top_p}: leave it out to keep all values")

    def _blank(self, num_samples: int) -> Tensor:
        """Zeros (N, D) of the data's type."""
        dtype = next(self.parameters()).dtype if self.spec.kind in ("binary", "real") else torch.int64
        return torch.zeros(num_samples, self.spec.num_dims, dtype=dtype, device=self.order.device)

    def _known(self, given: Tensor, num_samples: int) -> Float[Tensor, "samples dims"]:
        """What is given, (N, D), and NaN elsewhere."""
        event = tuple(self.spec.event_shape)
        if tuple(given.shape) not in (event, (num_samples, *event)):
            raise JensenError(
                f"given needs the shape {event} or {(num_samples, *event)}, got {tuple(given.shape)}: NaN stands where "
                "x is to be drawn"
            )
        known = given.to(self.order.device, torch.float64).expand(num_samples, *event).reshape(num_samples, -1)
        check_values(self.spec, known[~known.isnan()])
        for order in self.orders:
            is_given = ~known[:, order].isnan()
            late = (is_given[:, 1:] & ~is_given[:, :-1]).any(0).nonzero()
            if len(late):
                before, entry = order[int(late[0])], order[int(late[0]) + 1]
                raise JensenError(
                    f"entry {entry} is given and entry {before}, which the model draws before it, is not: give entries "
                    "that come first; where the model has the setting ordering, fit with one that begins with them"
                )
        return known

    def _which(self, known: Tensor | None, y: Tensor | None, num_samples: int) -> Int64[Tensor, "samples"]:
        """The ordering of each draw: all alike, or as likely as each makes what is given."""
        count = len(self.orders)
        if count == 1 or known is None:
            return torch.randint(count, (num_samples,), device=self.order.device)
        x = known.nan_to_num().to(self._blank(0).dtype).view(num_samples, *self.spec.event_shape)
        each = [self.conditionals(x, y, k).log_prob(x).flatten(1) for k in range(count)]
        return Categorical(logits=torch.stack([e.where(~known.isnan(), 0.0).sum(1) for e in each], 1)).sample()


def parts_of(x: Tensor, y: Tensor | None, count: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """x and the y of each, so many at a time."""
    return zip(x.split(count), repeat(None) if y is None else y.split(count), strict=False)


def tempered(conditional: Conditionals, temperature: float) -> Conditionals:
    """Logits divided by the temperature, variances of Gaussians multiplied by it."""
    if temperature == 1:
        return conditional
    if isinstance(conditional, MixtureSameFamily):
        normal = cast(Normal, conditional.component_distribution)
        return MixtureSameFamily(
            Categorical(logits=conditional.mixture_distribution.logits / temperature, validate_args=False),
            Normal(normal.loc, normal.scale * temperature**0.5, validate_args=False),
            validate_args=False,
        )
    return type(conditional)(logits=conditional.logits / temperature, validate_args=False)


def cut(conditional: Conditionals, top_k: int | None, top_p: float | None) -> Conditionals:
    """The conditional over its top_k likeliest values, and of these the fewest of probability top_p; renormalised."""
    if not isinstance(conditional, Categorical) or (top_k is None and top_p is None):
        return conditional
    logits, place = conditional.logits.sort(-1, descending=True)
    if top_k is not None:
        logits[..., top_k:] = -math.inf
    if top_p is not None:
        probs = logits.softmax(-1)
        # A value is kept where those above it fall short of top_p, so that the likeliest always is.
        logits = logits.masked_fill(probs.cumsum(-1) - probs >= top_p, -math.inf)
    return Categorical(logits=torch.empty_like(logits).scatter_(-1, place, logits), validate_args=False)


def check_values(spec: Spec, x: Shaped[Tensor, "*shape"]) -> None:
    """Raises JensenError where x has values that a model of such x gives no probability; a compiled step asks not."""
    if torch.compiler.is_compiling() or not x.numel():
        return
    if spec.kind == "real":
        if not bool(x.isfinite().all()):
            raise JensenError(
                "x has entries that are missing or not finite, and each conditional needs all that come before it: "
                "fill them in, drop such rows, or choose gaussian-mixture"
            )
    elif spec.kind == "binary":
        if not bool(((x == 0) | (x == 1)).all()):
            raise JensenError(f"the model is of bits, 0 or 1, {_said(x)}: binarise x (binarize=dynamic or threshold)")
    elif spec.levels is not None:
        whole = not x.is_floating_point() or bool((x == x.floor()).all())
        if not whole or not bool(((x >= 0) & (x < spec.levels)).all()):
            raise JensenError(
                f"the model is of whole numbers from 0 to {spec.levels - 1}, {_said(x)}: number the categories so, or "
                "make the model for more levels"
            )


def _said(x: Tensor) -> str:
    return f"got values from {float(x.min()):g} to {float(x.max()):g}"


def _entry(conditionals: Conditionals, i: int) -> Conditionals:
    """The conditional of entry i of the flattened event: batch_shape (B,)."""

    def at(parameter: Tensor) -> Tensor:
        # What is left of the last dimension, levels or components, is kept.
        return parameter.flatten(1, len(conditionals.batch_shape) - 1)[:, i]

    if isinstance(conditionals, MixtureSameFamily):
        normal = cast(Normal, conditionals.component_distribution)
        return MixtureSameFamily(
            Categorical(logits=at(conditionals.mixture_distribution.logits), validate_args=False),
            Normal(at(normal.loc), at(normal.scale), validate_args=False),
            validate_args=False,
        )
    return type(conditionals)(logits=at(conditionals.logits), validate_args=False)
