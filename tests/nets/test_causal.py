"""Convolutions that see no later pixel: one pixel after another gives what a whole image gives."""

from __future__ import annotations

import pytest
import torch

from jensen.nets.causal import CausalConv2d, ColumnWalk, MaskedConv2d, OutputLayers, RowWalk

N, H, W = 3, 5, 6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (3, 3), (7, 7), (5, 3)])
def test_a_masked_convolution_is_torch_s_with_a_masked_kernel(
    kernel: tuple[int, int], mask: str, channels: int
) -> None:
    torch.manual_seed(0)
    conv = MaskedConv2d(6, 12, kernel, mask, channels, gates=2).double()  # type: ignore[arg-type]
    x = torch.randn(N, 6, H, W, dtype=torch.float64)
    whole = torch.zeros(12, 6, *kernel, dtype=torch.float64)
    middle, centre = kernel[0] // 2, kernel[1] // 2
    whole[:, :, : middle + 1] = conv.weight.detach()
    whole[:, :, middle, centre + 1 :] = 0
    for out in range(12):
        for into in range(6):
            mine, other = (out % 6) * channels // 6, into * channels // 6
            if not (mine > other or (mask == "B" and mine == other)):
                whole[out, into, middle, centre] = 0
    expected = torch.nn.functional.conv2d(x, whole, conv.bias, padding=(middle, centre))
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (3, 3), (7, 7), (5, 3)])
def test_pixel_by_pixel(kernel: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    conv = MaskedConv2d(4, 5, kernel, "B", bias=bias).double()
    x, plus = torch.randn(N, 4, H, W, dtype=torch.float64), torch.randn(N, 5, W, dtype=torch.float64)
    walk, whole = ColumnWalk(conv, N, W), conv(x)
    for row in range(H):
        assert torch.equal(walk.last_row(), x[:, :, row - 1] if row else torch.zeros(N, 4, W).double())
        walk.begin_row(plus)
        for column in range(W):
            walk(column, torch.randn(N, 4).double())  # what stands there is put again, as a second channel comes
            got = walk(column, x[:, :, row, column])
            torch.testing.assert_close(got, whole[:, :, row, column] + plus[:, :, column])


@pytest.mark.parametrize("above", [True, False])
def test_row_by_row(above: bool) -> None:
    torch.manual_seed(0)
    conv = CausalConv2d(4, 5, (5, 3), above=above).double()
    x = torch.randn(N, 4, H, W, dtype=torch.float64)
    walk, whole = RowWalk(conv.kernel(), conv.bias, N, W), conv(x)
    for row in range(H):
        last = row - 1 if above else row
        torch.testing.assert_close(
            walk(x[:, :, last] if last >= 0 else torch.zeros(N, 4, W).double()), whole[:, :, row]
        )


def test_output_layers_at_a_pixel() -> None:
    torch.manual_seed(0)
    layers, h = OutputLayers(6, 9, 12, channels=3).double(), torch.randn(N, 6, 1, 1).double()
    torch.testing.assert_close(layers.pointwise()(h[:, :, 0, 0]), layers(h)[:, :, 0, 0])
