"""Labels that some examples keep, and columns that x is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import jensen
from jensen.data import load, load_like
from jensen.errors import JensenError
from jensen.objectives.base import default_objective
from jensen.training import Training
from jensen.training.engine import GradientEngine


def test_labelled_keeps_equal_shares_and_is_a_function_of_the_seed() -> None:
    split, again, other = (load("digits", labelled=50, seed=seed) for seed in (0, 0, 1))
    y, rows = split.train.y, split.train.labelled
    assert y is not None
    assert rows is not None
    assert torch.equal(y[rows].bincount(), torch.full((10,), 5))
    assert int((y == -1).sum()) == len(split.train) - 50
    assert again.train.labelled is not None
    assert torch.equal(again.train.labelled, rows)
    assert other.train.labelled is not None
    assert not torch.equal(other.train.labelled, rows)
    full = load("digits").train.y
    assert full is not None
    assert torch.equal(full[rows], y[rows])
    assert split.test.labelled is None
    assert split.train.fingerprint != other.train.fingerprint


@pytest.mark.parametrize("labelled", [5, 55, 20_000])
def test_shares_that_cannot_be_are_refused(labelled: int) -> None:
    with pytest.raises(JensenError, match="labelled="):
        load("digits", labelled=labelled)


def test_labels_of_data_without_any() -> None:
    with pytest.raises(JensenError, match="none"):
        load(np.random.default_rng(0).normal(size=(50, 2)), labelled=2)


def test_every_step_sees_labelled_examples_in_turn() -> None:
    split = load("digits", binarize="dynamic", labelled=50)
    model = jensen.create("ss-vae", split.spec, latent_dim=2, hidden=(8,))
    settings = Training(batch_size=20, device="cpu", precision="32", threads=1, compile="no")
    engine = GradientEngine(model, split.train, default_objective(model), settings)
    seen = []
    for step in range(5):  # 100 = twice each of 50
        batch = engine._batch(step)
        assert batch.labelled is not None
        assert batch.labelled.y is not None
        assert int(batch.labelled.y.min()) >= 0
        assert len(batch.x) == len(batch.labelled.x) == 20
        seen.append(batch.labelled.y)
    assert torch.cat(seen).bincount().tolist() == [10] * 10


def table(path: Path, rows: int = 60) -> Path:
    random = np.random.default_rng(0)
    values = random.normal(size=(rows, 3)) @ np.array([[1, 0.5, 0], [0, 1, 3], [0, 0, 2]])
    lines = ["a,b,c", *(",".join(f"{v:.6f}" for v in row) for row in values)]
    path.write_text("\n".join(lines))
    return path


def test_columns_become_conditions(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    whole, split = load(str(path)), load(str(path), condition="c, a")
    assert split.spec.conditions == ("c", "a")
    assert split.spec.columns == ("b",)
    assert split.train.y is not None
    assert torch.allclose(split.train.y.double(), whole.train.all().x.double()[:, [2, 0]], atol=1e-6)
    assert split.train.labels is None
    like = load_like(split, str(path))
    assert like.y is not None
    assert like.y.shape == (60, 2)
    assert type(split.spec).from_json(split.spec.to_json()) == split.spec


def test_numbers_of_one_s_own_are_conditions(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.linspace(5, 9, 80).reshape(40, 2)
    split = load(x, labels=y)
    assert split.spec.conditions == ("y0", "y1")
    assert split.spec.num_classes is None
    model = jensen.create("cvae", split.spec, given="vector", latent_dim=2, hidden=(8,))
    fitted = jensen.fit(model, split, steps=3, out=tmp_path / "run").model
    assert fitted.condition.shift.tolist() == pytest.approx(split.train.all().y.mean(0).tolist(), abs=1e-5)
    assert jensen.evaluate(fitted, split.test, 5)["elbo"].value < 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"condition": "d"}, "column"),
        ({"condition": "a,b,c"}, "at least one"),
        ({"condition": "a", "target": "b"}, "exclude"),
    ],
)
def test_conditions_that_cannot_be(tmp_path: Path, options: dict[str, str], words: str) -> None:
    path = table(tmp_path / "t.csv")
    if "target" in options:
        path.write_text(path.read_text().replace("a,b,c", "a,b,c").replace("\n-", "\n"))
        text = [line.split(",") for line in path.read_text().splitlines()]
        path.write_text(
            "\n".join(",".join([row[0], str(i % 2) if i else row[1], row[2]]) for i, row in enumerate(text))
        )
    with pytest.raises(JensenError, match=words):
        load(str(path), **options)


def test_a_fully_supervised_model_needs_every_label() -> None:
    split = load("digits", binarize="dynamic", labelled=50)
    model = jensen.create("fs-vae", split.spec, latent_dim=2, hidden=(8,))
    with pytest.raises(JensenError, match="ss-vae"):
        jensen.fit(model, split, steps=2)
