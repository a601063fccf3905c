"""What annealing and refining add to an evaluation, from Python and from the command line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.command_line import contents, done, refusal

import jensen
from jensen.errors import JensenError
from jensen.evaluation import subset
from jensen.evaluation.subset import evaluate_annealed, evaluate_refined
from jensen.inference.annealed_importance import Annealing

SHORT = Annealing(10, 2, 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "vae"
    done("fit vae --preset tiny --steps 60 --out", folder)
    return folder


def test_annealed_stands_beside_the_usual_figures_of_the_same_rows(run: Path) -> None:
    model, data = jensen.load(run), jensen.data.load("digits", binarize="dynamic").test
    found = evaluate_annealed(model, data, 10, 20, SHORT)
    assert found.n == 10
    assert [metric.name for metric in found.metrics][-1] == "annealed"
    annealed = found["annealed"]
    assert (annealed.kind, annealed.unit, annealed.num_samples) == ("lower bound", "nats", 2)
    assert annealed.value == pytest.approx(found.examples["annealed"].mean())
    assert annealed.value > found["elbo"].value  # the ELBO of a start is what 10 steps improve on
    again = evaluate_annealed(model, data, 10, 20, SHORT)
    assert again.metrics == found.metrics
    other = evaluate_annealed(model, data, 10, 20, SHORT, seed=1)
    assert other["elbo"] != found["elbo"]


def test_densities_are_over_the_users_own_units() -> None:
    rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * 50
    split = jensen.data.load(rows.numpy(), standardize=True, validation=0)
    model = jensen.create("vae", split.spec, latent_dim=2, hidden=(4,))
    for found in (
        evaluate_annealed(model, split.test, 4, 50, SHORT),
        evaluate_refined(model, split.test, 4, 50, SHORT),
    ):
        best = found.metrics[-1] if found.metrics[-1].name == "annealed" else found["evidence"]
        assert abs(best.value - found["iwae_50"].value) < 1  # without log |dx / d(raw x)| it is 3 log 50 above


def test_the_gaps_add_up(run: Path) -> None:
    model, data = jensen.load(run), jensen.data.load("digits", binarize="dynamic").test
    found = evaluate_refined(model, data, 10, 200, SHORT)
    total = found["amortisation_gap"].value + found["approximation_gap"].value
    error = sum(found[name].mc_standard_error for name in ("elbo", "amortisation_gap", "approximation_gap"))
    assert abs(found["evidence"].value - found["elbo"].value - total) < 3 * error
    assert found["amortisation_gap"].value > 0
    assert found["evidence"].kind == "lower bound"


def test_models_without_latents_have_nothing_to_anneal() -> None:
    split = jensen.data.load("digits", binarize="dynamic")
    model = jensen.create("made", split.spec, hidden=(8,))
    with pytest.raises(JensenError, match="choose one that is bounded"):
        evaluate_annealed(model, split.test, 4)


def test_on_the_command_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in (evaluate_annealed, evaluate_refined):  # 10 distributions where the command takes 400
        monkeypatch.setattr(subset, function.__name__, partial(function, annealing=SHORT))
    before = contents(run)
    found = json.loads(done("evaluate --num-samples 5 --annealed 2 --refine 2 --json", run))
    assert found["n"] == 250
    assert found["annealed"]["n"] == found["refined"]["n"] == 2
    assert found["annealed"]["metrics"][-1]["name"] == "annealed"
    assert found["refined"]["metrics"][-1]["name"] == "approximation_gap"
    assert set(contents(run)) - set(before) == {"evaluation.json", "evaluation.safetensors"}


def test_bracket_prints_both_ends(run: Path) -> None:
    line = "bracket --num-examples 5 --num-distributions 10 --num-chains 2 --start prior"
    found = json.loads(done(f"{line} --json", run))
    assert found["gap"]["value"] == pytest.approx(found["upper"]["value"] - found["lower"]["value"])
    assert found["num_distributions"] == 10
    said = done(line, run)
    assert f"acceptance {found['acceptance']:.2f}" in said
    assert "the importance bound is not above the upper end by more than 3 standard errors\n" in said
    assert not found["importance_above_upper"]
    for name in ("lower", "upper", "gap", "iwae_1000"):
        assert f"\n{name} " in said
        assert f" {found[name]['value']:.3f} " in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bracket --num-examples 1", "num_examples must be at least 2, got 1"),
        ("bracket --num-chains 0", "num_chains must be at least 1, got 0"),
        ("bracket --start encoder", "'encoder' is not one of 'posterior', 'prior'"),
        ("evaluate --annealed 1", "at least 2 rows are needed"),
        ("evaluate --refine 0", "at least 2 rows are needed"),
    ],
)
def test_bad_options_are_one_line(run: Path, line: str, message: str) -> None:
    assert message in refusal(line, run)
