from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal, Poisson

from jensen.distributions.columns import MixedColumns


def some_law() -> MixedColumns:
    real = Independent(Normal(torch.zeros(4, 2), torch.tensor([1.0, 3.0])), 1)
    names = Independent(Categorical(logits=torch.tensor([[0.0, 2.0, 1.0]]).expand(4, 1, 3)), 1)
    counts = Independent(Poisson(torch.full((4, 1), 2.5)), 1)
    groups = [(torch.tensor([0, 3]), real), (torch.tensor([2]), names), (torch.tensor([1]), counts)]
    return MixedColumns(groups)


def test_the_density_is_the_product_of_the_groups() -> None:
    law = some_law()
    x = torch.tensor([0.5, 3.0, 2.0, -1.0])
    expected = (
        Normal(0.0, 1.0).log_prob(x[0])
        + Poisson(2.5).log_prob(x[1])
        + Categorical(logits=torch.tensor([0.0, 2.0, 1.0])).log_prob(torch.tensor(2))
        + Normal(0.0, 3.0).log_prob(x[3])
    )
    assert law.log_prob(x).tolist() == pytest.approx([expected.item()] * 4)
    assert law.log_prob(x.expand(6, 4, 4)).shape == (6, 4)


def test_draws_put_each_column_in_its_place() -> None:
    law = some_law()
    x = law.sample((500,))
    assert x.shape == (500, 4, 4)
    assert law.support.check(x).all()
    assert x[..., 2].unique().tolist() == [0.0, 1.0, 2.0]
    assert x[..., 1].mean().item() == pytest.approx(2.5, abs=4 * 2.5**0.5 / 2000**0.5)
    assert x[..., 3].std().item() > 2 * x[..., 0].std().item()


def test_the_mean_of_names_is_the_likeliest() -> None:
    assert some_law().mean[0].tolist() == [0.0, 2.5, 1.0, 0.0]


def test_the_support_is_each_columns_own() -> None:
    law = some_law()
    rows = torch.tensor([[0.5, 3.0, 2.0, -1.0], [0.5, 3.5, 2.0, -1.0], [0.5, 3.0, 3.0, -1.0]])
    assert law.support.check(rows).tolist() == [True, False, False]
    assert not law.support.is_discrete
    assert MixedColumns(law.groups[1:]).support.is_discrete
