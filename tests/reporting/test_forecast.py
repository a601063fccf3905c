from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from tests.command_line import done, refusal

import jensen
from jensen.errors import JensenError
from jensen.reporting.forecast import forecast


def test_a_forecast_is_in_the_datas_own_units() -> None:
    plain = jensen.data.load("pendulum", window=8)
    scaled = jensen.data.load("pendulum", window=8, standardize=True)
    found = []
    for split in (plain, scaled):
        model = jensen.fit(jensen.create("ar", split.spec, order=2), split).model
        found.append(forecast(model, split.test, 30))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)
    mean, scale = found[0]
    assert scale[0].item() == pytest.approx(1, abs=0.05), "a step ahead all that is unknown is the noise"
    assert (scale.diff(dim=0) > -1e-9).all(), "what lies further ahead is known no better"
    spread = plain.train.all().x.std()
    assert abs(scale[-1].item() / spread.item() - 1) < 0.15, "and far ahead nothing is known but the law of any row"
    assert mean[-1].abs() < spread


def test_no_rows_and_no_forecast() -> None:
    split = jensen.data.load("pendulum", window=8)
    model = jensen.create("ar", split.spec, order=1)
    with pytest.raises(JensenError, match="no rows"):
        forecast(model, split.test.subset(torch.arange(0)), 3)
    with pytest.raises(JensenError, match="forecasts nothing: choose ar"):
        forecast(jensen.create("independent", split.spec), split.test, 3)


def test_on_the_command_line(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "ahead.csv"
    done(f"fit ar --preset tiny --out {run}")
    assert "4 rows ahead of the last window of pendulum/test" in done(f"forecast {run} --steps 4 --out {out}")
    rows = list(csv.reader(out.read_text().splitlines()))
    assert rows[0] == ["step", "x0", "x0_scale"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    assert "a step or more, got steps=0" in refusal(f"forecast {run} --steps 0 --out {out}")
    assert "ends in .csv" in refusal(f"forecast {run} --out {tmp_path / 'ahead.png'}")
