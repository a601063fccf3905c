"""Data with gaps, from the file to log p of what is there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import jensen
from jensen.data.like import load_like
from jensen.errors import JensenError

ROWS = ["a,b", *(f"{i % 7}.5,{(3 * i) % 11}.25" for i in range(40)), ",3.25", "NA,?", "2.5,", " ,nan"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "gaps.csv"
    path.write_text("\n".join(ROWS) + "\n")
    return path


def test_cells_that_are_not_there_become_nan(table: Path) -> None:
    with pytest.raises(JensenError, match=r"column 'a' is empty at line 42: .* or keep them with missing=true"):
        jensen.data.load(table)
    split = jensen.data.load(table, missing=True, validation=0, test=0)
    x = split.train.all().x
    assert split.spec.missing
    assert split.spec.kind == "real"
    # Rows of which nothing is there, blank lines among them, are dropped.
    assert x[40:].isnan().tolist() == [[True, False], [False, True]]
    assert not x[:40].isnan().any()
    assert load_like(split, table).all().x.isnan().sum() == 2


def test_bits_stay_bits_and_real_values_real() -> None:
    assert jensen.data.load(np.array([[0.0, 1.0], [np.nan, 1.0]] * 10), missing=True).spec.kind == "binary"
    assert jensen.data.load(np.array([[0.5, 1.0], [np.nan, 0.1]] * 10), missing=True).spec.kind == "real"
    with pytest.raises(JensenError, match=r"nan at row 1 .* fill them in, or keep them with missing=true"):
        jensen.data.load(np.array([[0.5, 1.0], [np.nan, 0.1]]))
    with pytest.raises(JensenError, match=r"inf at row 1 .* fill them in before loading"):
        jensen.data.load(np.array([[0.5, 1.0], [np.inf, 0.1]]), missing=True)
    with pytest.raises(JensenError, match="every entry is missing"):
        jensen.data.load(np.full((4, 2), np.nan), missing=True)


@pytest.mark.parametrize("also", [{"standardize": True}, {"window": 3}, {"as_counts": True}, {"columns": "mixed"}])
def test_what_missing_excludes(table: Path, also: dict[str, object]) -> None:
    with pytest.raises(JensenError, match="exclude each other"):
        jensen.data.load(table, missing=True, **also)  # type: ignore[arg-type]


def test_a_mixture_is_fitted_to_what_is_there(table: Path) -> None:
    split = jensen.data.load(table, missing=True, validation=0, test=4)
    model = jensen.create("gaussian-mixture", split.spec, num_components=1, covariance="diagonal")
    jensen.fit(model, split, steps=20)
    x = split.train.all().x.double()
    for column, mean in enumerate(model.means[0].tolist()):  # type: ignore[operator,union-attr]
        assert mean == pytest.approx(float(x[:, column].nanmean()), abs=1e-9)
    scores = jensen.evaluate(model, split.test)
    assert [metric.name for metric in scores.metrics] == ["log_prob"]
    assert math.isfinite(scores.metrics[0].value)
    assert float(model.log_prob(torch.full((1, 2), math.nan))) == pytest.approx(0, abs=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["vae", "kde", "bayesian-gaussian-mixture"])
def test_other_models_need_every_entry(name: str, table: Path) -> None:
    split = jensen.data.load(table, missing=True)
    with pytest.raises(JensenError, match="no density of a part of x: choose gaussian-mixture"):
        jensen.fit(jensen.create(name, split.spec), split, steps=1)
