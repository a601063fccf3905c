"""Each net, in a VAE, learns what a factorised density cannot say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import Bernoulli, Normal

import jensen
from jensen.data import Split, load, load_like


def above_the_factorised(split: Split, baseline: torch.Tensor, **settings: object) -> float:
    """How far a VAE's bound on log p(x) of the test part is above the baseline, in paired standard errors."""
    torch.manual_seed(0)
    model = jensen.create("vae", split.spec, **settings)
    fitted = jensen.fit(model, split, steps=100, learning_rate=1e-2, precision="32", validate_every=0).model
    found = jensen.evaluate(fitted, split.test, num_samples=10)
    difference = torch.from_numpy(found.examples["elbo"]) - baseline
    return float(difference.mean() / difference.std() * math.sqrt(len(difference)))


def test_convolutional() -> None:
    split = load("digits", binarize="dynamic")
    mean = split.train.all().x.mean(0).clamp(1e-3, 1 - 1e-3)
    baseline = Bernoulli(mean).log_prob(split.test.all().x).sum((1, 2, 3))
    assert above_the_factorised(split, baseline, net="convolutional", hidden=(16, 32), latent_dim=6) > 5


def test_recurrent() -> None:
    time = torch.arange(4000) / 3
    series = torch.stack([time.sin(), (time * 0.7).cos()], 1) + 0.3 * torch.randn(4000, 2)
    split = load(series, window=12, standardize=True)
    x = split.train.all().x
    test = split.test.all().x
    baseline = Normal(x.mean(0), x.std(0)).log_prob(test).sum((1, 2)) + split.test.log_det(test)
    assert above_the_factorised(split, baseline, net="recurrent", hidden=(24,), latent_dim=4) > 5


@pytest.mark.parametrize(
    ("source", "options", "settings"),
    [
        ("digits", {"as_levels": True}, {"net": "convolutional", "hidden": (4, 4)}),
        ("digits", {"dequantize": True}, {"net": "convolutional", "hidden": (4,), "likelihood_scale": "decoder"}),
        ("digits", {"binarize": "dynamic"}, {"net": "convolutional", "hidden": (4,), "prior": "uniform"}),
        ("digits", {"binarize": "dynamic"}, {"net": "convolutional", "hidden": (4,), "prior": "vamp"}),
        ("series", {"window": 6, "as_counts": True}, {"net": "recurrent", "hidden": (4, 3)}),
        ("series", {"window": 6, "difference": True}, {"net": "recurrent", "hidden": (4,), "posterior": "full"}),
        ("series", {"window": 6, "as_levels": True}, {"net": "recurrent", "hidden": (4,)}),
    ],
)
def test_a_run_is_kept_rebuilt_and_drawn_from(
    source: str, options: dict[str, object], settings: dict[str, object], tmp_path: Path
) -> None:
    if source == "series":
        path = tmp_path / "series.csv"
        path.write_text("a,b\n" + "".join(f"{(7 * i) % 5},{(3 * i) % 4}\n" for i in range(200)))
        source = str(path)
    split = load(source, **options)  # type: ignore[arg-type]
    settings = {"latent_dim": 3, "num_components": 5, **settings}
    model = jensen.create("vae", split.spec, **settings)
    fitted = jensen.fit(model, split, out=tmp_path / "run", steps=3, batch_size=16).model
    test = load_like(split, source)
    again = jensen.evaluate(jensen.load(tmp_path / "run"), test, num_samples=3)
    assert again.to_json() == jensen.evaluate(fitted, test, num_samples=3).to_json()
    assert fitted.sample(4).shape == (4, *split.spec.event_shape)
    assert again.measure.endswith("windows of 6") == ("window" in options)
