from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import jensen
from jensen.data import Dataset
from jensen.models.autoregressive import made, pixelcnn
from jensen.reporting import images
from jensen.reporting.halves import of_halves

SPLIT = jensen.data.load("digits", as_levels=True)
SMALL: dict[str, Callable[[], Any]] = {
    "made": lambda: made.build(SPLIT.spec, hidden=(8,)),
    "pixelcnn": lambda: pixelcnn.build(SPLIT.spec, width=8, blocks=1, kernel_size=3),
}


def to_image(x: Tensor) -> Tensor:
    return x.float() / 16


@pytest.mark.parametrize("name", SMALL)
def test_the_upper_halves_are_those_of_the_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, Tensor] = {}
    monkeypatch.setattr(images, "labelled_rows", shown.update)
    (picture,) = of_halves(SMALL[name](), SPLIT.test, to_image)
    assert list(shown) == ["originals", "given", "draw 1", "draw 2", "draw 3", "draw 4"]
    for rows in shown.values():
        assert torch.equal(rows[:, :, :4], shown["originals"][:, :, :4])
    assert (shown["given"][:, :, 4:] == 0.5).all()
    assert not torch.equal(shown["draw 1"], shown["draw 2"])
    assert "draws of the lower halves" in picture.caption


def test_there_is_none_where_the_upper_half_does_not_come_first() -> None:
    model = made.build(SPLIT.spec, hidden=(8,), ordering="random")
    for given, data in ((model, SPLIT.test), (SMALL["made"](), None), (torch.nn.Linear(1, 1), SPLIT.test)):
        assert list(of_halves(given, data if isinstance(data, Dataset) else None, to_image)) == []
