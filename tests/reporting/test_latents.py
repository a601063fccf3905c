"""What the latents carry, drawn: figures hold what they say, and the page says it in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, LogNormal, Normal

import jensen
from jensen.data import Dataset
from jensen.models.latent.priors import GaussianMixture, StandardNormal
from jensen.models.latent.vae import VAE
from jensen.reporting import curves, gallery, images, latents, report
from jensen.reporting.draw import encode

STEPS = (100, 200, 300)


def looks(**more: Any) -> list[curves.Row]:
    rows: list[curves.Row] = [
        {"step": step, "part": "latents", "kl": step / 100, "kl_per_dimension": [0.0, step / 100, 0.001],
         "active_units": 1, "latent_dim": 3, "mutual_information": step / 200, "examples": 250}
        for step in STEPS
    ]  # fmt: skip
    return [row | more for row in rows]


def test_bars_are_in_order_and_grey_where_inactive() -> None:
    figure = latents.kl_bars(torch.tensor([0.002, 1.5, 0.7]), torch.tensor([0.001, 0.9, 0.4]))
    upper, lower = figure.axes
    assert [bar.get_height() for bar in upper.patches] == pytest.approx([1.5, 0.7, 0.002])
    assert [bar.get_height() for bar in lower.patches] == pytest.approx([0.9, 0.4, 0.001])
    colors = [bar.get_facecolor() for bar in upper.patches]
    assert colors[0] == colors[1] != colors[2]
    assert [label.get_text() for label in lower.get_xticklabels()] == ["2", "3", "1"]
    assert lower.lines[0].get_ydata()[0] == 0.01


def test_the_panel_shows_each_dimension_at_each_look() -> None:
    shares, units, nats = latents.collapse_panel(looks()).axes
    lines = {tuple(line.get_ydata()) for line in shares.lines}
    assert lines == {(0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (0.001, 0.001, 0.001)}
    assert all(tuple(line.get_xdata()) == STEPS for line in shares.lines)
    assert list(units.lines[0].get_ydata()) == [1, 1, 1]
    assert units.get_ylim()[1] > 3
    assert list(nats.lines[0].get_ydata()) == [1, 2, 3]
    assert list(nats.lines[1].get_ydata()) == [0.5, 1, 1.5]
    assert nats.lines[2].get_ydata()[0] == pytest.approx(np.log(250))
    without = [{k: v for k, v in row.items() if k not in ("kl_per_dimension", "mutual_information")} for row in looks()]
    assert len(latents.collapse_panel(without).axes) == 2


def test_what_the_latents_carried_is_no_learning_curve() -> None:
    rows = [{"step": 100, "part": "train", "elbo": -3.0}, *looks()]
    assert curves.terms([rows]) == ["elbo"]


class Shades(nn.Module):
    """p(x | z): 1 x 4 images whose pixel j has the mean Phi(z_j)."""

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(Normal(0.0, 1.0).cdf(z)[..., None, None, :], 1.0), 3)


class Code(nn.Module):
    """q(z | x) = N(x, 1), of x of shape (1, 1, 4)."""

    def __init__(self, kind: Callable[..., Distribution] = Normal) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Independent:
        return Independent(self.kind(x.flatten(1), 1.0), 1)


def shades(**parts: Any) -> VAE:
    return VAE(**{"prior": StandardNormal(4), "posterior": Code(), "likelihood": Shades(), **parts})


def tiles(figure: Any, rows: int, columns: int) -> np.ndarray:
    """The pixels of a grid of 1 x 4 images with one pixel between, (rows, columns, 4)."""
    sheet = np.asarray(figure.axes[0].images[0].get_array())[..., 0]
    return np.stack([sheet[:, 5 * i : 5 * i + 4] for i in range(columns)], 1)[:: (len(sheet) - 1) // max(rows - 1, 1)]


def test_one_dimension_runs_over_the_quantiles_and_the_others_stay() -> None:
    start = torch.tensor([0.0, 1.0, -1.0, 2.0])
    figure = images.traversals(shades(), start, [2, 0], columns=5)
    shown = tiles(figure, 2, 5)
    levels = (np.arange(5) + 0.5) / 5
    at_start = norm.cdf(start.numpy())
    for row, dimension in enumerate((2, 0)):
        expected = np.tile(at_start, (5, 1))
        expected[:, dimension] = levels
        assert np.allclose(shown[row], expected, atol=1e-3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["$z_{3}$", "$z_{1}$"]


def test_codes_are_joined_by_a_straight_line_between_the_originals() -> None:
    ends, originals = torch.randn(2, 2, 4), torch.rand(2, 2, 1, 1, 4)
    shown = tiles(images.interpolations(shades(), ends, originals, columns=3), 2, 5)
    between = norm.cdf(torch.stack([ends[:, 0], ends.mean(1), ends[:, 1]], 1).numpy())
    assert np.allclose(shown[:, 1:4], between, atol=1e-3)
    assert np.allclose(shown[:, [0, 4]], originals.flatten(2).numpy(), atol=1e-6)


def grey() -> Dataset:
    spread = torch.tensor([1.0, 0.1, 0.5, 0.0])
    return jensen.data.load(torch.rand(60, 1, 1, 4) * spread).test


def names(model: VAE, data: Dataset) -> list[str]:
    return [picture.name for picture in gallery.pictures(model, data.spec, data)]


def test_which_figures_a_model_calls_for() -> None:
    data = grey()
    every = ["samples", "reconstructions", "latent", "kl", "traversals", "interpolations"]
    assert names(shades(), data) == every
    mixed = shades(prior=GaussianMixture(4, num_components=3))
    assert names(mixed, data) == [name for name in every if name != "kl"], "the KL has no shares of dimensions"
    captions = {picture.name: picture.caption for picture in gallery.pictures(shades(), data.spec, data)}
    assert "in order of the variance" in captions["traversals"]


def test_a_posterior_that_is_no_gaussian_is_drawn_too() -> None:
    data = grey()
    x = data.batch(torch.arange(len(data))).x

    class Pushed(Distribution):
        """exp of a Gaussian, that knows no formula of its own."""

        arg_constraints = {}  # noqa: RUF012

        def __init__(self, x: Tensor) -> None:
            self.law = Independent(LogNormal(x.flatten(1), 0.1), 1)
            super().__init__(self.law.batch_shape, self.law.event_shape, validate_args=False)

        def sample(self, sample_shape: Any = ()) -> Tensor:
            return self.law.sample(sample_shape)

    model = shades(posterior=Pushed)
    z = gallery.posterior_means(model, data, len(data))
    assert z is not None
    exact = Pushed(x).law
    assert ((z - exact.mean).abs() < 5 * exact.stddev / 20**0.5).all()
    mean, scale = encode(model, data)
    assert ((mean - exact.mean).abs() < 5 * exact.stddev / 10).all()
    assert ((scale / exact.stddev).log().abs() < 5 / 200**0.5).all()


def test_the_page_says_in_words_that_the_posterior_has_collapsed(tmp_path: Path) -> None:
    split = jensen.data.load("digits", binarize="threshold")
    model = jensen.create("vae", split.spec, latent_dim=3, hidden=(8,))
    jensen.fit(model, split, out=tmp_path / "run", steps=2, threads=1)
    path = tmp_path / "run" / "metrics.jsonl"
    kept = [line for line in path.read_text().splitlines() if "latents" not in line]
    words = "the posterior has collapsed: q(z | x) = p(z) for every x (KL 0.001 nats, 0 of 3 units active): set that=1"
    *before, last = looks()
    path.write_text("\n".join([*kept, *map(json.dumps, [*before, last | {"warning": words}])]) + "\n")
    page = report(tmp_path / "run").read_text()
    assert f'<p class="call">At step 300 {words}.</p>' in page
    assert (tmp_path / "run" / "collapse.png").exists()
    # What has come back to life is not called dead.
    path.write_text("\n".join([*kept, *map(json.dumps, [before[0] | {"warning": words}, last])]) + "\n")
    assert "collapsed: q(z" not in report(tmp_path / "run").read_text()
