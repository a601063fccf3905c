"""Rows whose columns are of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Column
from jensen.distributions.columns import MixedColumns
from jensen.models.latent.likelihoods.base import Likelihood
from jensen.models.latent.likelihoods.bernoulli import Bernoulli
from jensen.models.latent.likelihoods.counts import NegativeBinomial
from jensen.models.latent.likelihoods.gaussian import Gaussian, Scale
from jensen.models.latent.likelihoods.levels import Categorical


class Mixed(Likelihood):
    """p(x | z) = prod_g p_g(x_g | z): Gaussian in real columns, Bernoulli in bits, negative binomial in counts, and
    categorical in categories, a group of columns for each and for each number of categories.

    A density over the volume of the real columns times a probability of the counts of all others.

    Args:
        decoder: given a number of outputs, the network (..., Z) -> (..., outputs), shared by all columns.
        types: what each column is.
        scale, floor: of the real columns, see `Gaussian`.
        start_from_data: whether `initialize` does anything.
    """

    columns: Tensor

    def __init__(
        self,
        decoder: Callable[[int], nn.Module],
        types: Sequence[Column],
        scale: Scale = "per-dimension",
        start_from_data: bool = False,
        floor: float = 1e-3,
    ) -> None:
        groups: dict[tuple[str, int | None], list[int]] = {}
        for place, column in enumerate(types):
            groups.setdefault((column.kind, column.levels), []).append(place)
        parts: list[Likelihood] = []
        for (kind, levels), columns in groups.items():
            shape = (len(columns),)
            if kind == "real":
                parts.append(Gaussian(nn.Identity(), shape, scale, floor=floor))
            elif kind == "binary":
                parts.append(Bernoulli(nn.Identity(), shape))
            elif kind == "count":
                parts.append(NegativeBinomial(nn.Identity(), shape))
            else:
                parts.append(Categorical(nn.Identity(), shape, levels or 1))
        sizes = [part.per_entry * len(columns) for part, columns in zip(parts, groups.values(), strict=True)]
        super().__init__(decoder(sum(sizes)), (len(types),), start_from_data)
        self.parts, self.sizes = nn.ModuleList(parts), sizes
        # On the device once: a compiled step copies nothing there.
        self.register_buffer(
            "columns", torch.tensor([place for group in groups.values() for place in group]), persistent=False
        )
        self.widths = [len(group) for group in groups.values()]

    def distribution(self, outputs: Float[Tensor, "*batch outputs"]) -> MixedColumns:
        """Of the outputs of each group, one after another."""
        pieces = zip(self.columns.split(self.widths), self.parts, outputs.split(self.sizes, -1), strict=True)
        return MixedColumns([(columns, part(piece)) for columns, part, piece in pieces])

    def start(self, x: Float[Tensor, "batch dims"]) -> Float[Tensor, " outputs"]:
        """Of each group its own."""
        found = []
        for columns, part in zip(self.columns.split(self.widths), self.parts, strict=True):
            own = x[:, columns]
            found.append(part.start(own.long() if isinstance(part, Categorical) else own))  # type: ignore[operator]
        return torch.cat(found)
