"""Which figures a model and its data call for: read off what the model can do, and the shape of x."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data import Batch, Dataset, Spec
from jensen.evaluation.classify import joint_log_probs
from jensen.models.base import Conditional, Exact, Latent, Mixture, Reconstructing, bound_to, kind_of
from jensen.objectives.elbo import kl_terms
from jensen.reporting import figures, images, series, sounds, topics
from jensen.reporting.conditions import of_conditions
from jensen.reporting.halves import of_halves
from jensen.reporting.latents import kl_bars
from jensen.reporting.picture import Picture
from jensen.training.check import floating_tensor, like_model
from jensen.training.collapse import CHEAP, DRAWS

_SHOWN = 200
_POINTS = 2000
_MAPPED = 5000
_TRAVERSED = 10
_WINDOWS = 40
_WORTH_A_NUMBER = 0.01


def pictures(model: nn.Module, spec: Spec, data: Dataset | None) -> Iterator[Picture]:
    """The figures of a model, in the order of the page; what does not apply, or lacks its data, is left out.

    Args:
        model: in evaluation mode; draws come from torch's global generator.
        spec: what x is.
        data: examples that the model was not trained on, where they are there.
    """
    to_image = image_scale(spec, data)
    if kind_of(model) == "reconstruction":
        yield from _of_reconstructions(model, data, to_image)  # type: ignore[arg-type]
    elif to_image is not None:
        yield from _of_images(model, data, to_image)
        yield from of_halves(model, data, to_image)
    elif data is not None and spec.rate is not None:
        yield from sounds.of_sounds(model, data)
    elif data is not None and hasattr(model, "sample") and len(spec.event_shape) == 1 and spec.merges is None:
        yield from _of_points(model, data)
    elif data is not None and hasattr(model, "sample") and len(spec.event_shape) == 2:
        yield _of_series(model, data)
    if hasattr(model, "topics") and spec.columns is not None:
        caption = "The words that each topic gives the highest probability, and those probabilities."
        yield Picture("topics", "Topics", caption, topics.top_words(model.topics, spec.columns))  # type: ignore[arg-type]
    if getattr(model, "conditional", False) and to_image is not None:
        yield from of_conditions(model, spec, data, to_image)
    if kind_of(model) == "implicit" and isinstance(model, Reconstructing) and data is not None:
        yield from _of_codes(model, data)
    if isinstance(model, Latent) and (data is not None or not isinstance(model, Conditional)):
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
        codes = isinstance(model, Conditional) and not isinstance(model, Exact)
        if data is not None and (hasattr(model, "reconstruct") or codes):
            index = images.one_of_each(data.labels, len(data))
            batch = like_model(data, model).batch(index)
            again = bound_to(model, batch).reconstruct(batch.x)
            figure = images.three_rows(to_image(batch.x), to_image(again), samples[: len(index)])
            caption = (
                f"{_share(data, index)}, the mean E[x | z] with z at the mean of q(z | x), and samples"
                f"{', shown as means E[x | z]' if means else ''}."
            )
            yield Picture("reconstructions", "Reconstructions", caption, figure)


def _of_reconstructions(
    model: Reconstructing, data: Dataset | None, to_image: Callable[[Tensor], Tensor] | None
) -> Iterator[Picture]:
    if data is None:
        return
    given = like_model(data, model)  # type: ignore[arg-type]
    if to_image is not None:
        index = images.one_of_each(data.labels, len(data))
        x = given.batch(index).x
        rows = {"originals": to_image(x), "reconstructions": to_image(model.reconstruct(x))}
        caption = f"{_share(data, index)}, and what is made of their codes"
        if getattr(model, "noise", "none") != "none":
            noisy = model.corrupt(x)  # type: ignore[attr-defined]
            rows |= {"corrupted": to_image(noisy), "denoised": to_image(model.reconstruct(noisy))}
            caption += "; the same corrupted as in training, and what is made of those codes"
        yield Picture("reconstructions", "Reconstructions", f"{caption}.", images.labelled_rows(rows))
    yield from _of_codes(model, data)


@torch.no_grad()
def _of_codes(model: Reconstructing, data: Dataset) -> Iterator[Picture]:
    some = like_model(data, model).subset(torch.arange(min(_MAPPED, len(data))))  # type: ignore[arg-type]
    with torch.no_grad():
        z = torch.cat([model.encode(batch.x) for batch in some.batches(1000)])
    if z.shape[1] > 1:
        yield _map_of(z, "codes", data)


def _share(data: Dataset, index: Tensor) -> str:
    each = "" if data.labels is None or len(data.labels[index].unique()) < len(index) else ", each of another class"
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
        if isinstance(model, Mixture) and hasattr(model, "means"):
            yield _of_components(model, data, names)
    else:
        types = data.spec.column_types or ()
        named = [("0", "1") if column.kind == "binary" else column.categories for column in types]
        figure = figures.table_marginals(samples, x, columns, named)
        some = f" The first 12 of {x.shape[1]} columns." if x.shape[1] > 12 else ""
        yield Picture("samples", "Samples", f"Histograms, each column by itself: {said}.{some}", figure)


def _of_components(model: Any, data: Dataset, names: tuple[str, ...]) -> Picture:
    """Who is responsible for which points of the plane."""
    batch = _first(like_model(data, model), _POINTS)
    order = model.weights.argsort(descending=True)
    weights = model.weights[order].cpu()
    numbered = int((weights > _WORTH_A_NUMBER).sum())
    shares = model.e_step(batch.x).exp()[:, order].cpu()
    means = data.to_raw(model.means[order[:numbered]].cpu())
    figure = figures.responsibilities(data.to_raw(batch.x).cpu(), shares, means, names)
    largest = ", ".join(f"{number} {weight:.3f}" for number, weight in enumerate(weights[:numbered].tolist(), 1))
    caption = (
        f"{len(batch.x):,} examples of the {data.part} part, each in the colours of the components, mixed by their "
        f"responsibilities for it. Numbers stand at the means, in the order of the weights: {largest}."
    )
    if numbered < len(weights):
        caption += f" {len(weights) - numbered} components weigh less than {_WORTH_A_NUMBER:g}."
    return Picture("responsibilities", "Samples", caption, figure)


def _of_series(model: nn.Module, data: Dataset) -> Picture:
    x = data.to_raw(_first(data, _WINDOWS).x)
    samples = data.to_raw(model.sample(len(x)))  # type: ignore[operator]
    caption = f"{len(x)} examples of the {data.part} part and as many samples, each over time, in the data's own units."
    return Picture("samples", "Samples", caption, series.over_time(samples, x, data.spec.columns))


def raw_log_prob(model: Exact, data: Dataset) -> Callable[[Tensor], Tensor]:
    """log p of points (B, *event) in the data's own units, nats: with the log-determinant of the scaling put back."""
    shift = data.to_raw(torch.zeros(1, *data.spec.event_shape, dtype=torch.float64))
    scale = data.to_raw(torch.ones(1, *data.spec.event_shape, dtype=torch.float64)) - shift

    def log_prob(raw: Tensor) -> Tensor:
        x = ((raw - shift) / scale).to(floating_tensor(model).dtype)  # type: ignore[arg-type]
        return _log_prob(model, x).double() + data.log_det(x)

    return log_prob


def _log_prob(model: Any, x: Tensor) -> Tensor:
    """log p(x); of a model of x given its label, log sum_y p(y) p(x | y)."""
    return joint_log_probs(model, x).logsumexp(-1) if isinstance(model, Conditional) else model.log_prob(x)


def _of_latents(model: Latent, data: Dataset | None, to_image: Callable[[Tensor], Tensor] | None) -> Iterator[Picture]:
    first = model
    if isinstance(model, Conditional):
        assert data is not None
        first = model.given(model.condition_of(like_model(data, model).batch(torch.arange(1)))[0])  # type: ignore[arg-type]
    latent = first.prior().event_shape
    if len(latent) != 1:
        return
    z = None
    if data is not None:
        z = posterior_means(model, like_model(data, model), min(_MAPPED, len(data)))  # type: ignore[arg-type]
    if data is not None and z is not None:
        if latent[0] > 1:
            yield _map_of(z, "means of q(z | x)", data)
        shares = kl_of_dimensions(model, like_model(data, model), len(z))  # type: ignore[arg-type]
        if shares is not None:
            caption = (
                f"What each dimension of z carries, over {len(z):,} examples of the {data.part} part; grey: inactive."
            )
            yield Picture("kl", "Latent space", caption, kl_bars(shares, z.var(0)))
    if to_image is not None:
        yield from _of_paths(first, z, data, to_image)
        if z is not None and data is not None and len(data) >= 2 and (first is model or hasattr(model, "log_prior")):
            yield from _between(first, z, data, to_image, first is not model)


def _of_paths(
    model: Latent, z: Tensor | None, data: Dataset | None, to_image: Callable[[Tensor], Tensor]
) -> Iterator[Picture]:
    """Images along the axes and over planes of z."""
    prior = model.prior()
    if prior.event_shape[0] == 2:
        caption = "E[x | z] over the plane of z: 20 × 20 points at equally spaced quantiles of the prior."
        yield Picture("manifold", "Latent space", caption, images.manifold(model, to_image))
    elif z is not None and data is not None:
        dimensions = z.var(0).argsort(descending=True)[:_TRAVERSED]
        caption = (
            "E[x | z] while one dimension of z runs over the quantiles of the prior and the others stay at the code of "
            f"the first example of the {data.part} part. "
        )
        if len(dimensions) < z.shape[1]:
            caption += (
                f"The {len(dimensions)} of {z.shape[1]} dimensions whose posterior mean varies most, in that order."
            )
        else:
            caption += "Dimensions in order of the variance of their posterior mean."
        figure = images.traversals(model, z[0], dimensions.tolist(), to_image)
        yield Picture("traversals", "Latent space", caption, figure)


def _between(
    model: Latent, z: Tensor, data: Dataset, to_image: Callable[[Tensor], Tensor], of_one_class: bool
) -> Iterator[Picture]:
    """Images along lines of z; of a model that was given the first example's label, between examples of that label."""
    index = images.one_of_each(data.labels, len(z))
    if of_one_class and data.labels is not None:
        labels = data.labels[: len(z)]
        index = (labels == labels[0]).nonzero().squeeze(1)[: len(index)]
    index = index[: len(index) // 2 * 2]
    if not len(index):
        return
    x = to_image(like_model(data, model).batch(index).x)  # type: ignore[arg-type]
    pairs = (len(index) // 2, 2)
    figure = images.interpolations(model, z[index].unflatten(0, pairs), x.unflatten(0, pairs), to_image)
    caption = (
        f"Between examples of the {data.part} part{' of one class' if of_one_class else ''}, at the ends of each row: "
        "E[x | z] at equal steps between the means of their q(z | x)."
    )
    yield Picture("interpolations", "Latent space", caption, figure)


def _map_of(z: Float[Tensor, "points latent"], what: str, data: Dataset) -> Picture:
    how = "" if z.shape[1] == 2 else f", the first two principal components of {z.shape[1]} dimensions"
    y = None if data.labels is None else data.labels[: len(z)].cpu()
    colored = "" if y is None else ", coloured by class, with each class named near its median"
    caption = f"The {what} for {len(z):,} examples of the {data.part} part{how}{colored}."
    return Picture("latent", "Latent space", caption, figures.latent_map(z, y, data.classes))


@torch.no_grad()
def posterior_means(model: Latent, data: Dataset, count: int) -> Float[Tensor, "points latent"] | None:
    """The mean of q(z | x) for the first `count` examples, (N, Z); None where q has no finite mean.

    Where there is no cheap formula for it, as of a flow, the mean of 20 draws.
    """
    means = []
    for batch in data.subset(torch.arange(count)).batches(1000):
        q_z = bound_to(model, batch).posterior(batch.x)
        try:
            means.append(q_z.mean if isinstance(q_z, CHEAP) else q_z.sample(torch.Size([DRAWS])).mean(0))
        except NotImplementedError:  # how torch says that a distribution has no formula for its mean
            return None
    z = torch.cat(means)
    return z if bool(z.isfinite().all()) else None


@torch.no_grad()
def kl_of_dimensions(model: Latent, data: Dataset, count: int) -> Float[Tensor, "latent"] | None:
    """KL(q(z_j | x) || p(z_j)) over the first `count` examples, (Z,), nats; None where q or p does not factorise."""
    shares = []
    for batch in data.subset(torch.arange(count)).batches(1000):
        of_x = bound_to(model, batch)
        q_z = of_x.posterior(batch.x)
        _, _, each = kl_terms(q_z, of_x.prior(), q_z.sample(torch.Size([1])))
        if each is None:
            return None
        shares.append(each)
    return torch.cat(shares).mean(0)


def _first(data: Dataset, count: int) -> Batch:
    return data.batch(torch.arange(min(count, len(data)), device=data.device))
