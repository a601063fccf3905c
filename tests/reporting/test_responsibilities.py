from __future__ import annotations

import numpy as np
import pytest
import torch

import jensen
from jensen.reporting.figures import responsibilities
from jensen.reporting.gallery import pictures


def test_a_point_has_the_colours_of_its_components_mixed() -> None:
    shares = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    figure = responsibilities(torch.randn(4, 2), shares, torch.zeros(2, 2))
    first, second, both, unnumbered = figure.axes[0].collections[0].get_facecolor()[:, :3]
    assert np.allclose(both, (first + second) / 2)
    assert not np.allclose(first, second)
    assert np.ptp(unnumbered) < 0.1, "grey"
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2"]


@pytest.mark.parametrize("name", ["gaussian-mixture", "bayesian-gaussian-mixture"])
def test_the_page_of_a_mixture_in_the_plane_has_them(name: str) -> None:
    split = jensen.data.load("moons", standardize=True)
    model = jensen.create(name, split.spec, num_components=4)
    jensen.fit(model, split, steps=20)
    found = {picture.name: picture for picture in pictures(model, split.spec, split.test)}
    assert list(found) == ["samples", "responsibilities"]
    # The means are drawn in the data's own units, as the points are.
    axes = found["responsibilities"].figure.axes[0]
    points = axes.collections[0].get_offsets()
    for text in axes.texts:
        assert (points.min(0) <= text.xy).all()
        assert (text.xy <= points.max(0)).all()
