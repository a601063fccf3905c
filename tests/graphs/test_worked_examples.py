"""The worked examples on graphs: each shows the fact that it is there for."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from benchmarks.figures import explaining_away
from benchmarks.figures.__main__ import FIGURES

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_rain_explains_the_wet_grass_away() -> None:
    found = {given: (p, apart) for given, p, apart in explaining_away.compute(tiny=True)}
    assert found["nothing"] == (pytest.approx(0.3), True)
    assert found["rain = yes"] == (pytest.approx(0.3), True)
    # p(wet) = 1 - E .1^rain E .2^sprinkler, by hand.
    wet = 1 - (0.8 + 0.2 * 0.1) * (0.7 + 0.3 * 0.2)
    assert found["wet = yes"] == (pytest.approx(0.3 * (1 - 0.2 * 0.82) / wet), False)
    assert found["wet = yes, rain = yes"][0] == pytest.approx(0.3 * 0.98 / (1 - 0.1 * 0.76))
    assert 0.3 < found["wet = yes, rain = yes"][0] < found["wet = yes"][0]
    assert 0.3 < found["slippery = yes, rain = yes"][0] < found["slippery = yes"][0] < found["wet = yes"][0]
    assert len(explaining_away.draw(list((k, *v) for k, v in found.items())).axes[0].patches) == len(found)
    assert FIGURES["explaining-away"] is explaining_away


def test_where_pc_fails(capsys: pytest.CaptureFixture) -> None:
    runpy.run_path(str(EXAMPLES / "where_pc_fails.py"))
    said = capsys.readouterr().out
    assert "PC, which asks of pairs first: no edge at all" in said
    assert "PC with h  : a -> x, b -> y, h -> x, h -> y\n" in said
    assert "contradicts another collider" in said
