"""Figures hold what they say: pixels, points, limits, errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.stats import norm
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal

import jensen
from jensen.data import Spec
from jensen.data.toy import density
from jensen.evaluation.results import Evaluation, Metric
from jensen.models.latent.priors import StandardNormal
from jensen.reporting import curves, figures, gallery, images
from jensen.reporting.style import png


def screen(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]


def words(figure: Figure) -> str:
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return "\n".join(found)


class Plane(nn.Module):
    """z ~ N(0, I) in the plane; x is a 16 x 16 image whose left half is Phi(z_1) and right half Phi(z_2)."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = StandardNormal(2)

    def posterior(self, x: Tensor) -> Distribution:
        return Independent(Normal(x[:, 0, 0, ::8], 1.0), 1)

    def likelihood(self, z: Tensor) -> Distribution:
        halves = Normal(0.0, 1.0).cdf(z).repeat_interleave(8, dim=-1)
        return Independent(Normal(halves[:, None, None, :].expand(-1, 1, 16, -1), 1.0), 3)


def test_every_pixel_of_a_grid_is_a_square_of_whole_screen_pixels() -> None:
    x = torch.arange(256).view(16, 1, 4, 4) / 255
    figure = images.image_grid(x, columns=8)
    sheet = images.mosaic(x, 8, 1)
    assert sheet.shape == (2 * 5 - 1, 8 * 5 - 1, 3)
    scale = round(1200 / 39)
    expected = np.kron(sheet, np.ones((scale, scale, 1)))
    assert np.abs(screen(figure) / 255 - expected).max() < 1 / 255
    for i in range(16):
        row, column = 5 * (i // 8), 5 * (i % 8)
        assert np.allclose(sheet[row : row + 4, column : column + 4], x[i, 0][..., None])


def test_colour_images_keep_their_channels() -> None:
    x = torch.rand(3, 3, 5, 5)
    assert np.allclose(images.mosaic(x, 3, 1)[:5, 6:11], x[1].permute(1, 2, 0))


def test_three_rows_are_originals_reconstructions_and_samples() -> None:
    rows = [torch.full((10, 1, 28, 28), value) for value in (0.1, 0.5, 0.9)]
    figure = images.three_rows(*rows)
    shot = screen(figure)
    middle = shot[:, shot.shape[1] // 2 + 100, 0] / 255
    heights = [int((np.abs(middle - value) < 0.01).sum()) for value in (0.1, 0.5, 0.9)]
    assert heights == [28 * 3] * 3
    places = [np.flatnonzero(np.abs(middle - value) < 0.01).mean() for value in (0.1, 0.5, 0.9)]
    assert places == sorted(places)
    for label in ("originals", "reconstructions", "samples"):
        assert label in words(figure)
        (text,) = (t for t in figure.findobj(matplotlib.text.Text) if t.get_text() == label)
        assert text.get_window_extent().x0 >= 0


def test_the_manifold_runs_over_the_quantiles_of_the_prior() -> None:
    across, up = images.prior_quantiles(StandardNormal(2)(), 20)
    expected = norm.ppf((np.arange(20) + 0.5) / 20)
    assert np.allclose(across, expected, atol=1e-5)
    assert np.allclose(up, expected, atol=1e-5)

    (axes,) = images.manifold(Plane(), side=4).axes
    tiles = axes.images[0].get_array()[::16, ::8, 0]
    levels = (np.arange(4) + 0.5) / 4
    assert np.allclose(tiles[:, 0::2], np.tile(levels, (4, 1)), atol=1e-3)  # z_1 grows to the right
    assert np.allclose(tiles[:, 1::2], np.tile(levels[::-1, None], (1, 4)), atol=1e-3)  # z_2 grows upwards


def test_the_quantiles_of_another_prior_are_those_of_its_draws() -> None:
    parts = Independent(Normal(torch.tensor([[-3.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.1, 1.0], [0.1, 1.0]])), 1)
    across, up = images.prior_quantiles(MixtureSameFamily(Categorical(torch.ones(2)), parts), 10)
    expected = norm.ppf((np.arange(10) + 0.5) / 10)
    halves = np.concatenate(
        [-3 + 0.1 * norm.ppf((np.arange(5) + 0.5) / 5), 3 + 0.1 * norm.ppf((np.arange(5) + 0.5) / 5)]
    )
    assert np.allclose(up, expected, atol=0.03)
    assert np.allclose(across, halves, atol=0.03)


def test_one_of_each_class_is_shown() -> None:
    y = torch.tensor([3, 3, 1, 0, 2, 1, 0])
    assert y[images.one_of_each(y, 7, 4)].tolist() == [0, 1, 2, 3]
    assert images.one_of_each(y, 7, 6).tolist() == [3, 2, 4, 0, 6, 5]
    assert images.one_of_each(None, 7, 10).tolist() == list(range(7))


@pytest.mark.parametrize(("kind", "levels", "top"), [("binary", 2, 1), ("unit", None, 1), ("8-bit", 256, 255)])
def test_images_are_scaled_by_what_x_is(kind: str, levels: int | None, top: int) -> None:
    to_image = gallery.image_scale(Spec((1, 2, 2), kind, levels), None)  # type: ignore[arg-type]
    assert to_image is not None
    x = torch.tensor([[[[0, top], [top, 0]]]])
    assert torch.equal(to_image(x), torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]))


def test_what_is_no_image_has_no_scale() -> None:
    assert gallery.image_scale(Spec((12,), "real"), None) is None
    assert gallery.image_scale(Spec((5, 8, 8), "unit"), None) is None
    assert gallery.image_scale(Spec((1, 8, 8), "real"), None) is None


def test_dequantised_images_are_shown_as_the_levels_they_came_from() -> None:
    raw = jensen.data.load("digits").test
    data = jensen.data.load("digits", dequantize=True).test
    index = torch.arange(len(data))
    to_image = gallery.image_scale(data.spec, data)
    assert to_image is not None
    assert torch.allclose(to_image(data.batch(index).x), raw.batch(index).x, atol=1e-6)


def test_a_plane_of_latents_is_drawn_as_it_is() -> None:
    z, y = torch.randn(300, 2), torch.arange(300) % 3
    figure = figures.latent_map(z, y, ("cat", "dog", "owl"))
    (points,) = (c for c in figure.axes[0].collections)
    assert np.allclose(points.get_offsets(), z)
    colors = points.get_facecolors()
    assert len({tuple(color) for color in colors[y == 1]}) == 1
    assert len({tuple(color) for color in colors}) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cat", "dog", "owl"]
    figure.canvas.draw()
    assert legend.get_window_extent().x0 >= figure.axes[0].get_window_extent().x1  # hides no point


def test_other_latents_are_drawn_along_their_principal_components() -> None:
    z = torch.randn(500, 5) @ torch.diag(torch.tensor([1.0, 5.0, 0.5, 2.0, 0.1]))
    points, shares = figures.principal_components(z)
    variances = np.linalg.eigvalsh(np.cov(z.numpy().T))[::-1]
    assert np.allclose(points.var(0), variances[:2], rtol=1e-3)
    assert np.allclose(shares, variances[:2] / variances.sum(), rtol=1e-3)
    assert np.corrcoef(points[:, 0], z[:, 1])[0, 1] > 0.99
    label = figures.latent_map(z).axes[0].get_xlabel()
    assert f"first principal component of z ({shares[0]:.0%} of the variance)" == label


def test_labels_are_moved_apart() -> None:
    points = torch.rand(100, 2)
    places = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.51, 0.5], [0.1, 0.9]])
    moved = figures.apart(places, points, least=0.05)
    assert torch.pdist(moved).min() > 0.049 * (points.max(0).values - points.min(0).values).max()
    assert torch.allclose(moved[3], places[3], atol=1e-3)


def test_the_density_of_scaled_data_is_over_the_users_own_units() -> None:
    raw = torch.distributions.MultivariateNormal(torch.tensor([10.0, -3.0]), torch.tensor([[4.0, 0.0], [0.0, 0.01]]))
    split = jensen.data.load(raw.sample((2000,)), standardize=True)
    model = jensen.create("gaussian-mixture", split.spec, num_components=1)
    model.initialize(split.train.all().x)
    x = raw.sample((100,)).double()
    # The fitted mean and variance are off by a sampling error, not by a log-determinant of log 2 + log 0.1 = -1.6.
    assert torch.allclose(gallery.raw_log_prob(model, split.test)(x), raw.log_prob(x.float()).double(), atol=0.5)


def test_samples_over_data_and_the_density_beside_them() -> None:
    toy = density("moons")
    data, samples = toy.sample(500, 0), toy.sample(400, 1)
    assert len(figures.scatter_2d(samples, data).axes) == 1
    figure = figures.scatter_2d(samples, data, toy.log_prob, resolution=50)
    left, right, bar = figure.axes
    assert [len(c.get_offsets()) for c in left.collections] == [500, 400]
    assert "nats" in bar.get_ylabel()
    (low, high), (down, up) = right.get_xlim(), right.get_ylim()
    assert low < float(data[:, 0].min()) < float(data[:, 0].max()) < high
    grid = torch.stack(
        torch.meshgrid(torch.linspace(low, high, 50), torch.linspace(down, up, 50), indexing="xy"), -1
    ).view(-1, 2)
    shown = np.asarray(right.collections[0].get_array()).ravel()
    assert np.allclose(shown, toy.log_prob(grid), atol=0.05)


def test_marginals_are_shares_of_the_rows_under_the_columns_names() -> None:
    data = torch.randn(1000, 14) * 3 + 1
    names = [f"column {i}" for i in range(14)]
    figure = figures.table_marginals(torch.randn(500, 14), data, names)
    assert [axes.get_title() for axes in figure.axes] == names[:12]
    heights, edges, _ = figure.axes[0].patches[0].get_data()
    expected, _ = np.histogram(data[:, 0].numpy(), edges)
    assert np.allclose(heights, expected / 1000)
    assert 0.98 < heights.sum() <= 1


def test_whole_numbers_get_a_bar_each() -> None:
    data = torch.randint(3, 9, (500,)).double().numpy()
    edges = figures.histogram_edges(data + 1e-6, data)
    assert edges.tolist() == [2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert figures.shares(data, edges).sum() == pytest.approx(1)


def rows_of(function: Callable[[int], float], name: str = "elbo", last: int = 1000) -> list[curves.Row]:
    return [
        {"step": step, "part": part, "loss": -function(step), name: function(step)}
        for step in range(10, last + 1, 10)
        for part in ("train", "validation")
    ]


def test_first_steps_that_dwarf_the_rest_are_left_out_and_said() -> None:
    rows = rows_of(lambda step: -100 - 5000 * math.exp(-step / 10))
    figure = curves.learning_curve([rows])
    low, high = figure.axes[0].get_ylim()
    assert low > -160
    assert high > -100
    assert "from −1,939 at step 10, out of sight" in words(figure)
    assert "loss" not in words(figure)
    assert "ELBO (nats)" in figure.axes[0].get_title(loc="left")
    assert curves.sensible_limits([(np.arange(1.0, 101), np.linspace(-120, -100, 100))]) is None


def test_seeds_are_drawn_as_a_mean_with_a_band() -> None:
    runs = [rows_of(lambda step, s=shift: -100 + s - 1000 / step) for shift in (-1.0, 0.0, 1.0)]  # type: ignore[misc]
    steps, mean, deviation = curves.mean_and_deviation([curves.series(rows, "train", "elbo") for rows in runs])
    assert np.allclose(mean, -100 - 1000 / steps)
    assert np.allclose(deviation, 1)
    axes = curves.learning_curve(runs).axes[0]
    assert len(axes.collections) == 2  # a band for training, one for validation
    band = axes.collections[0].get_paths()[0].vertices
    at_last = band[band[:, 0] == 1000][:, 1]
    assert at_last.min() == pytest.approx(-102)
    assert at_last.max() == pytest.approx(-100)


def test_seeds_that_stopped_at_different_steps_are_averaged_where_all_are() -> None:
    long, short = (np.array([1.0, 2, 3]), np.array([1.0, 2, 3])), (np.array([1.0, 2]), np.array([3.0, 4]))
    steps, mean, _ = curves.mean_and_deviation([long, short])
    assert steps.tolist() == [1, 2]
    assert mean.tolist() == [2, 3]


def test_values_that_are_not_finite_are_left_out() -> None:
    rows = [{"step": 1, "part": "train", "elbo": -1.0}, {"step": 2, "part": "train", "elbo": float("nan")}]
    steps, values = curves.series(rows, "train", "elbo")
    assert (steps.tolist(), values.tolist()) == ([1], [-1])
    curves.learning_curve([rows])


def bounds_at(*values: float) -> Evaluation:
    metrics = [
        Metric(f"iwae_{10**i}", value, "lower bound", "nats", 0.3, 0.01, 10**i) for i, value in enumerate(values)
    ]
    return Evaluation("vae", "mnist/test", 10, "counts", tuple(reversed(metrics)))


def test_the_ladder_of_bounds_has_both_errors() -> None:
    figure = curves.bound_ladder([bounds_at(-99.7, -97.0, -96.0)])
    axes = figure.axes[0]
    examples, monte_carlo = (np.array(c[2][0].get_segments()) for c in axes.containers)
    assert np.allclose(examples[:, 1, 1] - examples[:, 0, 1], 0.6)
    assert np.allclose(monte_carlo[:, 1, 1] - monte_carlo[:, 0, 1], 0.02)
    assert axes.lines[-1].get_xydata().tolist() == [[1, -99.7], [10, -97.0], [100, -96.0]]
    assert axes.get_xscale() == "log"
    assert "nats" in axes.get_ylabel()


def test_the_ladder_of_seeds_has_their_spread() -> None:
    axes = curves.bound_ladder([bounds_at(-100.0, -98.0), bounds_at(-99.0, -95.0)]).axes[0]
    assert axes.lines[-1].get_ydata().tolist() == [-99.5, -96.5]
    (bars,) = (np.array(c[2][0].get_segments()) for c in axes.containers)
    assert np.allclose(bars[:, 1, 1] - bars[:, 0, 1], 2 * np.array([0.5, 1.5]) * math.sqrt(2))


def test_no_global_state_is_changed_and_bytes_repeat() -> None:
    before = dict(matplotlib.rcParams)
    z, y = torch.randn(50, 2), torch.arange(50) % 5
    assert png(figures.latent_map(z, y)) == png(figures.latent_map(z, y))
    assert dict(matplotlib.rcParams) == before


def test_a_column_of_categories_has_their_names_on_its_axis() -> None:
    data = torch.stack([torch.arange(300.0) % 4, torch.randn(300)], 1)
    figure = figures.table_marginals(data, data, ["kind", "size"], [["red", "rosé", "white", "none"], []])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["red", "rosé", "white", "none"]
    assert figure.axes[0].get_xticks().tolist() == [0, 1, 2, 3]
