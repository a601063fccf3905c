from __future__ import annotations

import inspect
import itertools
from types import MethodType
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Bernoulli, Categorical

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.base import Autoregressive, cut
from jensen.models.autoregressive.transformer import build
from jensen.models.base import bound_to
from jensen.nets.attention import sinusoidal, turned

TOKENS = Spec((5,), "categorical", levels=3)
SPECS = {
    "tokens": TOKENS,
    "bits": Spec((1, 2, 3), "binary", levels=2),
    "colour": Spec((3, 1, 2), "categorical", levels=3),
}
POSITIONS = ("learned", "sinusoidal", "rotary")


def made_of(spec: Spec, **settings: Any) -> Any:
    """In float64 and evaluation mode, its weights far from where they start."""
    model = build(spec, **{"width": 8, "depth": 2, "heads": 2, **settings}).double().eval()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.7 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def every(spec: Spec) -> Tensor:
    rows = torch.tensor(list(itertools.product(range(spec.levels or 0), repeat=spec.num_dims)))
    return rows.view(-1, *spec.event_shape).to(torch.float64 if spec.kind == "binary" else torch.int64)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("name", SPECS)
def test_the_probabilities_of_the_whole_support_sum_to_one(name: str, positions: str) -> None:
    log_prob = made_of(SPECS[name], positions=positions).log_prob(every(SPECS[name]))
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert log_prob.std() > 0.1  # a uniform table would also sum to one


@pytest.mark.parametrize("positions", POSITIONS)
def test_each_conditional_depends_on_exactly_what_comes_before_it(positions: str) -> None:
    model = made_of(Spec((7,), "categorical", levels=4), positions=positions)
    embedded = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    raw = model.raw(embedded, None)[0]
    gradients = [torch.autograd.grad(of.square().sum(), embedded, retain_graph=True)[0] for of in raw]
    reached = torch.stack(gradients)[:, 0].abs().sum(-1)
    allowed = torch.arange(6)[None, :] < torch.arange(7)[:, None]
    assert reached[~allowed].eq(0).all()
    assert reached[allowed].gt(0).all()


def test_colours_are_drawn_pixel_by_pixel() -> None:
    spec = Spec((3, 2, 2), "8-bit", levels=256)
    model = made_of(spec)
    torch.manual_seed(0)
    x = torch.randint(256, (1, 3, 2, 2))
    before = model.conditionals(x).log_prob(x)
    x[0, 1, 0, 1] += 1 if x[0, 1, 0, 1] < 255 else -1  # green of the second pixel
    changed = model.conditionals(x).log_prob(x) != before
    assert changed.flatten().nonzero().flatten().tolist() == [2, 3, 5, 6, 7, 9, 10, 11]


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("name", SPECS)
def test_with_keys_and_values_kept_the_same_is_drawn(name: str, positions: str) -> None:
    spec = SPECS[name]
    model = made_of(spec, positions=positions)
    torch.manual_seed(5)
    fast = model.sample(60)
    torch.manual_seed(5)
    walk, pass_by_pass = model.walk(60), Autoregressive.walk(model, 60)
    logits = [next(walk).logits, next(pass_by_pass).logits]
    flat = fast.flatten(1)
    for i in model.orders[0].tolist()[:-1]:
        torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-9)
        logits = [each.send(flat[:, i]).logits for each in (walk, pass_by_pass)]
    torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-9)
    model.walk = MethodType(Autoregressive.walk, model)
    torch.manual_seed(5)
    assert model.sample(60).equal(fast)


def test_samples_have_the_model_s_frequencies() -> None:
    spec = Spec((3,), "categorical", levels=3)
    model = made_of(spec)
    torch.manual_seed(1)
    draws = model.sample(20_000) @ torch.tensor([9, 3, 1])
    expected = model.log_prob(every(spec)).exp().detach().numpy() * 20_000
    assert stats.chisquare(draws.bincount(minlength=27).numpy(), expected).pvalue > 1e-4


def test_of_x_given_its_label() -> None:
    spec = Spec((3,), "categorical", levels=3, num_classes=2)
    model = made_of(spec, given="label")
    x, y = every(spec), torch.tensor([0, 1])[:, None]
    each = model.given(y).log_prob(x)
    torch.testing.assert_close(each.logsumexp(1), torch.zeros(2).double())
    assert (each[0] - each[1]).abs().max() > 0.1
    torch.testing.assert_close(bound_to(model, Batch(x, y[0].expand(len(x)))).log_prob(x), each[0])
    assert model.sample(4, top_k=1).shape == (4, 3)
    torch.manual_seed(2)
    fast = model.given(torch.tensor(1)).sample(30)
    model.density.walk = MethodType(Autoregressive.walk, model.density)
    torch.manual_seed(2)
    assert model.given(torch.tensor(1)).sample(30).equal(fast)


def test_what_is_given_is_kept_and_the_rest_follows_it() -> None:
    model = made_of(TOKENS)
    given = torch.tensor([2.0, 1.0, *[torch.nan] * 3])
    torch.manual_seed(0)
    draws = model.sample(5000, given=given)
    assert draws[:, :2].eq(torch.tensor([2, 1])).all()
    x = every(TOKENS)
    log_prob = model.log_prob(x[(x[:, 0] == 2) & (x[:, 1] == 1)])
    expected = (log_prob - log_prob.logsumexp(0)).exp().detach().numpy() * 5000
    assert stats.chisquare((draws[:, 2:] @ torch.tensor([9, 3, 1])).bincount(minlength=27), expected).pvalue > 1e-4


def test_rotary_attention_sees_distances_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 6, dtype=torch.float64)
    angles = torch.arange(9)[:, None] * 1e4 ** (-torch.arange(0, 6, 2) / 6)
    turns = torch.stack([angles.cos(), angles.sin()]).double()
    products = turned(query.expand(9, 6), turns) @ turned(key.expand(9, 6), turns).T
    for distance in range(-8, 9):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))
    assert products.diagonal(1)[0] != pytest.approx(products.diagonal(-1)[0].item())


def test_waves_turn_by_a_fixed_matrix_from_place_to_place() -> None:
    waves = sinusoidal(12, 8).double()
    solution = torch.linalg.lstsq(waves[:-1], waves[1:]).solution
    torch.testing.assert_close(waves[:-1] @ solution, waves[1:], atol=1e-6, rtol=0)
    torch.testing.assert_close(waves.square().mean(1).sqrt(), torch.full((12,), 0.02).double(), rtol=1e-6, atol=0)


def test_it_starts_at_the_shares_of_the_levels() -> None:
    x = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 2, 1, 0]])
    model = build(TOKENS, width=8, depth=1, heads=2)
    model.initialize(x)
    shares = torch.tensor([7, 4, 2]) / 13  # each level counted once more than it occurs
    torch.testing.assert_close(model.conditionals(x).probs.mean((0, 1)), shares, atol=0.02, rtol=0)


def test_long_batches_are_scored_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made_of(TOKENS)
    whole = model.log_prob(every(TOKENS)).detach()
    monkeypatch.setattr("jensen.models.autoregressive.base._CHUNK_OUTPUTS", 7 * 15)
    with torch.no_grad():
        torch.testing.assert_close(model.log_prob(every(TOKENS)), whole)


def test_cuts_keep_the_likeliest_values() -> None:
    probs = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.7, 0.1, 0.1, 0.1]])
    whole = Categorical(probs=probs)
    assert cut(whole, None, None) is whole
    torch.testing.assert_close(cut(whole, 2, None).probs[0], torch.tensor([0, 2 / 3, 0, 1 / 3]))
    torch.testing.assert_close(cut(whole, None, 0.6).probs, torch.tensor([[0, 2 / 3, 0, 1 / 3], [1.0, 0, 0, 0]]))
    torch.testing.assert_close(cut(whole, None, 1.0).probs, probs)
    torch.testing.assert_close(cut(whole, 9, None).probs, probs)
    # The share of what top_k keeps, not of all, is what top_p counts.
    torch.testing.assert_close(cut(whole, 2, 0.66).probs[0], torch.tensor([0.0, 1, 0, 0]))
    bits = Bernoulli(probs=torch.tensor([0.2]))
    assert cut(bits, 1, None) is bits


def test_the_likeliest_value_alone_is_what_a_low_temperature_draws() -> None:
    model = made_of(TOKENS)
    greedy = model.sample(3, top_k=1)
    assert greedy.equal(model.sample(3, 1e-6))
    assert greedy.equal(model.sample(3, top_p=1e-9))
    assert greedy.eq(greedy[0]).all()


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        (Spec((4,), "real"), {}, "transformer needs bits, categories or 8-bit x, got kind 'real'"),
        (Spec((4,), "categorical"), {}, "at least 2 categories, got None"),
        (TOKENS, {"heads": 3, "width": 8}, "width=8 cannot be shared by 3 heads"),
        (TOKENS, {"heads": 8, "width": 8, "positions": "rotary"}, "width / heads = 1 is odd"),
        (TOKENS, {"heads": 1, "width": 7, "positions": "sinusoidal"}, "width=7 is odd"),
        (TOKENS, {"dropout": 1.0}, r"dropout is a share of the units in \[0, 1\)"),
        (TOKENS, {"depth": 0}, "width, depth and heads must be at least 1"),
    ],
)
def test_what_makes_no_transformer_is_refused(spec: Spec, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        inspect.unwrap(build)(spec, **settings)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tokens", {"top_k": 0}, "top_k must be at least 1, got 0"),
        ("tokens", {"top_p": 0.0}, r"top_p is a probability in \(0, 1\], got 0.0"),
        ("bits", {"top_k": 3}, "this model is of binary x"),
        (
            "tokens",
            {"given": torch.tensor([3.0, *[torch.nan] * 4])},
            "whole numbers from 0 to 2, got values from 3 to 3",
        ),
        ("tokens", {"given": torch.zeros(9)}, r"given needs the shape \(5,\)"),
    ],
)
def test_draws_that_cannot_be_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        made_of(SPECS[name]).sample(2, **options)
