"""Which figures a model and its data call for: read off what the model can do, and the shape of x."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data import Batch, Dataset, Spec
from jensen.models.base import Exact, Latent
from jensen.reporting import figures, images
from jensen.training.check import floating_tensor, like_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 200
_POINTS = 2000
_MAPPED = 5000


@dataclass(frozen=True)
class Picture:
    """A figure with what is said of it. `name` is its file's, without the suffix; `section` the page's."""

    name: str
    section: str
    caption: str
    figure: Figure


def pictures(model: nn.Module, spec: Spec, data: Dataset | None) -> Iterator[Picture]:
    """The figures of a model, in the order of the page; what does not apply, or lacks its data, is left out.

    Args:
        model: in evaluation mode; draws come from torch's global generator.
        spec: what x is.
        data: examples that the model was not trained on, where they are there.
    """
    to_image = image_scale(spec, data)
    if to_image is not None:
        yield from _of_images(model, data, to_image)
    elif data is not None and hasattr(model, "sample") and len(spec.event_shape) == 1:
        yield from _of_points(model, data)
    if isinstance(model, Latent):
        yield from _of_latents(model, data, to_image)


def image_scale(
    spec: Spec, data: Dataset | None
) -> Callable[[Tensor], Float[Tensor, "images channels height width"]] | None:
    """The map from x (N, *event) to images in [0, 1]; None where x is no image, or its scale is not known.

    An image is (C, H, W) with one channel or three. Levels are divided by the highest. Real values are put back into
    the data's own units, of which the range is taken from the data.
    """
    if len(spec.event_shape) != 3 or spec.event_shape[0] not in (1, 3):
        return None
    if spec.kind in ("binary", "unit"):
        return lambda x: x.float()
    if spec.kind != "real":
        top = (spec.levels or 256) - 1
        return lambda x: x.float() / top
    if data is None:
        return None
    raw = data.to_raw(_first(data, _SHOWN).x)
    low, high = float(raw.min()), float(raw.max())
    return lambda x: ((data.to_raw(x) - low) / max(high - low, 1e-12)).float()


def _of_images(model: nn.Module, data: Dataset | None, to_image: Callable[[Tensor], Tensor]) -> Iterator[Picture]:
    means = hasattr(model, "sample_mean")
    if means or hasattr(model, "sample"):
        draw: Any = model.sample_mean if means else model.sample
        what = "each is the mean E[x | z] at a z drawn from the prior, not a draw of x" if means else "draws of x"
        samples = to_image(draw(_SHOWN))
        yield Picture("samples", "Samples", f"{_SHOWN} samples: {what}.", images.image_grid(samples))
        if hasattr(model, "reconstruct") and data is not None:
            index = images.one_of_each(data.y, len(data))
            x = like_model(data, model).batch(index).x
            figure = images.three_rows(to_image(x), to_image(model.reconstruct(x)), samples[: len(index)])  # type: ignore[operator]
            caption = (
                f"{_share(data, index)}, the mean E[x | z] with z at the mean of q(z | x), and samples"
                f"{', shown as means E[x | z]' if means else ''}."
            )
            yield Picture("reconstructions", "Reconstructions", caption, figure)


def _share(data: Dataset, index: Tensor) -> str:
    each = "" if data.y is None or len(data.y[index].unique()) < len(index) else ", each of another class"
    return f"From top to bottom: {len(index)} examples of the {data.part} part{each}"


def _of_points(model: nn.Module, data: Dataset) -> Iterator[Picture]:
    count = min(_POINTS, len(data))
    samples = data.to_raw(model.sample(count))  # type: ignore[operator]
    x = data.to_raw(_first(data, count).x)
    columns = data.spec.columns
    said = f"{count:,} samples and {count:,} examples of the {data.part} part, in the data's own units"
    if data.spec.event_shape == (2,) and data.spec.kind in ("real", "unit"):
        log_prob = raw_log_prob(model, data) if isinstance(model, Exact) else None
        names = columns or ("$x_1$", "$x_2$")
        figure = figures.scatter_2d(samples.to(x), x, log_prob, names)
        beside = "" if log_prob is None else "; beside them the model's log-density, down to 10 nats below its highest"
        yield Picture("samples", "Samples", f"{said}{beside}.", figure)
    else:
        figure = figures.table_marginals(samples, x, columns)
        some = f" The first 12 of {x.shape[1]} columns." if x.shape[1] > 12 else ""
        yield Picture("samples", "Samples", f"Histograms, each column by itself: {said}.{some}", figure)


def raw_log_prob(model: Exact, data: Dataset) -> Callable[[Tensor], Tensor]:
    """log p of points (B, *event) in the data's own units, nats: with the log-determinant of the scaling put back."""
    shift = data.to_raw(torch.zeros(1, *data.spec.event_shape, dtype=torch.float64))
    scale = data.to_raw(torch.ones(1, *data.spec.event_shape, dtype=torch.float64)) - shift

    def log_prob(raw: Tensor) -> Tensor:
        x = ((raw - shift) / scale).to(floating_tensor(model).dtype)  # type: ignore[arg-type]
        return model.log_prob(x).double() + data.log_det(x)

    return log_prob


def _of_latents(model: Latent, data: Dataset | None, to_image: Callable[[Tensor], Tensor] | None) -> Iterator[Picture]:
    latent = model.prior().event_shape
    if len(latent) != 1 or latent[0] < 2:
        return
    if data is not None:
        z = posterior_means(model, like_model(data, model), min(_MAPPED, len(data)))  # type: ignore[arg-type]
        if z is not None:
            how = "" if latent[0] == 2 else f", the first two principal components of {latent[0]} dimensions"
            y = None if data.y is None else data.y[: len(z)].cpu()
            colored = "" if y is None else ", coloured by class, with each class named near its median"
            caption = f"The means of q(z | x) for {len(z):,} examples of the {data.part} part{how}{colored}."
            yield Picture("latent", "Latent space", caption, figures.latent_map(z, y, data.classes))
    if latent[0] == 2 and to_image is not None:
        caption = "E[x | z] over the plane of z: 20 × 20 points at equally spaced quantiles of the prior."
        yield Picture("manifold", "Latent space", caption, images.manifold(model, to_image))


@torch.no_grad()
def posterior_means(model: Latent, data: Dataset, count: int) -> Float[Tensor, "points latent"] | None:
    """The mean of q(z | x) for the first `count` examples, (N, Z); None where q has no finite mean."""
    means = []
    for start in range(0, count, 1000):
        x = data.batch(torch.arange(start, min(start + 1000, count), device=data.device)).x
        try:
            means.append(model.posterior(x).mean)
        except NotImplementedError:  # how torch says that a distribution has no formula for its mean
            return None
    z = torch.cat(means)
    return z if bool(z.isfinite().all()) else None


def _first(data: Dataset, count: int) -> Batch:
    return data.batch(torch.arange(min(count, len(data)), device=data.device))
