"""Independent entries, each under a law of its own: what every model that sees dependence has to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Normal

from jensen.data.spec import Spec
from jensen.distributions.counts import NegativeBinomial, likeliest_concentration
from jensen.errors import JensenError
from jensen.models.baseline.fitting import column_name, no_spread


class Columns(nn.Module, ABC):
    """Like columns, each under its own law of one family; the parameters are float64 buffers.

    Args:
        names: of the columns, as errors name them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names

    @abstractmethod
    def law(self) -> Distribution:
        """batch_shape (D,)."""

    @abstractmethod
    def fit(self, x: Float[Tensor, "batch dims"]) -> None:
        """Maximum likelihood; what is NaN says nothing."""


class Reals(Columns):
    """Gaussians: `loc` and `scale` (D,)."""

    loc: Tensor
    scale: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.register_buffer("loc", torch.zeros(len(names), dtype=torch.float64))
        self.register_buffer("scale", torch.ones(len(names), dtype=torch.float64))

    def law(self) -> Normal:
        """N(loc, scale²)."""
        return Normal(self.loc, self.scale, validate_args=False)

    def fit(self, x: Float[Tensor, "batch dims"]) -> None:
        """Mean and standard deviation (divided by N)."""
        loc = x.nanmean(0)
        scale = (x - loc).square().nanmean(0).sqrt()
        if not (scale > 0).all():
            raise no_spread(self.names[int((~(scale > 0)).nonzero()[0])])
        self.loc.copy_(loc)
        self.scale.copy_(scale)


class Levels(Columns):
    """Categories 0 .. L - 1 with `logits` (D, L); bits are two of them."""

    logits: Tensor

    def __init__(self, names: Sequence[str], levels: int, pseudo_count: float) -> None:
        super().__init__(names)
        self.pseudo_count = pseudo_count
        self.register_buffer("logits", torch.zeros(len(names), levels, dtype=torch.float64))

    def law(self) -> Categorical:
        """softmax(logits)."""
        return Categorical(logits=self.logits, validate_args=False)

    def fit(self, x: Float[Tensor, "batch dims"]) -> None:
        """The share of each level, with the pseudo-count."""
        dims, levels = self.logits.shape
        wrong = (x < 0) | (x >= levels)
        if wrong.any():
            row, column = wrong.nonzero()[0].tolist()
            raise JensenError(
                f"{self.names[column]} holds {x[row, column]:g} at row {row}, expected levels 0 to {levels - 1}: load "
                "the data with the model's own treatment"
            )
        number = x.nan_to_num(0.0).long() + levels * torch.arange(dims, device=x.device)
        seen = torch.bincount(number[~x.isnan()], minlength=levels * dims).view(dims, levels)
        self.logits.copy_((seen.double() + self.pseudo_count).log())


class Counts(Columns):
    """Negative binomials: `mean` and `concentration` (D,)."""

    mean: Tensor
    concentration: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.register_buffer("mean", torch.ones(len(names), dtype=torch.float64))
        self.register_buffer("concentration", torch.ones(len(names), dtype=torch.float64))

    def law(self) -> NegativeBinomial:
        """Of variance mean + mean² / concentration."""
        return NegativeBinomial(self.mean, self.concentration)

    def fit(self, x: Float[Tensor, "batch dims"]) -> None:
        """The column's mean, and the concentration that is likeliest with it."""
        # Half an event where there was none, as with a pseudo-count.
        mean = x.nanmean(0).clamp_min(0.5 / len(x))
        self.mean.copy_(mean)
        self.concentration.copy_(likeliest_concentration(x, mean))


class Independent(nn.Module):
    """p(x) = ∏_d p_d(x_d): Gaussian where x_d is real, categorical over its levels where it has some, negative binomial
    where it counts without end; in a row of mixed type each column as it is.

    The fit is by maximum likelihood, entry by entry, with a pseudo-count added to each level: without it a level that
    the training data lack has log p = -inf. Under the same measure as any other model of the same data. An entry that
    is missing (NaN) says nothing in the fit, and log p is then that of the entries that are there.

    Args:
        spec: what x is.
        pseudo_count: added to the count of each level; 0.5 is Jeffreys's prior, 0 maximum likelihood itself.
    """

    sums_out_missing = True

    def __init__(self, spec: Spec, *, pseudo_count: float) -> None:
        super().__init__()
        self.spec = spec
        places: dict[tuple[str, int], list[int]] = {}
        for place, column in enumerate(_columns(spec)):
            places.setdefault(column, []).append(place)
        self.places = [torch.tensor(group) for group in places.values()]
        self.groups = nn.ModuleList()
        for (family, levels), group in places.items():
            names = [column_name(spec, place) for place in group]
            if family == "levels":
                self.groups.append(Levels(names, levels, pseudo_count))
            else:
                self.groups.append(Reals(names) if family == "reals" else Counts(names))

    def log_prob(self, x: Shaped[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) = Σ_d log p_d(x_d) over the entries that are there, nats: (N, *event) -> (N,)."""
        rows, total = x.flatten(1).double(), torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for group, entries in self._groups(rows):
            found = group.law().log_prob(entries.nan_to_num(0.0))
            total = total + found.masked_fill(entries.isnan(), 0.0).sum(1)
        return total

    @torch.no_grad()
    def sample(self, num_samples: int) -> Shaped[Tensor, "num_samples *event"]:
        """Each entry from its own law: (N, *event), of the data's type."""
        whole = self.spec.kind in ("8-bit", "categorical")
        device = next(self.buffers()).device
        dtype = torch.int64 if whole else torch.get_default_dtype()
        rows = torch.empty(num_samples, self.spec.num_dims, dtype=dtype, device=device)
        for places, group in zip(self.places, self.groups, strict=True):
            rows[:, places.to(device)] = group.law().sample(torch.Size([num_samples])).to(dtype)  # type: ignore[operator]
        return rows.view(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def fit_to(self, x: Shaped[Tensor, "batch *event"], validation: Shaped[Tensor, "_ *event"]) -> dict[str, Tensor]:
        """Mean and variance of real columns, shares of the levels, and of counts the likeliest negative binomial.

        Raises:
            JensenError: where a real column never varies (the likelihood has no bound), or a level is out of range.
        """
        for group, entries in self._groups(x.flatten(1).double()):
            group.fit(entries)
        return {"log_prob": self.log_prob(x).mean()}

    def _groups(self, rows: Tensor) -> Iterator[tuple[Columns, Tensor]]:
        """Like columns, and what the rows hold in them."""
        for places, group in zip(self.places, self.groups, strict=True):
            assert isinstance(group, Columns)
            yield group, rows[:, places.to(rows.device)]


def _columns(spec: Spec) -> list[tuple[str, int]]:
    """The family of each entry's law, and the number of its levels where it has some."""
    if spec.column_types is not None:
        families = {"real": "reals", "count": "counts"}
        return [(families.get(column.kind, "levels"), column.levels or 0) for column in spec.column_types]
    families = {"real": "reals", "unit": "reals", "count": "counts"}
    levels = {"binary": 2, "8-bit": 256, "categorical": spec.levels}.get(spec.kind) or 0
    return [(families.get(spec.kind, "levels"), levels)] * spec.num_dims


def build(spec: Spec, *, pseudo_count: float = 0.5) -> Independent:
    """Independent entries, for x of any kind.

    Args:
        spec: what x is.
        pseudo_count: added to the count of each level, so that one that training lacks has a probability.

    Raises:
        JensenError: where the pseudo-count is negative, or the number of levels is not known.

    >>> model = build(Spec((3,), "binary", levels=2))
    >>> model.log_prob(model.sample(5)).exp()
    tensor([0.1250, 0.1250, 0.1250, 0.1250, 0.1250], dtype=torch.float64)
    """
    if not pseudo_count >= 0:
        raise JensenError(f"pseudo_count must be at least 0, got {pseudo_count}: 0.5 is usual")
    if spec.kind == "categorical" and not spec.levels:
        raise JensenError("independent needs to know how many categories x has: set Spec.levels")
    return Independent(spec, pseudo_count=pseudo_count)
