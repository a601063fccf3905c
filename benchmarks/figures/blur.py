"""Why a unimodal likelihood blurs: two images, one code.

Where z says nothing of which image it is, the best mean of a Gaussian and the best chances of a Bernoulli are the
average of the two: sum_i log p(x_i; m) is greatest there. A likelihood of two components returns each image.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import jensen.data
from benchmarks.figures.common import markdown
from jensen.models.latent.likelihoods import Bernoulli, Gaussian
from jensen.models.latent.likelihoods.base import Likelihood
from jensen.reporting.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 1000
CLASSES = (0, 1)


@dataclass(frozen=True)
class Blur:
    """The two images (2, 1, H, W), bits, and for each likelihood the means of its components at the optimum."""

    images: Tensor
    optima: dict[str, Tensor]  # (components, 1, H, W)


class OneCode(nn.Module):
    """z -> outputs that are the same for all z: there is one code."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.outputs = nn.Parameter(0.1 * torch.randn(num_outputs))

    def forward(self, z: Tensor) -> Tensor:
        return self.outputs.expand(*z.shape[:-1], -1)


def two_images(tiny: bool) -> Tensor:
    """The first two classes' first images, as bits."""
    train = jensen.data.load("digits" if tiny else "mnist", binarize="threshold").train
    assert train.y is not None
    return train.batch(torch.tensor([int((train.y == label).nonzero()[0]) for label in CLASSES])).x


def maximise(parts: list[Likelihood], x: Tensor) -> Tensor:
    """The parts' means (K, *event) where sum_i log (1/K) sum_k p_k(x_i | z = 0) is greatest, by Adam."""
    z = torch.zeros(len(x), 1)
    parameters = [parameter for part in parts for parameter in part.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        log_prob = torch.stack([part(z).log_prob(x) for part in parts]).logsumexp(0) - math.log(len(parts))
        (-log_prob.sum()).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return torch.cat([part(z[:1]).mean for part in parts])


def compute(tiny: bool) -> Blur:
    x = two_images(tiny)
    shape, dims = x.shape[1:], x[0].numel()

    def gaussian() -> Likelihood:
        return Gaussian(OneCode(dims), shape, "unit")

    def bernoulli() -> Likelihood:
        return Bernoulli(OneCode(dims), shape)

    likelihoods = {
        "Gaussian": [gaussian()],
        "Bernoulli": [bernoulli()],
        "two Gaussians": [gaussian(), gaussian()],
        "two Bernoullis": [bernoulli(), bernoulli()],
    }
    return Blur(x, {name: maximise(parts, x) for name, parts in likelihoods.items()})


def distances(found: Blur) -> dict[str, tuple[float, float]]:
    """Of each likelihood: the largest difference of a pixel from the average, and from the nearest image.

    The second is over both images: how far the component that is nearest to an image is from it.
    """
    average = found.images.mean(0)
    table = {}
    for name, means in found.optima.items():
        from_average = max(float((mean - average).abs().max()) for mean in means)
        from_images = max(min(float((mean - image).abs().max()) for mean in means) for image in found.images)
        table[name] = (from_average, from_images)
    return table


def table(found: Blur) -> str:
    rows = [(name, f"{blurred:.5f}", f"{sharp:.5f}") for name, (blurred, sharp) in distances(found).items()]
    return markdown(("likelihood at its optimum", "from the average, largest pixel", "from the images"), rows)


def draw(found: Blur) -> Figure:
    columns = {"the two images": found.images, **found.optima}
    figure = new_figure(1.5 * len(columns), 3.4)
    panels = figure.subplots(2, len(columns))
    for column, (name, images) in enumerate(columns.items()):
        panels[0, column].set_title(name, fontsize=10, color=INK)
        for axes, image in itertools.zip_longest(panels[:, column], images):
            axes.set_axis_off()
            if image is not None:
                axes.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure
