"""What holds of every autoregressive model, whatever its network."""

from __future__ import annotations

import itertools
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
from jensen.models.autoregressive import fvsbn, made, nade
from jensen.models.autoregressive.base import Autoregressive, tempered
from jensen.models.autoregressive.entrywise import Entrywise
from jensen.models.base import bound_to

Build = Callable[..., Any]

BITS = Spec((2, 5), "binary", levels=2)
DIGITS = Spec((4,), "categorical", levels=4)
BYTES = Spec((3,), "8-bit", levels=256)
REAL = Spec((3,), "real")

MODELS: dict[str, Build] = {
    "fvsbn": fvsbn.build,
    "nade": lambda spec, **settings: nade.build(spec, hidden=7, **settings),
    "made": lambda spec, **settings: made.build(spec, hidden=(30, 25), direct=True, **settings),
    "made, no hidden layer": lambda spec, **settings: made.build(spec, hidden=(), **settings),
}
ORDERINGS = {"natural": {}, "random": {"ordering": "random", "ordering_seed": 3}}
CASES = [(name, ordering) for name in MODELS for ordering in ORDERINGS]
SEVERAL = {"ordering": "random", "num_orderings": 3}


def stirred(model: nn.Module) -> Any:
    """In float64 and evaluation mode, its weights far from where they start."""
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data = 2 * parameter.data.double()
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model.double().eval()


def made_of(spec: Spec, name: str, ordering: str = "natural", **settings: Any) -> Any:
    return stirred(MODELS[name](spec, **ORDERINGS[ordering], **settings))


def every(spec: Spec) -> Tensor:
    """All of the support, in lexicographic order."""
    assert spec.levels is not None
    rows = torch.tensor(list(itertools.product(range(spec.levels), repeat=spec.num_dims)))
    return rows.view(-1, *spec.event_shape).to(torch.float64 if spec.kind == "binary" else torch.int64)


def counts_of(draws: Tensor, spec: Spec) -> np.ndarray:
    """How often each row of `every` was drawn."""
    assert spec.levels is not None
    powers = spec.levels ** torch.arange(spec.num_dims).flip(0)
    return (draws.flatten(1).long() @ powers).bincount(minlength=spec.levels**spec.num_dims).numpy()


@pytest.mark.parametrize("spec", [BITS, DIGITS], ids=lambda spec: spec.kind)
@pytest.mark.parametrize(("name", "ordering"), CASES)
def test_the_probabilities_of_the_whole_support_sum_to_one(name: str, ordering: str, spec: Spec) -> None:
    log_prob = made_of(spec, name, ordering).log_prob(every(spec))
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert log_prob.std() > 0.1  # a uniform table would also sum to one


@pytest.mark.parametrize("name", ["fvsbn", "nade", "made"])
def test_categories_may_enter_as_numbers(name: str) -> None:
    model = made_of(DIGITS, name, categories="numbers")
    log_prob = model.log_prob(every(DIGITS))
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert log_prob.std() > 0.1
    entered = model.head.features(torch.arange(4), torch.float64)[:, 0]
    torch.testing.assert_close(entered, torch.tensor([-1, -1 / 3, 1 / 3, 1], dtype=torch.float64))


@pytest.mark.parametrize("spec", [BITS, DIGITS], ids=lambda spec: spec.kind)
def test_orderings_are_averaged_as_probabilities(spec: Spec) -> None:
    model, x = stirred(made.build(spec, hidden=(30,), **SEVERAL)), every(spec)
    each = torch.stack([model.conditionals(x, None, k).log_prob(x).flatten(1).sum(1) for k in range(3)])
    torch.testing.assert_close(each.logsumexp(1), torch.zeros(3).double())
    torch.testing.assert_close(model.log_prob(x).exp(), each.exp().mean(0))
    assert model.log_prob(x).logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    # Averaged one by one, the conditionals of several orderings are those of no density.
    mixed = torch.stack([model.conditionals(x, None, k).log_prob(x).exp() for k in range(3)]).mean(0)
    assert abs(mixed.log().flatten(1).sum(1).logsumexp(0).item()) > 1e-5


@pytest.mark.parametrize("spec", [BITS, DIGITS, BYTES, REAL], ids=lambda spec: spec.kind)
@pytest.mark.parametrize(("name", "ordering"), [*CASES, ("several", "random")])
def test_each_conditional_depends_on_exactly_what_comes_before_it(name: str, ordering: str, spec: Spec) -> None:
    if name == "several":
        model = stirred(made.build(spec, hidden=(30,), activation="elu", **SEVERAL))
    else:
        model = made_of(spec, name, ordering)
    dims, num_features = spec.num_dims, model.head.num_features
    features = torch.rand(1, dims, num_features, dtype=torch.float64, requires_grad=True)
    for k, order in enumerate(model.orders):
        raw = model.raw(features, None, k)[0]
        gradients = [torch.autograd.grad(of.square().sum(), features, retain_graph=True)[0] for of in raw]
        reached = torch.stack(gradients)[:, 0].abs().sum(-1)
        place = order.argsort()
        allowed = place[None, :] < place[:, None]
        assert allowed.sum() == dims * (dims - 1) // 2
        assert reached[~allowed].eq(0).all()
        assert reached[allowed].ne(0).all()


@pytest.mark.parametrize("spec", [BITS, DIGITS, BYTES, REAL], ids=lambda spec: spec.kind)
@pytest.mark.parametrize(("name", "ordering"), [*CASES, ("several", "random")])
def test_entry_by_entry_the_same_is_drawn_under_the_same_noise(name: str, ordering: str, spec: Spec) -> None:
    if name == "several":
        model = stirred(made.build(spec, hidden=(30,), direct=True, **SEVERAL))
    else:
        model = made_of(spec, name, ordering)
    torch.manual_seed(5)
    fast = model.sample(40)
    model.walk = MethodType(Autoregressive.walk, model)  # a whole pass for each entry
    torch.manual_seed(5)
    slow = model.sample(40)
    assert fast.shape == (40, *spec.event_shape)
    assert fast.dtype == (torch.int64 if spec.levels not in (2, None) else torch.float64)
    torch.testing.assert_close(fast, slow, rtol=1e-10 if spec.kind == "real" else 0, atol=0)


@pytest.mark.parametrize("spec", [Spec((5,), "binary", levels=2), Spec((1, 3), "categorical", levels=3)])
@pytest.mark.parametrize("name", [*MODELS, "several"])
def test_samples_have_the_model_s_frequencies(name: str, spec: Spec) -> None:
    settings = {"ordering": "random", "ordering_seed": 1}
    model = stirred(made.build(spec, hidden=(30,), **SEVERAL) if name == "several" else MODELS[name](spec, **settings))
    draws = model.sample(20_000)
    assert not draws.requires_grad
    expected = model.log_prob(every(spec)).exp().detach().numpy() * len(draws)
    assert stats.chisquare(counts_of(draws, spec), expected).pvalue > 1e-4
    # And the test would see the difference to another model.
    uniform = np.full_like(expected, len(draws) / len(expected))
    assert stats.chisquare(counts_of(draws, spec), uniform).pvalue < 1e-4


def test_a_temperature_divides_the_logits() -> None:
    spec = Spec((4,), "binary", levels=2)
    model, x = made_of(spec, "nade"), every(spec)
    expected = tempered(model.conditionals(x), 0.5).log_prob(x).sum(1).exp().detach().numpy() * 20_000
    assert stats.chisquare(counts_of(model.sample(20_000, 0.5), spec), expected).pvalue > 1e-4
    assert stats.chisquare(counts_of(model.sample(20_000, 1.0), spec), expected).pvalue < 1e-4
    with pytest.raises(JensenError, match=r"temperature must be above 0, got 0\.0"):
        model.sample(1, 0.0)


@pytest.mark.parametrize("name", MODELS)
def test_mixtures_of_gaussians_integrate_to_one(name: str) -> None:
    grid = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    one = made_of(Spec((1,), "real"), name, num_components=4, scale_floor=0.1)
    assert torch.trapezoid(one.log_prob(grid[:, None]).exp(), grid).item() == pytest.approx(1.0, abs=1e-3)
    two = made_of(Spec((2,), "real"), name, "random", num_components=3, scale_floor=0.3)
    coarse = torch.linspace(-30, 30, 401, dtype=torch.float64)
    density = two.log_prob(torch.cartesian_prod(coarse, coarse)).exp().view(401, 401)
    assert torch.trapezoid(torch.trapezoid(density, coarse), coarse).item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_the_density_of_a_mixture_is_scipy_s(name: str) -> None:
    model = made_of(REAL, name, num_components=3, scale_floor=0.05)
    x = torch.randn(6, 3, dtype=torch.float64)
    law = model.conditionals(x)
    weights, loc, scale = (
        value.detach().numpy()
        for value in (law.mixture_distribution.probs, law.component_distribution.loc, law.component_distribution.scale)
    )
    assert scale.min() > 0.05
    density = (weights * stats.norm.pdf(x.numpy()[..., None], loc, scale)).sum(-1)
    torch.testing.assert_close(model.log_prob(x), torch.from_numpy(np.log(density).sum(1)))
    cooler = tempered(law, 0.25)
    torch.testing.assert_close(cooler.component_distribution.scale, law.component_distribution.scale / 2)


def test_draws_of_a_mixture_follow_its_density() -> None:
    model = made_of(Spec((1,), "real"), "nade", num_components=3)
    law = model.conditionals(torch.zeros(1, 1).double())
    parts = (law.mixture_distribution.probs, law.component_distribution.loc, law.component_distribution.scale)
    weights, loc, scale = (value.detach().numpy().ravel() for value in parts)
    draws = model.sample(5000)[:, 0].numpy()
    assert stats.kstest(draws, lambda x: (weights * stats.norm.cdf(x[:, None], loc, scale)).sum(1)).pvalue > 1e-4


@pytest.mark.parametrize("name", [*MODELS, "several"])
def test_a_row_given_in_part_is_completed_by_the_conditional(name: str) -> None:
    spec = Spec((5,), "binary", levels=2)
    settings: dict[str, Any] = {"ordering": "2,0,4,1,3"}
    model = stirred(made.build(spec, hidden=(30,)) if name == "several" else MODELS[name](spec, **settings))
    if name == "several":  # two orderings, both of which begin with what is given
        model.order = torch.tensor([[2, 0, 4, 1, 3], [0, 2, 3, 4, 1]])
    given = torch.tensor([1.0, torch.nan, 0.0, torch.nan, torch.nan])
    draws = model.sample(20_000, given=given)
    assert draws[:, 0].eq(1).all()
    assert draws[:, 2].eq(0).all()
    x = every(spec)
    agrees = (x[:, 0] == 1) & (x[:, 2] == 0)
    expected = model.log_prob(x[agrees]).softmax(0).detach().numpy() * len(draws)
    assert stats.chisquare(counts_of(draws, spec)[agrees.numpy()], expected).pvalue > 1e-4


def test_each_draw_may_complete_a_row_of_its_own() -> None:
    model = made_of(DIGITS, "made")
    given = torch.tensor([[1.0, 3.0, torch.nan, torch.nan], [2.0, torch.nan, torch.nan, torch.nan]])
    draws = model.sample(2, given=given)
    assert draws[:, 0].tolist() == [1, 2]
    assert int(draws[0, 1]) == 3
    real = made_of(REAL, "fvsbn").sample(4, given=torch.tensor([0.5, torch.nan, torch.nan]))
    assert real[:, 0].tolist() == [0.5] * 4
    assert real[:, 1].unique().numel() == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([float("nan"), 1.0, float("nan"), float("nan")], "entry 1 is given and entry 0, which the model draws before"),
        ([1.0, float("nan")], r"given needs the shape \(4,\) or \(3, 4\), got \(2,\)"),
        ([7.0, float("nan"), float("nan"), float("nan")], "whole numbers from 0 to 3, got values from 7 to 7"),
    ],
)
def test_what_cannot_be_completed_is_refused(given: list[float], message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        made_of(DIGITS, "nade").sample(3, given=torch.tensor(given))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MODELS)
def test_given_a_label_each_is_a_density_of_its_own(name: str) -> None:
    spec = Spec((2, 3), "binary", levels=2, num_classes=3)
    model, x = made_of(spec, name, "random", given="label"), every(spec)
    labels = torch.arange(3)[:, None]
    log_prob = model.given(labels).log_prob(x)
    assert log_prob.shape == (3, 64)
    torch.testing.assert_close(log_prob.logsumexp(1), torch.zeros(3).double())
    assert (log_prob[0] - log_prob[1]).abs().max() > 0.1
    y = torch.arange(64) % 3
    batch = Batch(x, y)
    torch.testing.assert_close(bound_to(model, batch).log_prob(x), log_prob[y, torch.arange(64)])
    torch.testing.assert_close(model.log_prob(x, y), log_prob[y, torch.arange(64)])
    draws = model.given(torch.tensor(1)).sample(20_000)
    expected = log_prob[1].exp().detach().numpy() * len(draws)
    assert stats.chisquare(counts_of(draws, spec), expected).pvalue > 1e-4
    assert model.sample(5).shape == (5, 2, 3)
    assert model.given(torch.tensor([0, 2])).sample(4).shape == (4, 2, 2, 3)
    row = torch.full((2, 3), torch.nan)
    assert model.given(torch.tensor([0, 2])).sample(1, given=row).shape == (1, 2, 2, 3)


@pytest.mark.parametrize("name", MODELS)
def test_given_a_vector_x_moves_with_it(name: str) -> None:
    spec = Spec((2,), "real", conditions=("a", "b"))
    model = made_of(spec, name, given="vector")
    assert not hasattr(model, "sample")  # there is no p(y)
    y, x = torch.randn(50, 2).double(), torch.randn(50, 2).double()
    model.initialize(x, y)
    law = bound_to(model, Batch(x, y))
    assert law.log_prob(x).shape == (50,)
    assert not torch.allclose(law.log_prob(x), model.given(y.flip(0)).log_prob(x))
    assert model.given(y[0]).sample(7).shape == (7, 2)


@pytest.mark.parametrize("name", MODELS)
def test_before_training_it_says_what_each_entry_has(name: str) -> None:
    x = (torch.rand(40, 2, 5) < 0.2).float()
    model = MODELS[name](BITS)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.initialize(x)
    shares = (x.sum(0) + 1) / (len(x) + 2)
    expected = torch.distributions.Bernoulli(shares).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(model.log_prob(x), expected)
    rows = torch.tensor([[0, 1, 3, 3], [0, 2, 2, 1]])
    digits = MODELS[name](DIGITS)
    digits.initialize(rows)
    torch.testing.assert_close(digits.bias[0].softmax(0), torch.tensor([3.0, 1.0, 1.0, 1.0]) / 6)
    values = 3 + 2 * torch.randn(500, 3)
    real = MODELS[name](REAL, num_components=5)
    for parameter in real.parameters():
        parameter.data.zero_()
    real.initialize(values)
    law = real.conditionals(values[:1])
    deviation, mean = torch.std_mean(values, 0, correction=0)
    torch.testing.assert_close(law.mean[0], mean)
    torch.testing.assert_close(law.component_distribution.scale[0], (deviation[:, None] + 0.01).expand(3, 5))


@pytest.mark.parametrize("name", MODELS)
def test_likelihood_is_summed_in_full_precision_under_autocast(name: str) -> None:
    model = MODELS[name](DIGITS)
    x = model.sample(64)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.log_prob(x)
    assert half.dtype == torch.float32
    assert (half - model.log_prob(x)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        (Spec((3,), "unit"), {}, "got kind 'unit': binarise grey values"),
        (Spec((3,), "count"), {}, "got kind 'count'"),
        (Spec((3,), "categorical"), {}, "2 to 256 categories, got None"),
        (Spec((3,), "categorical", levels=1), {}, "2 to 256 categories, got 1"),
        (Spec((3,), "categorical", levels=257), {}, "2 to 256 categories, got 257"),
        (REAL, {"num_components": 0}, "num_components must be at least 1"),
        (REAL, {"scale_floor": -1.0}, "scale_floor at least 0"),
        (BITS, {"ordering": "naturel"}, "did you mean 'natural'"),
        (REAL, {"ordering": "0,0,1"}, "ordering=0,0,1 is no permutation of the 3 entries: name each of 0 to 2 once"),
        (REAL, {"ordering": "1,2,3"}, "no permutation"),
        (REAL, {"ordering": "0,1"}, "no permutation"),
        (BITS, {"given": "label"}, "given=label needs data with labels"),
        (BITS, {"given": "vector"}, "given=vector needs columns"),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_be_modelled_is_refused_in_one_line(
    name: str, spec: Spec, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(JensenError, match=message) as error:
        MODELS[name](spec, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "x", "message"),
    [
        (DIGITS, torch.tensor([[0, 1, 2, 4]]), "whole numbers from 0 to 3, got values from 0 to 4"),
        (DIGITS, torch.tensor([[0, 1, -1, 3]]), "got values from -1 to 3"),
        (DIGITS, torch.tensor([[0.5, 1, 2, 3]]), r"got values from 0\.5 to 3"),
        (BITS, torch.full((1, 2, 5), 0.5), r"bits, 0 or 1, got values from 0\.5 to 0\.5: binarise x"),
        (BITS, torch.full((1, 2, 5), torch.nan), "bits, 0 or 1, got values from nan to nan"),
        (REAL, torch.tensor([[0.0, torch.nan, 1.0]]), "missing or not finite"),
        (BITS, torch.zeros(3, 10), r"expected .* shape \(2, 5\) each, got .* shape \(3, 10\)"),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_x_that_it_is_not_of_is_refused(name: str, spec: Spec, x: Tensor, message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        MODELS[name](spec).log_prob(x)
    assert "\n" not in str(error.value)


def test_one_entry_is_a_table() -> None:
    for build in MODELS.values():
        model = build(Spec((1,), "binary", levels=2))
        assert isinstance(model, Entrywise)
        assert model.log_prob(torch.tensor([[0.0], [1.0]])).exp().sum().item() == pytest.approx(1.0, abs=1e-6)
        assert model.sample(3).shape == (3, 1)
