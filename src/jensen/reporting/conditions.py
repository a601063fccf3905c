"""Figures of models of x given y: one z under every y, and several completions of a part of x."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.data import Dataset, Spec
from jensen.data.captions import decoded
from jensen.models.base import Exact, bound_to
from jensen.models.conditions import Part
from jensen.reporting import images
from jensen.reporting.picture import Picture
from jensen.training.check import floating_tensor, like_model
from jensen.training.processes import cuda_devices

_STYLES = 20
_COMPLETED = 10
_CAPTIONS = 10
_DRAWS = 6  # of each caption
_GUIDANCE = 2.0
_COMPLETIONS = 5


def of_conditions(
    model: Any, spec: Spec, data: Dataset | None, to_image: Callable[[Tensor], Tensor]
) -> Iterator[Picture]:
    """The figures that say what y does to an image."""
    part = getattr(model, "condition", None)
    if spec.num_classes is not None and hasattr(model, "sample"):
        what = "draws of x" if isinstance(model, Exact) else "E[x | z, y] of one z, drawn from p(z | y)"
        caption = f"In each column {what} by the same noise, in each row one y, from class 0 to {spec.num_classes - 1}."
        grid = to_image(styles(model, spec.num_classes))
        yield Picture("styles", "Samples", caption, images.image_grid(grid, _STYLES))
    if spec.caption_length is not None and data is not None and data.y is not None:
        yield _of_captions(model, data, to_image)
    if isinstance(part, Part) and data is not None:
        index = images.one_of_each(data.labels, len(data), _COMPLETED)
        batch = like_model(data, model).batch(index)
        bound = bound_to(model, batch)
        shown = torch.where(part.is_given, batch.x, torch.full_like(batch.x, 0.5))
        rows = {"given": to_image(shown)}
        rows |= {f"draw {i + 1}": to_image(x) for i, x in enumerate(bound.sample_mean(_COMPLETIONS))}
        rows["original"] = to_image(batch.x)
        caption = (
            f"{len(index)} examples of the {data.part} part: what is given of each, {_COMPLETIONS} draws of the rest "
            "(the mean E[rest | z, given] at a z drawn from p(z | given)), and the whole."
        )
        yield Picture("completions", "Samples", caption, images.labelled_rows(rows))


def _of_captions(model: Any, data: Dataset, to_image: Callable[[Tensor], Tensor]) -> Picture:
    """A row for each caption: the example that it is of, and draws without guidance and with."""
    some = like_model(data, model).subset(torch.arange(min(_CAPTIONS, len(data))))
    batch = some.all()
    captions = decoded(batch.y)  # type: ignore[arg-type]
    drawn = [model.given(batch.y, guidance).sample_mean(_DRAWS) for guidance in (0.0, _GUIDANCE)]
    each = [to_image(x.flatten(0, 1)).unflatten(0, x.shape[:2]).movedim(0, 1) for x in drawn]
    names = ("", "given the caption", f"with guidance {_GUIDANCE:g}")
    groups = dict(zip(names, (to_image(batch.x)[:, None], *each), strict=True))
    caption = (
        f"Captions of the {data.part} part, the example that each is of, {_DRAWS} draws given the caption, and as many "
        f"with guidance {_GUIDANCE:g}: means E[x | c] at codes c drawn given the caption."
    )
    return Picture("captions", "Samples", caption, images.captioned_rows(captions, groups))


@torch.no_grad()
def styles(model: Any, num_classes: int, count: int = _STYLES) -> Float[Tensor, "classes_and_styles *event"]:
    """E[x | z, y] for `count` draws of standard noise, each made a z of p(z | y) for every y: (C count, *event).

    Of a density of x given y, the draws of x that the noise makes.
    """
    method = "sample" if isinstance(model, Exact) else "sample_mean"
    device = floating_tensor(model).device
    states, rows = torch.randint(2**31, (count,)).tolist(), []
    for label in range(num_classes):
        for state in states:
            with torch.random.fork_rng(cuda_devices(device)):
                torch.manual_seed(state)
                given = model.given(torch.tensor([label], device=device))
                rows.append(getattr(given, method)(1).flatten(0, 1))
    return torch.cat(rows)
