from __future__ import annotations

import numpy as np
import torch

from jensen.reporting.series import over_time


def test_each_window_is_a_line_of_its_channel() -> None:
    data, samples = torch.randn(5, 9, 3), torch.randn(4, 9, 3)
    axes = over_time(samples, data, ("a", "b", "c")).axes
    shown = {one.get_title(): [line.get_ydata() for line in one.lines] for one in axes if one.get_title()}
    assert list(shown) == ["a: data", "a: samples", "b: data", "b: samples", "c: data", "c: samples"]
    assert np.allclose(shown["b: samples"], samples[:, :, 1])
    assert np.allclose(shown["c: data"], data[:, :, 2])
    assert len(over_time(samples[..., :1], data[..., :1]).axes) == 2
