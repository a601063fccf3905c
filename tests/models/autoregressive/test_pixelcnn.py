"""What holds of the convolutional models of images."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.autoregressive import gated_pixelcnn, pixel_rnn, pixelcnn, pixels
from jensen.models.autoregressive.base import Autoregressive
from jensen.models.base import bound_to

Build = Callable[..., Any]

BITS = Spec((1, 3, 3), "binary", levels=2)
LEVELS = Spec((1, 2, 2), "categorical", levels=4)
COLOURS = Spec((3, 2, 2), "binary", levels=2)
LARGE = Spec((1, 7, 7), "binary", levels=2)

MODELS: dict[str, Build] = {
    "pixelcnn": lambda spec, depth=2, **settings: pixelcnn.build(
        spec, **{"width": 12, "blocks": depth, "kernel_size": 3, "output_width": 30, **settings}
    ),
    "gated-pixelcnn": lambda spec, depth=3, **settings: gated_pixelcnn.build(
        spec, **{"width": 12, "layers": depth, "kernel_size": 3, "output_width": 30, **settings}
    ),
    "row-lstm": lambda spec, depth=2, **settings: pixel_rnn.build(
        spec, **{"layer": "row", "width": 24, "layers": depth, "kernel_size": 3, "output_width": 30, **settings}
    ),
    "diagonal-bilstm": lambda spec, depth=2, **settings: pixel_rnn.build(
        spec, **{"layer": "diagonal", "width": 24, "layers": depth, "kernel_size": 3, "output_width": 30, **settings}
    ),
}


def made_of(spec: Spec, name: str, **settings: Any) -> Any:
    """In float64 and evaluation mode, its weights far from where they start."""
    generator = torch.Generator().manual_seed(7)
    model: nn.Module = MODELS[name](spec, **settings)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = noise * (0.2 if parameter.dim() == 1 else 1.5 / parameter[0].numel() ** 0.5)
    return model.double().eval()


def every(spec: Spec) -> Tensor:
    """All of the support."""
    assert spec.levels is not None
    rows = torch.tensor(list(itertools.product(range(spec.levels), repeat=spec.num_dims)))
    return rows.view(-1, *spec.event_shape).to(torch.float64 if spec.kind == "binary" else torch.int64)


def sees(model: Any, spec: Spec) -> Tensor:
    """Which entries each conditional is a function of, by gradient: (D, D) in the order in which they are drawn."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(20, *spec.event_shape, generator=generator, dtype=torch.float64).mul(3).requires_grad_()
    raw = model.raw(x, None).unflatten(1, (spec.event_shape[0], -1)).sum(2).flatten(1)
    rows = [torch.autograd.grad(raw[:, i].sum(), x, retain_graph=True)[0] for i in range(spec.num_dims)]
    reached = torch.stack([row.abs().sum(0).flatten() > 0 for row in rows])
    order = model.order
    return reached[order][:, order]


def before(spec: Spec, seen: Callable[[int, int], bool]) -> Tensor:
    """(D, D): which of the entries before have a pixel that is `seen`, so many rows up and so many columns right."""
    channels, height, width = spec.event_shape
    place = list(itertools.product(range(height), range(width), range(channels)))
    return torch.tensor(
        [[b < a and seen(a[0] - b[0], b[1] - a[1]) for b in place] for a in place],
    )


@pytest.mark.parametrize("spec", [BITS, LEVELS, COLOURS], ids=["bits", "levels", "colours"])
@pytest.mark.parametrize("name", MODELS)
def test_the_probabilities_of_the_whole_support_sum_to_one(name: str, spec: Spec) -> None:
    log_prob = made_of(spec, name).log_prob(every(spec))
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert log_prob.std() > 0.1  # a uniform table would also sum to one


@pytest.mark.parametrize("spec", [BITS, COLOURS], ids=["bits", "colours"])
@pytest.mark.parametrize("name", MODELS)
def test_a_conditional_sees_every_entry_before_and_no_other(name: str, spec: Spec) -> None:
    seen = sees(made_of(spec, name), spec)
    if name in ("pixelcnn", "row-lstm"):
        assert torch.equal(seen, before(spec, lambda up, right: right <= up))
    else:
        assert torch.equal(seen, torch.ones_like(seen).tril(-1))


def test_the_blind_spot_of_pixelcnn_and_none_of_the_gated_one() -> None:
    # Deep enough that only the shape of the kernels says what is seen.
    assert torch.equal(sees(made_of(LARGE, "pixelcnn", depth=7), LARGE), before(LARGE, lambda up, right: right <= up))
    wide = sees(made_of(LARGE, "pixelcnn", depth=7, kernel_size=5), LARGE)
    assert torch.equal(wide, before(LARGE, lambda up, right: right <= up + 1))
    gated = sees(made_of(LARGE, "gated-pixelcnn", depth=8), LARGE)
    assert torch.equal(gated, before(LARGE, lambda up, right: True))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_receptive_fields_grow_with_depth(depth: int) -> None:
    # The layer with mask A reaches one pixel, each further one one more.
    blocks = sees(made_of(LARGE, "pixelcnn", depth=depth), LARGE)
    assert torch.equal(blocks, before(LARGE, lambda up, right: up <= depth + 1 and -depth - 1 <= right <= up))
    gated = sees(made_of(LARGE, "gated-pixelcnn", depth=depth), LARGE)
    assert torch.equal(gated, before(LARGE, lambda up, right: up <= depth and abs(right) <= depth))


@pytest.mark.parametrize("spec", [BITS, LEVELS, COLOURS, Spec((3, 3, 4), "8-bit", levels=256)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_one_pixel_after_another_gives_what_a_whole_pass_gives(name: str, spec: Spec) -> None:
    model = made_of(spec, name)
    torch.manual_seed(1)
    x = model.sample(5)
    model.walk = MethodType(Autoregressive.walk, model)
    torch.manual_seed(1)
    assert torch.equal(x, model.sample(5))


@pytest.mark.parametrize("name", MODELS)
def test_what_x_is_given(name: str) -> None:
    spec = Spec((3, 3, 3), "binary", levels=2, conditions=("a", "b"))
    model = made_of(spec, name, given="vector")
    torch.manual_seed(0)
    y, x = torch.randn(4, 2, dtype=torch.float64), torch.bernoulli(torch.full((4, 3, 3, 3), 0.5).double())
    log_prob = bound_to(model, Batch(x, y)).log_prob(x)
    assert (log_prob - bound_to(model, Batch(x, y + 1)).log_prob(x)).abs().mean() > 0.1
    torch.testing.assert_close(log_prob[2:3], model.given(y[2]).log_prob(x[2:3]))
    torch.manual_seed(1)
    drawn = model.given(y).sample(3)
    model.density.walk = MethodType(Autoregressive.walk, model.density)
    torch.manual_seed(1)
    assert torch.equal(drawn, model.given(y).sample(3))


@pytest.mark.parametrize("name", MODELS)
def test_the_lower_half_of_an_image_is_drawn_given_the_upper(name: str) -> None:
    spec = Spec((3, 2, 2), "binary", levels=2)
    model, x = made_of(spec, name), every(spec)
    upper = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    given = torch.stack([upper, torch.full_like(upper, torch.nan)], 1)
    candidates = x[(x[:, :, 0] == upper).flatten(1).all(1)]
    expected = model.log_prob(candidates).softmax(0).detach().numpy()
    torch.manual_seed(0)
    drawn = model.sample(4000, given=given)
    assert (drawn[:, :, 0] == upper).all()
    powers = 2 ** torch.arange(5, -1, -1)
    counts = (drawn[:, :, 1].flatten(1).long() @ powers).bincount(minlength=64).numpy()
    order = expected.argsort()
    cells = np.minimum((expected[order].cumsum() * 4000 / 20).astype(int), 199)  # of at least 20 expected draws or so
    observed, law = (np.bincount(cells, values[order])[np.unique(cells)] for values in (counts, expected * 4000))
    assert stats.chisquare(observed, law).pvalue > 0.01
    with pytest.raises(JensenError, match="draws before it"):
        model.sample(2, given=given.flip(1))


@pytest.mark.parametrize("name", MODELS)
def test_it_starts_from_the_shares_of_the_data(name: str) -> None:
    model = MODELS[name](Spec((3, 4, 4), "binary", levels=2))
    x = torch.bernoulli(torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(500, 3, 4, 4))
    model.initialize(x)
    shares = (x.mean((0, 2, 3)) * 8000 + 1) / 8002
    torch.testing.assert_close(model.bias.sigmoid(), shares)


def refused(name: str, words: str, spec: Spec = LARGE, **settings: Any) -> None:
    with pytest.raises(JensenError, match=re.escape(words)) as caught:
        MODELS[name](spec, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_bad_input_is_refused_with_a_remedy(name: str) -> None:
    refused(name, "got x of shape (12,): reshape it, or choose made", Spec((12,), "binary"))
    refused(name, "(1 or 3, height, width), got x of shape (2, 4, 4)", Spec((2, 4, 4), "binary"))
    refused(name, "got kind 'unit': binarise grey values", Spec((1, 4, 4), "unit"))
    refused(name, "2 to 256 levels, got 300", Spec((1, 4, 4), "categorical", levels=300))
    refused(name, "kernel_size must be odd, so that a pixel is in its middle, got 4: set 5", kernel_size=4)
    refused(name, "7 x 7 is too small for a kernel that sees 7 pixels to each side: set kernel_size=13", kernel_size=15)
    refused(name, "1 x 9 is too small", Spec((1, 1, 9), "binary"), kernel_size=1)
    refused(name, "width must be at least 3 for 3 channels, got 2", COLOURS, width=2)
    refused(name, "must be at least 1 for 1 channels, got 0", depth=0)
    model = MODELS[name](LEVELS)
    with pytest.raises(JensenError, match="whole numbers from 0 to 3, got values from 0 to 4"):
        model.log_prob(torch.tensor([[[[0, 1], [2, 4]]]]))
    with pytest.raises(JensenError, match="expected a batch of x of shape"):
        model.log_prob(torch.zeros(2, 4))


def test_evaluation_goes_by_a_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec((3, 3, 3), "binary", levels=2, conditions=("a",))
    model, y = made_of(spec, "gated-pixelcnn", given="vector"), torch.randn(7, 1, dtype=torch.float64)
    x = torch.bernoulli(torch.full((7, 3, 3, 3), 0.5, dtype=torch.float64))
    whole = model.given(y).log_prob(x)
    monkeypatch.setattr(pixels, "_PIXELS", 20)  # two images
    with torch.no_grad():
        torch.testing.assert_close(model.given(y).log_prob(x), whole)
