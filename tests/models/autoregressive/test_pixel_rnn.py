"""What only the PixelRNNs promise; what holds of every model of images is in test_pixelcnn.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from jensen.data.spec import Spec
from jensen.models.autoregressive.pixel_rnn import build

Seen = Callable[[int, int], bool]


def sees(build: Callable[..., Any], height: int, width: int, **settings: Any) -> Tensor:
    """Which pixels each conditional is a function of, by gradient, (H W, H W)."""
    model = build(Spec((1, height, width), "binary", levels=2), width=24, output_width=30, **settings).double()
    x = torch.rand(10, 1, height, width, dtype=torch.float64, requires_grad=True)
    raw = model.raw(x, None).flatten(1)
    gradients = [torch.autograd.grad(of.sum(), x, retain_graph=True)[0] for of in raw.unbind(1)]
    return torch.stack([gradient.abs().sum((0, 1)).flatten() > 0 for gradient in gradients])


def expected(height: int, width: int, seen: Seen) -> Tensor:
    """Of the pixels before, those that are `seen` so many rows up and so many columns to the right."""
    place = list(itertools.product(range(height), range(width)))
    return torch.tensor([[b < a and seen(a[0] - b[0], b[1] - a[1]) for b in place] for a in place])


@pytest.mark.parametrize(("layers", "kernel_size"), [(1, 3), (2, 3), (1, 5)])
def test_a_row_lstm_sees_a_triangle(layers: int, kernel_size: int) -> None:
    # The first convolution reaches so far. To the right the triangle widens by a column a row, from the first row that
    # the convolution sees; to the left each layer's K^is adds a column.
    reach = kernel_size // 2
    field = expected(5, 9, lambda up, right: -reach - layers - up <= right <= reach + up - 1)
    assert torch.equal(sees(build, 5, 9, layer="row", layers=layers, kernel_size=kernel_size), field)
    assert 0 < field.sum() < expected(5, 9, lambda up, right: True).sum()


@pytest.mark.parametrize(("height", "width"), [(4, 8), (7, 3)])
def test_one_layer_of_a_diagonal_bilstm_sees_all_pixels_before(height: int, width: int) -> None:
    everything = expected(height, width, lambda up, right: True)
    assert torch.equal(sees(build, height, width, layer="diagonal", layers=1, kernel_size=3), everything)


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_densities_are_of_single_precision_in_a_mixed_step(layer: Any) -> None:
    model = build(Spec((1, 6, 6), "categorical", levels=5), layer=layer, width=16, layers=2, kernel_size=3)
    x = torch.randint(5, (8, 1, 6, 6))
    exact = model.log_prob(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.log_prob(x)
    assert mixed.dtype == torch.float32
    assert not mixed.equal(exact)
    torch.testing.assert_close(mixed, exact, atol=0, rtol=2**-8)
    mixed.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_many_images_are_scored_as_few_are(layer: Any) -> None:
    spec = Spec((1, 4, 4), "binary", levels=2, conditions=("a",))
    model = build(spec, layer=layer, width=8, layers=1, kernel_size=3, given="vector")
    x, y = torch.bernoulli(torch.full((150, 1, 4, 4), 0.5)), torch.randn(150, 1)
    with torch.no_grad():
        torch.testing.assert_close(model.log_prob(x, y)[140:], model.log_prob(x[140:], y[140:]))
