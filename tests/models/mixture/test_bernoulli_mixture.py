from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.inference.em import em
from jensen.models.mixture.bernoulli import BernoulliMixture, build


def made_of(weights: list[float], means: Tensor) -> BernoulliMixture:
    model = build(Spec((means.shape[1],), "binary"), num_components=len(weights))
    model.weights.copy_(torch.tensor(weights, dtype=torch.float64))
    model.means.copy_(means)
    return model


def randomised(dims: int, components: int) -> BernoulliMixture:
    weights = torch.rand(components, dtype=torch.float64).softmax(0)
    return made_of(weights.tolist(), torch.rand(components, dims, dtype=torch.float64))


def simulated(num: int, dims: int, components: int) -> Tensor:
    means = torch.rand(components, dims, dtype=torch.float64)
    return torch.bernoulli(means[torch.randint(components, (num,))])


def all_bits(dims: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=dims)), dtype=torch.float64)


FOUR = torch.tensor([[1, 1], [1, 0], [0, 0], [1, 1]], dtype=torch.float64)


def test_em_by_hand() -> None:
    model = made_of([0.5, 0.5], torch.tensor([[0.8, 0.6], [0.3, 0.2]], dtype=torch.float64))
    first = model.e_step(FOUR).exp()[:, 0]
    torch.testing.assert_close(first, torch.tensor([8 / 9, 4 / 7, 1 / 8, 8 / 9]).double(), rtol=1e-7, atol=0)
    values = em(model, FOUR, max_steps=3).bound
    expected = torch.tensor([-5.031066599, -4.4372168936, -4.2730158941, -4.1971365565], dtype=torch.float64)
    torch.testing.assert_close(4 * values, expected, rtol=0, atol=1e-9)
    values = em(model, FOUR, max_steps=300, tolerance=0.0).bound
    assert values.isfinite().all()
    assert 4 * values[-1].item() == pytest.approx(2 * math.log(0.5) + 2 * math.log(0.25), abs=1e-9)


def test_one_step_by_hand() -> None:
    model = made_of([0.5, 0.5], torch.tensor([[0.8, 0.6], [0.3, 0.2]], dtype=torch.float64))
    em(model, FOUR, max_steps=1)
    expected = torch.tensor([[1184 / 1247, 896 / 1247], [328 / 769, 112 / 769]], dtype=torch.float64)
    assert model.weights.tolist() == pytest.approx([1247 / 2016, 769 / 2016], abs=1e-9)
    torch.testing.assert_close(model.means, expected, rtol=0, atol=1e-7)


def test_one_component_is_the_column_means() -> None:
    model = build(Spec((2,), "binary"), num_components=1)
    model.initialize(FOUR)
    assert 4 * em(model, FOUR).bound[-1].item() == pytest.approx(-5.0219293007, abs=1e-9)


def test_the_likelihood_never_falls() -> None:
    x = simulated(10_000, 64, 10)
    model = build(Spec((64,), "binary"), num_components=10)
    model.initialize(x)
    gains = em(model, x, max_steps=50, tolerance=0.0).bound.diff() * len(x)
    assert len(gains) == 50
    assert gains.min() >= -1e-9
    assert gains.sum() > 100


@pytest.mark.parametrize("dims", [3, 10])
def test_probabilities_sum_to_one(dims: int) -> None:
    model = randomised(dims, 4)
    model.means[0, :2] = torch.tensor([0.0, 1.0])
    assert model.log_prob(all_bits(dims)).exp().sum().item() == pytest.approx(1.0, abs=1e-12)


def test_samples_have_the_model_s_frequencies() -> None:
    model = randomised(6, 3)
    draws = model.sample(20_000)
    assert draws.dtype == torch.float32
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    cells = (draws @ 2.0 ** torch.arange(5, -1, -1)).long().bincount(minlength=64)
    expected = 20_000 * model.log_prob(all_bits(6)).exp()
    assert stats.chisquare(cells.numpy(), expected.numpy()).pvalue > 1e-3


def test_a_certain_bit_is_no_obstacle() -> None:
    model = made_of([0.4, 0.6], torch.tensor([[0.0, 1.0, 0.3], [0.5, 1.0, 0.0]], dtype=torch.float64))
    x = torch.tensor([[0, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]], dtype=torch.float64)
    expected = torch.tensor([0.4 * 0.3, 0.6 * 0.5, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(model.log_prob(x), expected.log(), rtol=1e-12, atol=1e-12)
    responsibilities = model.e_step(x).exp()
    torch.testing.assert_close(responsibilities[:2], torch.eye(2).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(responsibilities[2:], model.weights.expand(2, 2), rtol=0, atol=1e-12)
    value = model.expected_log_joint(x[:2], model.e_step(x[:2]))
    torch.testing.assert_close(value, expected[:2].log(), rtol=1e-12, atol=1e-12)


def test_columns_that_never_vary_are_never_nan() -> None:
    x = torch.cat([torch.ones(300, 2), torch.zeros(300, 2), simulated(300, 6, 3).float()], 1)
    model = build(Spec((10,), "binary"), num_components=5)
    model.initialize(x)
    result = em(model, x, max_steps=200)
    assert result.bound.isfinite().all()
    assert result.bound.diff().min() >= -1e-12
    assert model.means[:, 2:4].equal(torch.zeros(5, 2).double())
    torch.testing.assert_close(model.means[:, :2], torch.ones(5, 2).double(), rtol=0, atol=1e-12)
    assert model.means.max() <= 1


def test_missing_bits_are_summed_out() -> None:
    model = randomised(5, 3)
    x = simulated(20, 5, 3)
    gone = torch.rand(20, 5) < 0.4
    gone[0] = True
    whole = all_bits(5)
    joint = model.log_prob(whole).exp()
    for row, absent, value in zip(x, gone, model.log_prob(torch.where(gone, torch.nan, x)), strict=True):
        agrees = ((whole == row) | absent).all(1)
        assert value.item() == pytest.approx(joint[agrees].sum().log().item(), abs=1e-12)


def test_em_with_missing_bits_is_em_on_the_bits_that_are_there() -> None:
    x = simulated(500, 8, 3)
    holes = torch.where(torch.rand(500, 8) < 0.3, torch.nan, x)
    model = build(Spec((8,), "binary"), num_components=3)
    model.initialize(holes)
    r = model.e_step(holes).exp()
    model.m_step(holes, r.log())
    there = (~holes.isnan()).double()
    expected = (r.T @ holes.nan_to_num()) / (r.T @ there)
    torch.testing.assert_close(model.means, expected, rtol=1e-12, atol=1e-12)
    assert em(model, holes, max_steps=100).bound.diff().min() >= -1e-12


def test_a_pseudocount_climbs_to_the_mode_of_the_posterior() -> None:
    x = simulated(40, 6, 2)
    model = build(Spec((6,), "binary"), num_components=3, pseudocount=0.5)
    model.initialize(x)
    result = em(model, x, max_steps=2000, tolerance=1e-13)
    assert result.bound.diff().min() >= -1e-12
    _, figures = model.e_step_and_bound(x)
    assert list(figures) == ["penalised_log_prob", "log_prob"]
    prior = stats.beta(1.5, 1.5).logpdf(model.means.numpy()).sum()
    assert model.log_parameter_prior() is not None
    assert figures["penalised_log_prob"].item() == pytest.approx(figures["log_prob"].item() + prior / len(x), abs=1e-10)
    # At the mode no mean can be moved without loss.
    means = model.means.clone().requires_grad_()
    log_joint = model.weights.log() + x @ means.log().T + (1 - x) @ (1 - means).log().T
    objective = log_joint.logsumexp(1).sum() + 0.5 * (means.log() + (1 - means).log()).sum()
    (gradient,) = torch.autograd.grad(objective, means)
    assert gradient.abs().max() < 1e-3


@pytest.mark.parametrize("pseudocount", [0.0, 0.5])
def test_a_component_without_rows(pseudocount: float) -> None:
    x = simulated(50, 4, 2)
    model = build(Spec((4,), "binary"), num_components=3, pseudocount=pseudocount)
    model.initialize(x)
    model.weights.copy_(torch.tensor([0.5, 0.5, 0.0]))
    place = model.means[2].clone()
    em(model, x, max_steps=5)
    assert model.weights[2] == 0
    expected = place if pseudocount == 0 else torch.full((4,), 0.5).double()
    torch.testing.assert_close(model.means[2], expected, rtol=0, atol=0)
    assert model.e_step(x).exp().isfinite().all()


def test_the_start_is_a_function_of_torch_s_seed() -> None:
    x = simulated(100, 6, 3)
    starts = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build(Spec((6,), "binary"), num_components=4)
        model.initialize(x)
        starts.append(model.means.clone())
    assert starts[0].equal(starts[1])
    assert not starts[0].equal(starts[2])
    assert len(starts[0].unique(dim=0)) == 4


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (Spec((2,), "real"), {}, "got kind 'real'"),
        (Spec((1,), "binary"), {}, "of a single bit is one Bernoulli"),
        (Spec((2,), "binary"), {"num_components": 0}, "num_components must be at least 1, got 0"),
        (Spec((2,), "binary"), {"pseudocount": -1.0}, "pseudocount must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_a_bernoulli_mixture_is_refused_in_one_line(spec: Spec, options: dict, message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        build(spec, **options)
    assert "\n" not in str(error.value)


def test_fewer_distinct_rows_than_components_are_refused() -> None:
    with pytest.raises(JensenError, match="5 components needs as many distinct rows, got 3: lower num_components"):
        build(Spec((2,), "binary"), num_components=5).initialize(FOUR)


def test_dna(jensen_data: Path) -> None:
    """The published figure is -98.19, with a standard error of 0.2; the preset was chosen on the validation part."""
    split = jensen.data.load("dna")
    torch.manual_seed(0)
    model = build(split.spec, num_components=8, pseudocount=0.5)
    x, test = (part.to(dtype=torch.float64).all().x for part in (split.train, split.test))
    model.initialize(x)
    em(model, x, max_steps=30)
    value = model.log_prob(test).numpy()
    assert value.mean() > -98.19 - value.std() / np.sqrt(len(value))
