"""Questions to a user's own prior, posterior and likelihood: is each a distribution of the right shape?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from jensen.evaluation.verify.densities import Survey, survey
from jensen.evaluation.verify.question import Fault, Question

ROWS = 4


def of_part(model: Any, part: str) -> Iterator[Question]:
    """`part` is prior, posterior or likelihood; the few rows that it is asked about are drawn from the model itself."""

    def made(rows: slice = slice(None)) -> tuple[Distribution, Tensor]:
        """The distribution, and a value for each of its rows."""
        p_z = _distribution(model.prior(), "prior")
        if part == "prior":
            return p_z, p_z.sample()
        z = p_z.sample(torch.Size([ROWS]))
        x = model.likelihood(z).sample()
        if part == "posterior":
            return _distribution(model.posterior(x[rows]), part), z[rows]
        return _distribution(model.likelihood(z[rows]), part), x[rows]

    def shapes() -> str:
        distribution, value = made()
        _scored(distribution, value, () if part == "prior" else (ROWS,))
        if part == "likelihood":
            z = model.prior().sample(torch.Size([3, ROWS]))
            _scored(_distribution(model.likelihood(z), part), value, (3, ROWS))
        return f"event of shape {tuple(distribution.event_shape)}"

    def alone() -> str:
        densities = []
        for rows in (slice(None), slice(1)):
            torch.manual_seed(1)
            distribution, value = made(rows)
            densities.append(distribution.log_prob(value).detach()[:1])
        if not torch.allclose(densities[0], densities[1], rtol=1e-4, atol=1e-4):
            raise Fault("a row's density changes with the other rows: something is normalised over the batch")
        return "alone as among others"

    surveyed: list[Survey] = []

    def found() -> Survey:
        if not surveyed:
            with torch.no_grad():
                surveyed.append(survey(made()[0]))
        return surveyed[0]

    yield Question("one log_prob for each row", shapes)
    if part != "prior":
        yield Question("rows do not depend on each other", alone)
    yield Question("log_prob sums or integrates to one", lambda: found().check_mass())
    yield Question("draws are of that density", lambda: found().check_draws())


def _distribution(found: Any, part: str) -> Distribution:
    if not isinstance(found, Distribution):
        raise Fault(f"{part} returned {type(found).__name__}, expected a torch.distributions.Distribution")
    return found


def _scored(distribution: Distribution, value: Tensor, shape: tuple[int, ...]) -> None:
    found = tuple(distribution.log_prob(value).shape)
    if found != shape:
        hint = (
            "wrap it in Independent(..., 1) to sum over the event" if len(found) > len(shape) else "sum over the event"
        )
        raise Fault(f"log_prob has shape {found}, expected {shape}: {hint} alone")
