from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from jensen.errors import JensenError
from jensen.inference import coordinate_ascent


def elbo(table: Tensor, factors: list[Tensor]) -> float:
    """By its definition, over every cell."""
    joint = factors[0]
    for q in factors[1:]:
        joint = joint[..., None] * q
    return float((joint * table - joint.xlogy(joint)).nan_to_num(0.0).sum())


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (2, 2, 2, 2, 3)])
def test_the_elbo_never_falls_at_any_update_and_ends_where_no_factor_can_be_bettered(shape: tuple[int, ...]) -> None:
    table = 3 * torch.randn(shape, dtype=torch.float64)
    table.view(-1)[1] = -torch.inf
    starts = [None, *([torch.rand(n).double().add(0.1) for n in shape] for _ in range(3))]
    for start in starts:
        if start is not None:
            start = [q / q.sum() for q in start]
            start[-1] = torch.nn.functional.one_hot(torch.tensor(0), shape[-1]).double()  # avoids the zero
        found = coordinate_ascent(table, start)
        assert found.converged
        assert found.history.diff().min() >= -1e-12
        assert found.elbo == pytest.approx(elbo(table, list(found.factors)), abs=1e-10)
        assert found.elbo <= table.logsumexp(tuple(range(table.ndim))).item() + 1e-12
        again = coordinate_ascent(table, found.factors)
        for q, same in zip(found.factors, again.factors, strict=True):
            torch.testing.assert_close(q, same, rtol=0, atol=1e-5)
        for j, q in enumerate(found.factors):
            moved = list(found.factors)
            moved[j] = (q.log() + 0.1 * torch.randn_like(q)).softmax(0)
            assert elbo(table, moved) <= found.elbo + 1e-12


def test_what_is_independent_is_found_exactly() -> None:
    parts = [torch.randn(n).double().log_softmax(0) for n in (3, 4, 2)]
    table = parts[0][:, None, None] + parts[1][:, None] + parts[2] - 7
    found = coordinate_ascent(table)
    assert found.elbo == pytest.approx(-7, abs=1e-12)
    for q, part in zip(found.factors, parts, strict=True):
        torch.testing.assert_close(q, part.exp(), rtol=0, atol=1e-12)
    assert len(found.history) <= 1 + 3 * 3


def grid_gaussian(r: float) -> tuple[Tensor, Tensor]:
    z = torch.linspace(-8, 8, 321, dtype=torch.float64)
    p = MultivariateNormal(torch.zeros(2).double(), torch.tensor([[1, r], [r, 1]], dtype=torch.float64))
    return z, p.log_prob(torch.stack(torch.meshgrid(z, z, indexing="ij"), -1)) + 2 * math.log(z[1] - z[0])


@pytest.mark.parametrize("r", [0.0, 0.5, -0.9])
def test_the_bivariate_gaussian_has_variance_one_minus_r_squared(r: float) -> None:
    z, table = grid_gaussian(r)
    found = coordinate_ascent(table)
    for q in found.factors:
        assert (q * z).sum().item() == pytest.approx(0, abs=1e-6)
        assert (q * z.square()).sum().item() == pytest.approx(1 - r**2, abs=1e-8)
    assert -found.elbo == pytest.approx(-0.5 * math.log(1 - r**2), abs=1e-8)
    if r == -0.9:
        assert -found.elbo == pytest.approx(0.8303656034, abs=1e-8)


def test_what_lies_in_the_other_factors_depends_on_this_one_and_must_not_be_dropped() -> None:
    """E log p(z_2 | x, z_1) is no constant in z_1: without it q_1 would be p(z_1 | x), and the bound less."""
    _, table = grid_gaussian(0.9)
    found = coordinate_ascent(table)
    given = table - table.logsumexp(1, keepdim=True)
    dropped = (found.factors[1] * given).sum(1)
    assert dropped.max() - dropped.min() > 1
    marginal = table.logsumexp(1).softmax(0)
    assert elbo(table, [marginal, found.factors[1]]) < found.elbo - 0.5


def test_equal_shares_stand_still_between_two_modes_and_the_default_start_does_not() -> None:
    table = torch.tensor([[0.45, 0.05], [0.05, 0.45]]).double().log()
    shares = [torch.full((2,), 0.5).double()] * 2
    between = coordinate_ascent(table, shares)
    torch.testing.assert_close(between.factors[0], shares[0])
    assert coordinate_ascent(table).elbo > between.elbo + 0.01


def test_zeros_of_a_table_are_no_nan() -> None:
    exclusive = torch.tensor([[0.0, 0.3], [0.7, 0.0]]).double().log()
    found = coordinate_ascent(exclusive)
    assert [q.tolist() for q in found.factors] == [[0.0, 1.0], [1.0, 0.0]]
    assert found.elbo == pytest.approx(math.log(0.7))
    with pytest.raises(JensenError, match="the start has mass where the table says probability 0"):
        coordinate_ascent(exclusive, [torch.full((2,), 0.5).double()] * 2)


def test_bad_input() -> None:
    with pytest.raises(JensenError, match="check it for NaN and inf"):
        coordinate_ascent(torch.tensor([[0.0, torch.nan]]))
    with pytest.raises(JensenError, match="not all -inf"):
        coordinate_ascent(torch.full((2, 2), -torch.inf))
    with pytest.raises(JensenError, match=r"start\[1\] must be probabilities that sum to 1, got the sum 2"):
        coordinate_ascent(torch.zeros(2, 2), [torch.tensor([0.5, 0.5]), torch.ones(2)])
    with pytest.raises(JensenError, match=r"for each dimension of \(2, 2\), got shapes \(\(2,\),\)"):
        coordinate_ascent(torch.zeros(2, 2), [torch.tensor([0.5, 0.5])])
