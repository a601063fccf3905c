from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import stats

from jensen.distributions.autoregressive import DRAWS, AutoregressiveBernoulli, Layers, masks

D = 8


def some_law(*batch: int, event_shape: tuple[int, ...] = (D,), units: int = 14) -> AutoregressiveBernoulli:
    generator = torch.Generator().manual_seed(0)
    dims = math.prod(event_shape)
    layers = Layers(*(mask * torch.randn(mask.shape, generator=generator) for mask in masks(dims, units)))
    hidden, middle = torch.randn(*batch, units, generator=generator), torch.randn(units, generator=generator)
    return AutoregressiveBernoulli(hidden, layers, middle, torch.randn(dims, generator=generator), event_shape)


EVERY = torch.tensor(list(itertools.product([0.0, 1.0], repeat=D)))


@pytest.mark.parametrize("units", [3, 14])
def test_sums_to_one_whatever_it_is_given(units: int) -> None:
    assert some_law(3, 1, units=units).log_prob(EVERY).exp().sum(-1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_an_entry_depends_on_all_before_it_and_on_none_after() -> None:
    law = some_law(1)
    before = torch.ones(D, D).tril(-1) > 0
    for x in EVERY[::16]:
        reached = torch.autograd.functional.jacobian(lambda x: law.conditionals(x[None])[0], x)
        assert (reached[~before] == 0).all()
    law.hidden += 1000  # now no rectifier is shut
    law.middle_bias += 10_000
    reached = torch.autograd.functional.jacobian(lambda x: law.conditionals(x[None])[0], x)
    assert torch.equal(reached != 0, before)


def test_every_entry_depends_on_what_it_is_given() -> None:
    law = some_law(1)
    law.middle_bias += 10_000
    reached = torch.autograd.functional.jacobian(
        lambda hidden: AutoregressiveBernoulli(hidden, law.layers, law.middle_bias, law.bias, (D,)).conditionals(
            torch.zeros(D)
        ),
        law.hidden[0] + 1000,
    )
    assert (reached != 0).any(-1).all(), "the first entry too, which sees no other"


def test_a_single_entry_is_a_bernoulli() -> None:
    law = some_law(event_shape=(1,))
    assert law.log_prob(torch.tensor([[0.0], [1.0]])).exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("units", [3, 14])
def test_draws_have_its_law(units: int) -> None:
    law = some_law(2, event_shape=(2, 4), units=units)
    drawn = law.sample((4000,))
    assert drawn.shape == (4000, 2, 2, 4)
    place = (drawn[:, 1].flatten(1) @ (2.0 ** torch.arange(D - 1, -1, -1))).long()
    expected = 4000 * law.log_prob(EVERY.view(-1, 1, 2, 4))[:, 1].exp().double()
    common = expected > 5
    seen = torch.bincount(place, minlength=2**D).double()
    pooled = [torch.cat([counts[common], counts[~common].sum()[None]]) for counts in (seen, expected)]
    assert stats.chisquare(pooled[0], pooled[1] * pooled[0].sum() / pooled[1].sum()).pvalue > 1e-3


def test_what_drawing_finds_once_is_what_the_density_finds_at_the_end() -> None:
    law = some_law(2, event_shape=(2, 4))
    x, chances = law._draw(torch.Size([50]))
    torch.testing.assert_close(chances.flatten(2), law.conditionals(x).sigmoid())


def test_the_mean_is_that_of_all_x() -> None:
    law = some_law(5)
    exact = law.log_prob(EVERY[:, None]).exp().T @ EVERY
    means = torch.stack([law.mean for _ in range(50)])
    error = means.std(0) / math.sqrt(50)
    assert ((means.mean(0) - exact).abs() <= 4 * error + 1e-6).all()
    assert means.std(0).max() <= 0.5 / math.sqrt(DRAWS)


def test_the_support_is_bits() -> None:
    support = some_law(2, event_shape=(2, 4)).support
    assert support.is_discrete
    assert support.check(torch.tensor([[[0.0, 1.0] * 2] * 2, [[0.5] * 4] * 2])).tolist() == [True, False]
