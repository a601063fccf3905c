"""A discriminator that wins outright is told of once, with the setting to change; an even game is left in peace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import jensen
from jensen.reporting.drawn import warnings_of
from jensen.reporting.run import read_runs
from jensen.training.game import lost_game


class Says(nn.Module):
    """Warns where `bad` is 1."""

    def warning(self, terms: dict[str, float]) -> str | None:
        return "mend it" if terms["bad"] else None


def rows(*bad: int, every: int = 100) -> list[dict[str, Any]]:
    return [{"step": every * (place + 1), "part": "train", "bad": one} for place, one in enumerate(bad)]


def test_it_has_to_stand_for_five_hundred_steps() -> None:
    assert lost_game(Says(), rows(1, 1, 1, 1)) is None
    assert lost_game(Says(), rows(1, 1, 1, 1, 1)) == {"step": 500, "part": "game", "warning": "mend it"}
    assert lost_game(Says(), rows(0, 1, 1, 1, 1)) is None
    assert lost_game(Says(), rows(0, 1, 1, 1, 1, 1)) is not None
    assert lost_game(Says(), rows(1, 1, 1, 0, 1, 1)) is None
    assert lost_game(Says(), rows(1, 1, 1, 1, 1, 0)) is None
    assert lost_game(Says(), rows(0, 1, every=1000)) is not None
    between = rows(1, 1, 1, 1, 1)
    between.insert(3, {"step": 300, "part": "latents", "kl": 0.0})
    assert lost_game(Says(), between) is not None


def trained(folder: Path | None, steps: int, **settings: Any) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    split = jensen.data.load("eight-gaussians")
    model = jensen.create("gan", split.spec, latent_dim=2, hidden=(32, 32), **settings)
    rate = 1e-6 if "discriminator_rate" in settings else 1e-3
    return jensen.fit(model, split, steps=steps, learning_rate=rate, threads=1, out=folder).history


def test_a_discriminator_that_wins_is_told_of_once(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    history = trained(tmp_path / "run", 700, discriminator_rate=3000.0)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert "the discriminator has won: it tells every sample from data" in said[0]
    assert said[0].endswith("lower discriminator_rate from 3000, or learning_rate")
    found = [row for row in history if row["part"] == "game"]
    assert found[-1]["step"] == 700
    assert found[0]["step"] >= 500
    assert said[0].startswith(f"jensen: step {found[0]['step']:,}: ")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines == history
    (run,) = read_runs(tmp_path / "run")
    (note,) = warnings_of(run, named=False)
    assert note == f"At step 700 {found[-1]['warning']}."
    page = jensen.report(tmp_path / "run").read_text()
    assert "the discriminator has won" in page


def test_the_remedy_is_the_setting_that_is_wrong() -> None:
    spec = jensen.data.load("eight-gaussians").spec
    lost, even = {"accuracy": 0.999, "value": -0.01}, {"accuracy": 0.999, "value": -0.3}
    for settings, remedy in (({"loss": "minimax"}, "set loss=non-saturating"), ({}, "lower discriminator_rate from 1")):
        model = jensen.create("gan", spec, hidden=(8,), **settings)
        assert remedy in model.warning(lost)
        assert model.warning(even) is None


def test_an_even_game_is_left_in_peace(capsys: pytest.CaptureFixture) -> None:
    history = trained(None, 600)
    assert capsys.readouterr().err == ""
    assert {row["part"] for row in history} == {"train"}
