"""Figures of sounds: waveforms and spectrograms of examples, draws and completions; how far back a model listens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from jensen.data import Batch, Dataset
from jensen.data.audio import from_mu_law
from jensen.models.base import Conditional, bound_to
from jensen.reporting.images import one_of_each
from jensen.reporting.picture import Picture
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy
from jensen.training.check import like_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 8
_SLICE = 0.064  # seconds of a column of a spectrogram
_QUIETEST = -80  # decibels below the loudest


def of_sounds(model: Any, data: Dataset) -> Iterator[Picture]:
    """The figures of a model of sounds: draws, completions, and the receptive field where it has one."""
    rate = data.spec.rate
    assert rate is not None
    batch = like_model(data, model).batch(one_of_each(data.labels, len(data), _SHOWN))
    given = isinstance(model, Conditional)
    drawn: Any = bound_to(model, batch) if given else model
    if not hasattr(drawn, "sample"):
        return
    samples = drawn.sample(1)[0] if given else drawn.sample(len(batch.x))
    whose = ", each given the condition of the example beside it" if given else ""
    caption = (
        f"{len(batch.x)} examples of the {data.part} part and as many draws{whose}: waveforms, and spectrograms in "
        f"decibels below the loudest, down to {_QUIETEST}."
    )
    yield Picture("samples", "Samples", caption, sounds_beside({"data": batch.x, "samples": samples}, rate))
    density = getattr(model, "density", model)
    if not hasattr(density, "receptive_field"):
        return
    half = batch.x.shape[1] // 2
    beginning = batch.x[:, :half]
    completed = drawn.sample(1, given=beginning)[0] if given else drawn.sample(len(beginning), given=beginning)
    caption = f"The same examples, and the first half of each (up to the line) gone on from by the model{whose}."
    figure = sounds_beside({"original": batch.x, "completed": completed}, rate, half / rate)
    yield Picture("completions", "Samples", caption, figure)
    reach = density.receptive_field
    caption = (
        "How much the logits of a window's last sample change with each sample before it: the root mean square of that "
        f"gradient, over {len(batch.x)} examples. It is 0 for all that are more than {reach:,} samples before, the "
        f"receptive field ({1000 * reach / rate:.3g} ms)."
    )
    yield Picture("receptive_field", "Samples", caption, receptive_field(gradients(model, batch), reach))


def sounds_beside(named: dict[str, Int64[Tensor, "sounds time"]], rate: int, mark: float | None = None) -> Figure:
    """Of each row of levels its waveform and its spectrogram, for each name side by side.

    Args:
        named: mu-law levels (N, T), by what they are called.
        rate: samples a second.
        mark: a time in seconds at which a line is drawn.
    """
    from matplotlib import mlab

    count = len(next(iter(named.values())))
    figure = new_figure(2.8 * 2 * len(named), 0.5 + 1.15 * count, dpi=110)
    panels = figure.subplots(count, 2 * len(named), sharex=True, squeeze=False)
    for place, (name, levels) in enumerate(named.items()):
        waves = from_mu_law(levels.cpu().numpy())
        seconds = waves.shape[1] / rate
        width = min(2 ** round(math.log2(_SLICE * rate)), max(2, waves.shape[1] // 2))
        for row, wave in enumerate(waves):
            shape, spectrum = panels[row, 2 * place], panels[row, 2 * place + 1]
            color = NEUTRAL if place == 0 else FIRST
            shape.plot(np.arange(len(wave)) / rate, wave, color=color, linewidth=0.5)
            shape.set_ylim(-1, 1)
            spectra = mlab.specgram(wave, NFFT=width, Fs=rate, noverlap=width * 7 // 8)
            power, frequencies = torch.from_numpy(np.asarray(spectra[0])), np.asarray(spectra[1])
            decibels = 10 * (power / power.max().clamp(min=1e-20)).clamp(min=1e-12).log10()
            extent = (0.0, seconds, float(frequencies[0]), float(frequencies[-1]))
            spectrum.imshow(
                decibels.numpy(), origin="lower", aspect="auto", extent=extent, vmin=_QUIETEST, vmax=0, cmap="magma"
            )
            for axes in (shape, spectrum):
                tidy(axes, grid=False)
                axes.tick_params(labelsize=7)
                if mark is not None:
                    axes.axvline(mark, color=SECOND, linewidth=1)
        panels[0, 2 * place].set_title(name, fontsize=9, color=INK)
        panels[0, 2 * place + 1].set_title(f"{name}: Hz", fontsize=9, color=INK)
    figure.supxlabel("seconds", fontsize=10, color=INK)
    return figure


def gradients(model: Any, batch: Batch) -> Float64[Tensor, "lags"]:
    """The root mean square of d(numbers of the last conditional) / d(x_{T-k}) for k = 1 .. T-1, over a batch."""
    density = getattr(model, "density", model)
    y = model.condition(model.condition_of(batch)) if density is not model else None
    with torch.enable_grad():
        features = density.head.features(batch.x, density.enter.weight.dtype).requires_grad_()
        last = density.raw(features, y)[:, -1]
        # A random direction of unit variance for each example gives the squared norm of the Jacobian in expectation.
        (found,) = torch.autograd.grad((last * torch.randn_like(last)).sum(), features)
    return found.double().square().sum(2).mean(0).sqrt()[:-1].flip(0)


def receptive_field(gradient: Float64[Tensor, "lags"], reach: int) -> Figure:
    """Gradients against how many samples before, and a line at the receptive field."""
    figure = new_figure(6.4, 3.0)
    axes = figure.subplots()
    lags = torch.arange(1, len(gradient) + 1)
    shown = gradient > 0
    axes.plot(lags[shown].numpy(), gradient[shown].numpy(), color=FIRST, linewidth=0.8)
    axes.axvline(reach, color=SECOND, linewidth=1)
    axes.annotate(f" {reach:,}", (reach, float(gradient.max())), color=SECOND, fontsize=9, ha="left", va="top")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(1, len(gradient))
    axes.set_xlabel("samples before", fontsize=9, color=INK)
    axes.set_ylabel("root mean square of the gradient", fontsize=9, color=INK)
    tidy(axes)
    return figure
