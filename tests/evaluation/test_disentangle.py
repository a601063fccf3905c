"""Models asked about rendered images: one whose code is known, and a run through the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from tests.command_line import done, refusal
from torch import Tensor, nn

import jensen
from jensen.data import Split, shapes
from jensen.errors import JensenError
from jensen.evaluation.disentangle import disentangle, left_out_pair
from jensen.evaluation.disentanglement import disentanglement

QUICK = {"num_votes": 200, "batch_size": 20, "num_points": 40, "num_pairs": 5, "num_samples": 2000, "repeats": 2}


@pytest.fixture(scope="module", autouse=True)
def _few_images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sets of 600 rows, in a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SIZES", (500, 50, 50))
        patch.setattr(shapes, "cache", lambda: tmp_path_factory.mktemp("cache"))
        yield


class Moments(nn.Module):
    """The code that looks: centre and area of the shape, and what there is of each colour channel."""

    def __init__(self, colors: bool = False) -> None:
        super().__init__()
        self.colors = colors
        self.unused = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor) -> Tensor:
        grey = x.amax(1)
        area, at = grey.sum((1, 2)), torch.arange(x.shape[-1]) + 0.5
        centre = [(grey.sum(1) @ at) / area, (grey.sum(2) @ at) / area, area]
        return torch.stack(centre + ([*(x.sum((2, 3)) / area[:, None]).T] if self.colors else []), 1)

    def reconstruct(self, x: Tensor) -> Tensor:
        return x

    def reconstruction_errors(self, x: Tensor) -> dict[str, Tensor]:
        return {"squared_error": x.new_zeros(len(x))}


def load(name: str) -> Split:
    return jensen.data.load(name)


def test_a_code_of_three_of_the_five_factors() -> None:
    found = {metric.name: metric for metric in disentangle(Moments(), load("shapes"), **QUICK)}
    # Position and scale are found; of shape and rotation the code says nothing, and their votes are lost.
    score = found["factor_vae_score"]
    assert abs(score.value - 3 / 5) < 4 * (0.24 / (2 * QUICK["num_votes"])) ** 0.5
    # The area of the pixels is that of the shape within a hundredth; three factors of five, but for bins' edges.
    assert 0.55 < found["mig"].value < 0.62
    # The importances of a factor that nothing predicts are spread at random, and each column has 1 to spread: rows of
    # (1, 1/3, 1/3), whose entropy is 0.59 log 5, where they are spread evenly.
    assert 0.4 < found["disentanglement"].value < 0.55
    assert 0.55 < found["completeness"].value < 0.8
    assert found["active_units"].value == 3
    assert all(metric.mc_standard_error is not None for metric in found.values())


def test_scores_are_a_function_of_the_seed_and_leave_the_random_state_alone() -> None:
    model, split = Moments(), jensen.data.load("shapes", binarize="dynamic")
    before = torch.get_rng_state()
    first = disentangle(model, split, **{**QUICK, "num_votes": 20})
    assert torch.equal(before, torch.get_rng_state())
    assert first == disentangle(model, split, **{**QUICK, "num_votes": 20})


def test_a_code_of_colors_reads_the_pair_that_was_left_out() -> None:
    split = load("color-shapes-without-pair")
    assert split.train.y is not None
    found = {m.name: m for m in left_out_pair(Moments(colors=True), split, num_train=2000, num_test=500)}
    assert found["color_seen"].value == found["color_left_out"].value == 1
    # Neither centre nor area tells shapes apart: a third of what is seen, with a binomial error.
    shape = found["shape_seen"]
    assert shape.standard_error == pytest.approx((shape.value * (1 - shape.value) / 499) ** 0.5)
    assert abs(shape.value - 1 / 3) < 0.1


def test_what_has_no_factors_or_no_code_is_refused() -> None:
    with pytest.raises(JensenError, match="digits has no renderer"):
        disentangle(Moments(), load("digits"))
    with pytest.raises(JensenError, match="no code to be disentangled"):
        disentangle(nn.Linear(1, 1), load("shapes"))
    with pytest.raises(JensenError, match="use color-shapes"):
        left_out_pair(Moments(), load("shapes"))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = partial(disentanglement, num_points=20, num_pairs=5, num_samples=400)
    monkeypatch.setattr("jensen.evaluation.disentangle.disentanglement", fewer)
    run = tmp_path / "run"
    settings = "--set hidden=16 --set discriminator_hidden=16 --set validate_every=0"
    done(f"fit factor-vae --preset shapes {settings} --steps 20 --out", run)
    said = done("disentangle", run, "--repeats", "2", "--num-votes", "20")
    for name in ("factor_vae_score", "beta_vae_score", "mig", "disentanglement", "sap"):
        assert name in said
    found = json.loads(done("disentangle", run, "--repeats", "2", "--num-votes", "20", "--json"))
    assert (found["data"], found["repeats"]) == ("shapes", 2)
    scores = [metric for metric in found["metrics"] if metric["name"] != "active_units"]
    assert all(0 <= metric["value"] <= 1 and metric["mc_standard_error"] >= 0 for metric in scores)
    assert "repeats must be at least 2" in refusal("disentangle", run, "--repeats", "1")
