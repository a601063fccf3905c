"""A convolutional LSTM that goes over an image line by line, all cells of a line at once: its lines are the rows of the
image or its diagonals.

Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable


class Line(NamedTuple):
    """Cells start, ..., stop - 1, which stand side by side at the places first, first + 1, ... of a line."""

    start: int
    stop: int
    first: int


def rows(height: int, width: int) -> list[Line]:
    """The rows of an image whose pixels are in raster order."""
    return [Line(row * width, (row + 1) * width, 0) for row in range(height)]


def diagonals(height: int, width: int) -> list[Line]:
    """The diagonals row + column = 0, 1, ...; a cell's place on its diagonal is its row.

    These are the columns of the image skewed, each row one further to the right than the one above it, without the
    cells that the skewing adds.

    >>> diagonals(2, 3)
    [Line(start=0, stop=1, first=0), Line(start=1, stop=3, first=0), Line(start=3, stop=5, first=0), \
Line(start=5, stop=6, first=1)]
    """
    lines: list[Line] = []
    for t in range(height + width - 1):
        first, start = max(0, t - width + 1), lines[-1].stop if lines else 0
        lines.append(Line(start, start + min(height - 1, t) - first + 1, first))
    return lines


def skewed(height: int, width: int, from_right: bool = False) -> Int64[Tensor, " pixels"]:
    """Which pixel, in raster order, each cell of the diagonals is, counted from the left or from the right.

    >>> skewed(2, 3)
    tensor([0, 1, 3, 2, 4, 5])
    """
    row, column = torch.arange(height)[:, None], torch.arange(width)
    diagonal = row + (column.flip(0) if from_right else column)
    return (diagonal * height + row).flatten().argsort()


def over_lines(
    gates: Float[Tensor, "ways cells batch gates"], kernel: Float[Tensor, "ways window gates"], lines: Sequence[Line]
) -> Float[Tensor, "ways cells batch hidden"]:
    """[σ(o), σ(f), σ(i), tanh(g)] of gates + K * h_before; c = f c_before + i g; h = o tanh(c), line by line.

    K * h_before at a place of a line is over the line before it, at the places (place - 1, place) where K is 2 wide,
    (place - 1, place, place + 1) where it is 3 wide; c_before is that of the place itself. Zeros stand at places that
    had no cell yet, and beside the line.

    Args:
        gates: what the input says of the gates, (D, P, B, 4 h), in the order o, f, i, g, of D LSTMs side by side.
        kernel: K, (D, k h, 4 h).
        lines: the cells, one line after another.

    Returns:
        h, (D, P, B, h).
    """
    with torch.autocast(gates.device.type, enabled=False):
        return _over_lines(gates.contiguous(), kernel.to(gates.dtype), tuple(lines))


def cell(
    gates: Float[Tensor, "*batch gates"], content: Float[Tensor, "*batch hidden"]
) -> Float[Tensor, "*batch hidden"]:
    """h = o tanh(c), given the gates before they are squashed, and c_before.

    Both are overwritten: the gates by σ(o), σ(f), σ(i) and σ(2 g), c_before by c.

    tanh(a) is 2 σ(2 a) - 1: on a processor torch's tanh takes six times as long as its logistic function.
    """
    hidden = content.shape[-1]
    gates[..., 3 * hidden :].mul_(2)
    gates.sigmoid_()
    o, f, i, g = gates.split(hidden, -1)
    content.mul_(f).addcmul_(i, _centred(g))
    return o * _tanh(content)


@torch.compiler.disable
def _over_lines(gates: Tensor, kernel: Tensor, lines: tuple[Line, ...]) -> Tensor:
    return _OverLines.apply(gates, kernel, lines)


class _OverLines(torch.autograd.Function):
    """The recurrence and its gradient: one matrix product and a few passes over a line each, in place.

    Autograd would keep every one of those passes. In mixed precision what is multiplied is in bfloat16, the squashed
    gates and c are not.
    """

    @staticmethod
    def forward(
        ctx: Any,
        gates: Float[Tensor, "ways cells batch gates"],
        kernel: Float[Tensor, "ways window gates"],
        lines: tuple[Line, ...],
    ) -> Float[Tensor, "ways cells batch hidden"]:
        ways, cells, batch, _ = gates.shape
        exact = torch.promote_types(gates.dtype, torch.float32)
        states, shifts = _states(gates, kernel, lines), _shifts(kernel)
        contents = torch.zeros_like(states, dtype=exact)
        out = gates.new_empty(ways, cells, batch, states.shape[-1])
        windows = gates.new_empty(ways, cells, batch, kernel.shape[1])
        squashed, before = torch.empty_like(gates, dtype=exact), torch.empty_like(out, dtype=exact)
        for start, stop, first in lines:
            here, mine = slice(start, stop), slice(first + shifts // 2, first + shifts // 2 + stop - start)
            window = torch.cat([states[:, first + s : first + s + stop - start] for s in range(shifts)], -1)
            windows[:, here], before[:, here] = window, contents[:, mine]
            own = squashed[:, here]
            torch.add(torch.bmm(window.flatten(1, 2), kernel).view(own.shape), gates[:, here], out=own)
            out[:, here] = states[:, mine] = cell(own, contents[:, mine])
        ctx.lines = lines
        ctx.save_for_backward(kernel, windows, squashed, before)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Float[Tensor, "ways cells batch hidden"]) -> tuple[Tensor | None, ...]:
        kernel, windows, squashed, before = ctx.saved_tensors
        of_gates = torch.empty_like(squashed, dtype=windows.dtype)
        # Of what each place held last.
        of_states, shifts = _states(squashed, kernel, ctx.lines), _shifts(kernel)
        of_contents = torch.zeros_like(of_states)
        for start, stop, first in reversed(ctx.lines):
            here, mine = slice(start, stop), slice(first + shifts // 2, first + shifts // 2 + stop - start)
            own, c_before, of_c = squashed[:, here], before[:, here], of_contents[:, mine]
            o, f, i, doubled = own.chunk(4, -1)
            g, of_h = _centred(doubled), of_out[:, here] + of_states[:, mine]
            tanh_c = _tanh(f * c_before + i * g)
            of_c.addcmul_(of_h * o, 1 - tanh_c.square())
            of_squashed = torch.cat([of_h * tanh_c, of_c * c_before, of_c * g, 4 * of_c * i], -1)
            of_c.mul_(f)
            of_own = torch.ops.aten.sigmoid_backward(of_squashed, own).to(windows.dtype)
            of_gates[:, here] = of_own
            of_window = torch.bmm(of_own.flatten(1, 2), kernel.mT).view(*of_own.shape[:3], -1).chunk(shifts, -1)
            of_states[:, mine] = 0
            for s, part in enumerate(of_window):
                of_states[:, first + s : first + s + stop - start] += part
        return of_gates, torch.bmm(windows.flatten(1, 2).mT, of_gates.flatten(1, 2)), None


def _shifts(kernel: Tensor) -> int:
    return 4 * kernel.shape[1] // kernel.shape[2]


def _states(gates: Tensor, kernel: Tensor, lines: Sequence[Line]) -> Tensor:
    """Zeros for each place of a line, with as many about them as a window needs, (D, places, B, h)."""
    places = max(line.first + line.stop - line.start for line in lines) + _shifts(kernel) - 1
    return gates.new_zeros(len(gates), places, gates.shape[2], gates.shape[3] // 4)


def _centred(doubled: Tensor) -> Tensor:
    """tanh(a) of σ(2 a)."""
    return 2 * doubled - 1


def _tanh(a: Tensor) -> Tensor:
    return _centred(torch.sigmoid(2 * a))
