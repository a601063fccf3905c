"""Draws, codes and reconstructions of a trained model, and the files that hold them."""

from __future__ import annotations

import csv
import inspect
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jensen.data import Dataset, Spec
from jensen.data.audio import wav_bytes
from jensen.data.captions import encoded
from jensen.errors import JensenError, unknown
from jensen.models.base import Conditional, Exact, bound_to
from jensen.reporting.completion import completes, known_entries
from jensen.reporting.text import known_tokens, one_after_another, texts_of
from jensen.training.check import floating_tensor, like_model
from jensen.training.checkpoint import write_atomically
from jensen.training.collapse import CHEAP

FORMATS = (".png", ".npy", ".csv", ".wav", ".txt")


@torch.no_grad()
def draw(
    model: nn.Module,
    num: int,
    *,
    spec: Spec,
    given: str | None = None,
    per_class: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    length: int | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    prompt: str | None = None,
    guidance: float = 0.0,
    means: bool = False,
    data: Dataset | None = None,
) -> Tensor:
    """`num` draws of x, (N, *event), a function of the seed.

    Args:
        model: anything with `sample`.
        num: how many; with `per_class` that many of every class instead, classes in order.
        spec: the data's.
        given: a condition, "y=3" or "caption=a red heart"; or numbers by the names of their columns,
            "alcohol=12.5,ash=2", which may be columns of x itself where the model completes rows.
        per_class: draws of every class.
        seed: of the draws.
        temperature: 1 is the model itself.
        length: of each sequence, where it is not that of the data.
        top_k, top_p: each conditional of an autoregressive model is cut to its k likeliest values, to the fewest of
            probability p.
        prompt: the beginning of a text, which the model goes on with.
        guidance: how far draws are pushed to what a caption says; 0 is the model itself.
        means: E[x | z] for drawn z where the model has it, which is what figures show.
        data: those that the model was trained on, in whose units entries of x are given.
    """
    if num < 1 or (per_class is not None and per_class < 1):
        raise JensenError("the number of samples must be at least 1")
    if given is not None and per_class is not None:
        raise JensenError("give --given or --per-class, not both")
    if not hasattr(model, "sample") and given is None:
        raise JensenError(
            "this model draws x given a condition alone: give --given, or model.given(y).sample(n) in Python"
            if isinstance(model, Conditional)
            else "this model has no p(x) to draw from: it can encode and reconstruct; to sample choose a vae"
        )
    options: dict[str, Any] = {}
    of_means = hasattr(model, "sample_mean") or (isinstance(model, Conditional) and not isinstance(model, Exact))
    method = "sample_mean" if means and of_means else "sample"
    if temperature != 1.0:
        if not temperature > 0:
            raise JensenError(f"temperature must be above 0, got {temperature:g}")
        drawn_from = getattr(model, method, None)
        if drawn_from is not None and "temperature" not in inspect.signature(drawn_from).parameters:
            raise JensenError("this model has no temperature: leave --temperature out")
        options["temperature"] = temperature
    sampler: Any = getattr(getattr(model, "density", model), "sample", None)
    takes = inspect.signature(sampler).parameters if sampler is not None else {}
    for name, value in (("length", length), ("top_k", top_k), ("top_p", top_p)):
        if value is not None and name not in takes:
            raise JensenError(f"this model has no {name}: leave --{name.replace('_', '-')} out")
        options |= {} if value is None else {name: value}
    classes: list[Tensor | None] = [None]
    if prompt is not None:
        if given is not None or not completes(model):
            raise JensenError("--prompt takes a model that completes x, and no --given: leave one of them out")
        options["given"] = known_tokens(prompt, spec)
    elif given is not None and data is not None and completes(model):
        options["given"] = known_entries(given, data)
    elif given is not None:
        classes = [_condition(given, spec)]
    elif per_class is not None:
        if spec.num_classes is None:
            raise JensenError("--per-class needs a model of labelled data, and these data have no labels")
        classes, num = list(torch.arange(spec.num_classes)), per_class
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [getattr(_bound(model, y, guidance), method)(num, **options) for y in classes]
    return torch.cat(parts).cpu()


def _bound(model: nn.Module, y: Tensor | None, guidance: float) -> Any:
    takes = inspect.signature(model.given).parameters if hasattr(model, "given") else {}  # type: ignore[arg-type]
    if guidance and (y is None or "guidance" not in takes):
        raise JensenError("--guidance takes a model of x given a caption, and --given caption=...: leave it out")
    if y is None:
        return model
    if not getattr(model, "conditional", False):
        raise JensenError(
            "this model takes no condition y: leave --given and --per-class out, or fit a conditional one"
        )
    options = {"guidance": guidance} if guidance else {}
    return model.given(y.to(floating_tensor(model).device), **options)  # type: ignore[operator]


def _condition(given: str, spec: Spec) -> Tensor:
    """The y that "y=3", "alcohol=12.5,ash=2" or "caption=a red heart" stands for."""
    if spec.caption_length is not None:
        name, equals, caption = given.partition("=")
        if name.strip() != "caption" or not equals:
            raise JensenError(f"--given takes caption=WORDS, got '{given}'")
        return torch.from_numpy(encoded([caption], spec.caption_length)[0])
    pairs = [pair.partition("=") for pair in given.split(",")]
    values = {name.strip(): value.strip() for name, _, value in pairs}
    if spec.conditions is None:
        value = values.get("y", "")
        if len(values) != 1 or not value.lstrip("-").isdigit():
            raise JensenError(f"--given takes y=LABEL with a whole number, got '{given}'")
        if spec.num_classes is None or not 0 <= int(value) < spec.num_classes:
            raise JensenError(
                f"label {value} is out of range: the data have {spec.num_classes or 'no'} classes, from 0"
            )
        return torch.tensor(int(value))
    try:
        numbers = [float(values.pop(name)) for name in spec.conditions]
    except (KeyError, ValueError) as error:
        raise JensenError(f"--given takes a number for each of {', '.join(spec.conditions)}, got '{given}'") from error
    if values:
        raise unknown("condition", next(iter(values)), spec.conditions)
    return torch.tensor(numbers)


@torch.no_grad()
def encode(model: nn.Module, data: Dataset) -> Tensor:
    """The mean and scale of q(z | x) of every example: (2, N, Z); its code where that is all there is: (N, Z).

    Where q has no cheap formula for them, as a flow or a chain has not, they are those of 100 draws.
    """
    batches = like_model(data.fixed(), model).batches(1000)
    if hasattr(model, "encode") and not hasattr(model, "posterior"):
        return torch.cat([model.encode(batch.x) for batch in batches]).cpu()  # type: ignore[operator]
    if not hasattr(model, "posterior"):
        raise JensenError("this model has no latents to encode into: choose one with a posterior, such as vae")
    parts = []
    for batch in batches:
        q_z = bound_to(model, batch).posterior(batch.x)
        if isinstance(q_z, CHEAP):
            parts.append(torch.stack([q_z.mean, q_z.stddev]))
        else:
            parts.append(torch.stack(torch.std_mean(q_z.sample(torch.Size([100])), 0)[::-1]))
    return torch.cat(parts, 1).cpu()


@torch.no_grad()
def reconstruct(model: nn.Module, data: Dataset, limit: int | None = None) -> Tensor:
    """E[x | z] at the posterior's mean of each example, or of the first `limit`: (N, *event)."""
    if not hasattr(model, "reconstruct") and (isinstance(model, Exact) or not isinstance(model, Conditional)):
        raise JensenError("this model reconstructs nothing: choose one with a posterior, such as vae")
    count = len(data) if limit is None else min(limit, len(data))
    data = like_model(data.fixed(), model).subset(torch.arange(count))
    return torch.cat([bound_to(model, batch).reconstruct(batch.x) for batch in data.batches(1000)]).cpu()


def check_name(path: Path, formats: tuple[str, ...] = FORMATS) -> None:
    """Raises where the name does not end in one of `formats`: worth asking before anything is drawn."""
    if path.suffix not in formats:
        raise JensenError(f"cannot write {path.name}: choose a name that ends in {', '.join(formats)}")


def write_array(path: Path, values: Tensor) -> None:
    """A .npy file, written whole."""
    check_name(path, (".npy",))
    content = io.BytesIO()
    np.save(content, values.numpy())
    write_atomically(path, content.getvalue())


def write_examples(path: Path, x: Tensor, data: Dataset) -> None:
    """Examples (N, *event), in the user's own units: a .png grid of images, .npy, or .csv with a header.

    Sounds may be a .wav, one after another, and text a .txt, with a line of dashes between.
    """
    check_name(path)
    if path.suffix == ".txt":
        if data.spec.merges is None:
            raise JensenError(f"x of shape {data.spec.event_shape} is no text: write .npy or .csv instead of .txt")
        write_atomically(path, one_after_another(texts_of(x, data.spec)).encode())
        return
    if path.suffix == ".wav":
        if data.spec.rate is None:
            raise JensenError(f"x of shape {data.spec.event_shape} is no sound: write .npy or .csv instead of .wav")
        write_atomically(path, wav_bytes(data.spec.rate, x.numpy()))
        return
    if path.suffix == ".png":
        from jensen.reporting.gallery import image_scale
        from jensen.reporting.images import image_grid
        from jensen.reporting.style import png

        to_image = image_scale(data.spec, data)
        if to_image is None:
            raise JensenError(f"x of shape {data.spec.event_shape} is no image: write .npy or .csv instead of .png")
        write_atomically(path, png(image_grid(to_image(x))))
        return
    raw = data.to_raw(x) if x.is_floating_point() else x
    if path.suffix == ".npy":
        write_array(path, raw)
        return
    flat = raw.flatten(1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names, size = data.spec.columns, flat.shape[1]
    if names is not None and len(names) < size:  # a window of a series: its rows side by side
        names = tuple(f"{name}_{t}" for t in range(size // len(names)) for name in names)
    writer.writerow(names or [f"x{i}" for i in range(size)])
    writer.writerows(map(data.spec.cells, flat.tolist()))
    write_atomically(path, text.getvalue().encode())
