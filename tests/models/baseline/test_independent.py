from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import NegativeBinomial

import jensen
from jensen.data.spec import Column, Spec
from jensen.errors import JensenError
from jensen.models.baseline.independent import build


def test_each_column_is_fitted_by_its_own_maximum_likelihood() -> None:
    x = torch.tensor([[1.0, 0, 0], [2.0, 1, 2], [6.0, 1, 2], [3.0, 1, 0]], dtype=torch.float64)
    types = (Column("real"), Column("binary"), Column("categorical", ("a", "b", "c")))
    model = build(Spec((3,), "mixed", column_types=types), pseudo_count=0.0)
    figures = model.fit_to(x, x[:0])
    normal = torch.distributions.Normal(3.0, x[:, 0].std(correction=0))
    by_hand = normal.log_prob(x[:, 0]) + torch.tensor([0.25, 0.75, 0.75, 0.75]).log() + np.log(0.5)
    torch.testing.assert_close(model.log_prob(x), by_hand, atol=1e-7, rtol=0)
    assert figures["log_prob"].item() == pytest.approx(by_hand.mean().item(), abs=1e-7)
    absent = model.log_prob(torch.tensor([[3.0, 1, 1]]).double())
    assert absent.isneginf().all(), "without a pseudo-count a level that was never seen has no probability"


def test_no_other_parameters_are_likelier() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.poisson(torch.rand(400, 2, generator=generator).exp() * 3, generator=generator).double()
    x[:, 0] = torch.poisson(torch.full((400,), 2.0), generator=generator)
    model = build(Spec((2,), "count"))
    best = model.fit_to(x, x[:0])["log_prob"]
    for parameter in (model.groups[0].mean, model.groups[0].concentration):
        for factor in (0.9, 1.1):
            kept = parameter.clone()
            parameter.mul_(factor)
            assert model.log_prob(x).mean() <= best + 1e-12
            parameter.copy_(kept)


def test_counts_are_probabilities() -> None:
    model = build(Spec((1,), "count"))
    model.fit_to(torch.tensor([[0.0], [1.0], [4.0], [7.0], [0.0]]), torch.empty(0, 1))
    total = model.log_prob(torch.arange(2000.0)[:, None]).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)
    mean, r = model.groups[0].mean.item(), model.groups[0].concentration.item()
    torch_s = NegativeBinomial(r, probs=mean / (mean + r)).log_prob(torch.tensor(3.0)).item()
    assert model.log_prob(torch.tensor([[3.0]])).item() == pytest.approx(torch_s, abs=1e-6)


def test_levels_sum_to_one() -> None:
    x = torch.randint(4, (50, 3))
    model = build(Spec((3,), "categorical", levels=4))
    model.fit_to(x, x[:0])
    every = torch.cartesian_prod(*[torch.arange(4)] * 3)
    assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_what_is_missing_says_nothing() -> None:
    x = torch.randn(100, 2, dtype=torch.float64)
    x[10:, 1] = torch.nan
    model, alone = build(Spec((2,), "real")), build(Spec((1,), "real"))
    model.fit_to(x, x[:0])
    alone.fit_to(x[:, :1], x[:0, :1])
    torch.testing.assert_close(model.log_prob(x)[10:], alone.log_prob(x[:, :1])[10:])
    assert model.groups[0].loc[1].item() == pytest.approx(x[:10, 1].mean().item())


def test_samples_have_the_moments() -> None:
    x = torch.randn(500, 2, dtype=torch.float64) * torch.tensor([1.0, 3.0]) + 5
    model = build(Spec((2,), "real"))
    model.fit_to(x, x[:0])
    drawn = model.sample(10_000).double()
    assert ((drawn.mean(0) - x.mean(0)).abs() < 4 * x.std(0) / 100).all()
    assert ((drawn.std(0) - x.std(0)).abs() < 4 * x.std(0) / 200**0.5 / 10).all()


def test_fit_is_one_step_that_can_be_resumed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    split = jensen.data.load("digits", binarize="threshold")
    model = jensen.create("independent", split.spec)
    history = jensen.fit(model, split, out=tmp_path / "run").history
    assert [row["step"] for row in history] == [1, 1]
    again = jensen.create("independent", split.spec)
    assert jensen.fit(again, split, out=tmp_path / "run", resume=True).history == history
    assert torch.equal(model.groups[0].logits, again.groups[0].logits)


def test_bad_input() -> None:
    constant = torch.tensor([[1.0, 2.0], [1.0, 3.0]])
    with pytest.raises(JensenError, match="column 'b' never varies"):
        build(Spec((2,), "real", columns=("a", "b"))).fit_to(constant.flip(1), torch.empty(0, 2))
    with pytest.raises(JensenError, match="holds 4 at row 1, expected levels 0 to 2"):
        build(Spec((1,), "categorical", levels=3)).fit_to(torch.tensor([[0], [4]]), torch.empty(0, 1))
    with pytest.raises(JensenError, match="pseudo_count must be at least 0"):
        build(Spec((1,), "binary"), pseudo_count=-1.0)
