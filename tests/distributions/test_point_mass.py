from __future__ import annotations

import torch
from torch.distributions import Categorical, Independent, kl_divergence

from jensen.distributions.point_mass import PointMass

VALUE = torch.tensor([[0, 2], [1, 1], [2, 0]])


def test_all_mass_is_on_the_value() -> None:
    point = PointMass(VALUE, 1)
    assert point.batch_shape == (3,)
    assert point.event_shape == (2,)
    assert torch.equal(point.sample((4,)), VALUE.expand(4, 3, 2))
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))[:, None].expand(9, 3, 2)
    assert torch.equal(point.log_prob(every).exp().sum(0), torch.ones(3))
    assert torch.equal(point.log_prob(VALUE), torch.zeros(3))
    assert torch.equal(point.mean, VALUE.float())
    assert torch.equal(point.stddev, torch.zeros(3, 2))
    assert not point.has_rsample


def test_the_kl_is_the_surprise_of_the_value() -> None:
    p = Independent(Categorical(logits=torch.randn(2, 3)), 1)
    torch.testing.assert_close(kl_divergence(PointMass(VALUE, 1), p), -p.log_prob(VALUE))
