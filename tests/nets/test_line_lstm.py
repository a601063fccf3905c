from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jensen.nets.line_lstm import Line, diagonals, over_lines, rows, skewed

SHAPES = [(4, 5), (5, 3), (1, 4), (4, 1)]


def cell_by_cell(gates: Tensor, kernel: Tensor, lines: list[Line]) -> Tensor:
    """The recurrence of one LSTM as it is written, (P, B, 4 h), (k h, 4 h) -> (P, B, h)."""
    hidden = gates.shape[2] // 4
    shifts = len(kernel) // hidden
    before: dict[int, tuple[Tensor, Tensor]] = {}
    nothing = torch.zeros_like(gates[0, :, :hidden])
    out = []
    for start, stop, first in lines:
        now = {}
        for place, at in enumerate(gates[start:stop], first):
            seen = [before.get(place + s - shifts // 2, (nothing, nothing))[0] for s in range(shifts)]
            o, f, i, g = (at + torch.cat(seen, 1) @ kernel).chunk(4, 1)
            c = f.sigmoid() * before.get(place, (nothing, nothing))[1] + i.sigmoid() * g.tanh()
            now[place] = o.sigmoid() * c.tanh(), c
            out.append(now[place][0])
        before |= now
    return torch.stack(out)


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize(("kind", "shifts"), [(rows, 3), (diagonals, 2)])
def test_the_recurrence_and_its_gradient_are_those_of_one_cell_after_another(
    kind: type, shifts: int, height: int, width: int
) -> None:
    lines, hidden = kind(height, width), 3
    gates = torch.randn(2, height * width, 4, 4 * hidden, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(2, shifts * hidden, 4 * hidden, dtype=torch.float64, requires_grad=True)
    fast = over_lines(gates, kernel, lines)
    slow = torch.stack([cell_by_cell(*way, lines) for way in zip(gates, kernel, strict=True)])
    torch.testing.assert_close(fast, slow)
    weights = torch.randn_like(fast)
    of_fast = torch.autograd.grad((weights * fast).sum(), (gates, kernel))
    of_slow = torch.autograd.grad((weights * slow).sum(), (gates, kernel))
    torch.testing.assert_close(of_fast, of_slow)


def test_lines_of_one_cell_are_an_ordinary_lstm() -> None:
    lstm = torch.nn.LSTM(6, 3, bias=False).double()
    x = torch.randn(7, 2, 6, dtype=torch.float64)
    of_input, of_state = (
        torch.cat([weight.chunk(4)[place] for place in (3, 1, 0, 2)]).T for weight in lstm.parameters()
    )  # torch has i, f, g, o
    torch.testing.assert_close(over_lines((x @ of_input)[None], of_state[None], rows(7, 1))[0], lstm(x)[0])


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_diagonals_hold_each_pixel_once(height: int, width: int) -> None:
    lines, order = diagonals(height, width), skewed(height, width)
    assert sorted(order.tolist()) == list(range(height * width))
    for t, (start, stop, first) in enumerate(lines):
        row, column = order[start:stop] // width, order[start:stop] % width
        assert (row + column == t).all()
        assert row.tolist() == list(range(first, first + stop - start))
    mirrored = skewed(height, width, from_right=True)
    assert torch.equal(mirrored // width, order // width)
    assert torch.equal(mirrored % width, width - 1 - order % width)


def test_mixed_precision_multiplies_in_bfloat16_alone() -> None:
    gates, kernel = torch.randn(1, 400, 4, 32), torch.randn(1, 24, 32) / 24**0.5
    exact = over_lines(gates, kernel, rows(20, 20))
    gates = gates.bfloat16().requires_grad_()
    mixed = over_lines(gates, kernel, rows(20, 20))
    assert mixed.dtype == torch.bfloat16
    # 8 bits of mantissa go into each of twenty rows, whose forget gates halve what came before.
    assert (mixed - exact).abs().mean() < 2**-8
    assert torch.autograd.grad(mixed.float().sum(), gates)[0].isfinite().all()
