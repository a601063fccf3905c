from __future__ import annotations

import itertools
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.base import Autoregressive
from jensen.models.autoregressive.wavenet import WaveNet, build
from jensen.models.base import bound_to

BITS = Spec((9,), "binary", levels=2)
DIGITS = Spec((5,), "categorical", levels=4)
SOUND = Spec((40,), "8-bit", levels=256, rate=8000)
SMALL = {"layers": 3, "channels": 5, "skip_channels": 6}


def stirred(model: nn.Module) -> Any:
    """In float64 and evaluation mode, its weights far from where they start."""
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data = 2 * parameter.data.double()
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model.double().eval()


def made_of(spec: Spec, **settings: Any) -> Any:
    torch.manual_seed(0)
    return stirred(build(spec, **{**SMALL, **settings}))


def every(spec: Spec) -> Tensor:
    """All of the support, in lexicographic order."""
    assert spec.levels is not None
    rows = torch.tensor(list(itertools.product(range(spec.levels), repeat=spec.num_dims)))
    return rows.double() if spec.kind == "binary" else rows


def counts_of(draws: Tensor, spec: Spec) -> np.ndarray:
    """How often each row of `every` was drawn."""
    assert spec.levels is not None
    powers = spec.levels ** torch.arange(spec.num_dims).flip(0)
    return (draws.long() @ powers).bincount(minlength=spec.levels**spec.num_dims).numpy()


def reached(model: WaveNet, time: int) -> Tensor:
    """By how much each sample moves the numbers of each conditional, (T conditionals, T samples)."""
    features = torch.rand(1, time, model.head.num_features, dtype=torch.float64, requires_grad=True)
    raw = model.raw(features)[0]
    gradients = [torch.autograd.grad(of.square().sum(), features, retain_graph=True)[0][0] for of in raw]
    return torch.stack(gradients).abs().sum(-1)


@pytest.mark.parametrize("stacks", [1, 2])
@pytest.mark.parametrize("spec", [BITS, DIGITS], ids=lambda spec: spec.kind)
def test_the_probabilities_of_the_whole_support_sum_to_one(spec: Spec, stacks: int) -> None:
    log_prob = made_of(spec, stacks=stacks).log_prob(every(spec))
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert log_prob.std() > 0.1  # a uniform table would also sum to one


@pytest.mark.parametrize("spec", [BITS, DIGITS, SOUND], ids=lambda spec: spec.kind)
@pytest.mark.parametrize(("layers", "stacks"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (2, 2), (3, 2), (3, 4)])
def test_each_sample_is_given_exactly_the_receptive_field_before_it(spec: Spec, layers: int, stacks: int) -> None:
    # So many rectified units that at no t all are off.
    model = made_of(spec, layers=layers, stacks=stacks, skip_channels=40)
    reach = stacks * (2**layers - 1) + 1
    if stacks == 1:
        assert reach == 2**layers
    assert model.receptive_field == reach
    time = torch.arange(40)
    before = time[:, None] - time
    seen = (before > 0) & (before <= reach)
    moved = reached(model, 40)
    assert moved[~seen].eq(0).all()
    assert moved[seen].ne(0).all()


def test_past_the_receptive_field_it_is_the_same_at_every_t() -> None:
    model = made_of(SOUND)  # sees 8 samples
    x = torch.randint(256, (3, 40))
    later = torch.cat([torch.randint(256, (3, 7)), x[:, :-7]], 1)
    logits, moved = model.conditionals(x).logits, model.conditionals(later).logits
    torch.testing.assert_close(moved[:, 15:], logits[:, 8:-7])
    assert not torch.allclose(moved[:, 7:15], logits[:, :8])


@pytest.mark.parametrize("given", ["none", "label", "vector"])
@pytest.mark.parametrize("spec", [BITS, DIGITS, SOUND], ids=lambda spec: spec.kind)
def test_queues_draw_what_whole_passes_draw(spec: Spec, given: str) -> None:
    told = {"label": {"num_classes": 3}, "vector": {"conditions": ("a", "b")}}.get(given, {})
    model = made_of(Spec(spec.event_shape, spec.kind, spec.levels, **told), stacks=2, given=given)
    y = None if given == "none" else torch.randn(30, model.condition.num_features).double()
    density = getattr(model, "density", model)
    torch.manual_seed(5)
    fast = density.sample(30, y=y)
    density.walk = MethodType(Autoregressive.walk, density)  # a whole pass for each sample
    torch.manual_seed(5)
    assert torch.equal(fast, density.sample(30, y=y))
    assert fast.shape == (30, *spec.event_shape)
    assert fast.dtype == (torch.float64 if spec.kind == "binary" else torch.int64)


def test_draws_have_the_model_s_frequencies() -> None:
    spec = Spec((5,), "binary", levels=2)
    model = made_of(spec)
    draws = model.sample(20_000)
    assert not draws.requires_grad
    expected = model.log_prob(every(spec)).exp().detach().numpy() * len(draws)
    assert stats.chisquare(counts_of(draws, spec), expected).pvalue > 1e-4
    assert stats.chisquare(counts_of(draws, spec), np.full_like(expected, len(draws) / 32)).pvalue < 1e-4


def test_a_beginning_is_gone_on_from_as_the_density_says() -> None:
    spec = Spec((5,), "binary", levels=2)
    model, x = made_of(spec), every(spec)
    draws = model.sample(20_000, given=torch.tensor([1.0, 0.0]))
    agrees = (x[:, 0] == 1) & (x[:, 1] == 0)
    expected = model.log_prob(x[agrees]).softmax(0).detach().numpy() * len(draws)
    counts = counts_of(draws, spec)
    assert counts[~agrees.numpy()].sum() == 0
    assert stats.chisquare(counts[agrees.numpy()], expected).pvalue > 1e-4
    rows = torch.randint(256, (3, 10))
    assert torch.equal(made_of(SOUND).sample(3, given=rows)[:, :10], rows)


def test_draws_may_be_of_any_length() -> None:
    model, x = made_of(SOUND), torch.randint(256, (2, 70))
    torch.manual_seed(1)
    long = model.sample(2, length=100, given=x)
    assert long.shape == (2, 100)
    assert torch.equal(long[:, :70], x)
    other = build_of_length(model, 100)
    torch.manual_seed(1)
    assert torch.equal(other.sample(2, given=x), long)
    assert model.sample(2, length=3).shape == (2, 3)
    # It leaves the model as it was.
    assert model.sample(2).shape == (2, 40)
    assert model.order.shape == (40,)
    labelled = made_of(Spec((40,), "8-bit", 256, 2))
    assert labelled.sample(2, length=50).shape == (2, 50)


def build_of_length(model: WaveNet, length: int) -> WaveNet:
    other = made_of(Spec((length,), "8-bit", levels=256))
    other.load_state_dict({**model.state_dict(), "order": torch.arange(length)})
    return other


def test_given_a_label_each_is_a_density_of_its_own() -> None:
    spec = Spec((6,), "binary", levels=2, num_classes=3)
    model, x = made_of(spec, given="label"), every(spec)
    log_prob = model.given(torch.arange(3)[:, None]).log_prob(x)
    torch.testing.assert_close(log_prob.logsumexp(1), torch.zeros(3).double())
    assert (log_prob[0] - log_prob[1]).abs().max() > 0.1
    y = torch.arange(64) % 3
    torch.testing.assert_close(bound_to(model, Batch(x, y)).log_prob(x), log_prob[y, torch.arange(64)])
    assert model.given(torch.tensor([0, 2])).sample(4, given=torch.ones(2), length=9).shape == (4, 2, 9)


def test_before_training_it_says_how_often_each_level_is_there() -> None:
    x = torch.tensor([[0, 1, 3, 3, 3], [0, 2, 2, 1, 3]])
    model = build(DIGITS, **SMALL)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.initialize(x)
    torch.testing.assert_close(model.conditionals(x).probs[0, 2], torch.tensor([3.0, 3.0, 3.0, 5.0]) / 14)
    bits = build(BITS, **SMALL)
    bits.initialize(torch.ones(2, 9))
    torch.testing.assert_close(bits.top[-1].bias, torch.tensor([19.0]).log())


def test_likelihood_is_summed_in_full_precision_under_autocast() -> None:
    model = build(DIGITS, **SMALL)
    x = model.sample(64)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.log_prob(x)
    assert half.dtype == torch.float32
    assert (half - model.log_prob(x)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        (Spec((1, 8, 8), "8-bit", 256), {}, r"sequences \(T,\).* of shape \(1, 8, 8\): choose pixelcnn or made"),
        (Spec((30, 2), "real"), {}, r"sequences \(T,\), .* got x of shape \(30, 2\): choose ar"),
        (Spec((13,), "real"), {}, "bits or levels, .* got kind 'real': choose made or nsf"),
        (Spec((13,), "unit"), {}, "got kind 'unit'"),
        (Spec((13,), "categorical"), {}, "2 to 256 categories, got None"),
        (SOUND, {"given": "label"}, "given=label needs data with labels"),
        *((SOUND, {name: 0}, f"{name} must be at least 1, got 0") for name in ("stacks", *SMALL)),
        (SOUND, {"layers": 21}, r"layers=21 see 2\^21 samples: choose 20 or fewer"),
    ],
)
def test_what_cannot_be_modelled_is_refused_in_one_line(spec: Spec, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        build(spec, **{**SMALL, **settings})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"given": torch.zeros(41)},
            "41 samples and the sequence 40: give fewer, or length=42 or more",
        ),
        ({"given": torch.zeros(9), "length": 8}, "the beginning has 9 samples and the sequence 8"),
        ({"given": torch.full((3,), 256)}, "whole numbers from 0 to 255, got values from 256 to 256"),
        ({"length": 0}, "length must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        made_of(SOUND).sample(2, **options)
    assert "\n" not in str(error.value)
