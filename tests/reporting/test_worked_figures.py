"""The worked figures, at a tiny size: each shows the fact that it is drawn for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.figures import (
    blur,
    gan_gradients,
    gan_stages,
    rate_distortion,
    receptive_fields,
    signal_to_noise,
    tightness,
)
from benchmarks.figures.__main__ import FIGURES, main
from torch import nn
from torch.distributions import Independent, Normal

from jensen.models.latent.vae import VAE
from jensen.objectives.elbo import elbo
from jensen.reporting.style import png


def test_two_images_with_one_code_are_averaged_unless_the_likelihood_has_two_components() -> None:
    found = blur.compute(tiny=True)
    assert (found.images[0] != found.images[1]).sum() > 10
    for name, (from_average, from_images) in blur.distances(found).items():
        if name.startswith("two"):
            assert from_images < 1e-3
            assert from_average == pytest.approx(0.5, abs=1e-3)
        else:
            assert from_average < 1e-3
            assert from_images == pytest.approx(0.5, abs=1e-3)
        assert name in blur.table(found)
    panels = blur.draw(found).axes
    shown = [axes.images[0].get_array() for axes in panels if axes.images]
    assert len(shown) == 2 + 1 + 1 + 2 + 2
    assert np.allclose(shown[1], found.optima["Gaussian"][0, 0])


def test_the_convolutions_have_a_blind_spot_and_the_gated_ones_none() -> None:
    found = receptive_fields.compute(tiny=True)
    not_seen = {which: int((found.kinds(which) == 1).sum()) for which in found.seen}
    # To the right of the middle pixel of a 9 x 9 image, a triangle: 3 + 2 + 1 + 0 pixels in the rows above.
    deep = {name: not_seen[name, 9] for name in receptive_fields.DEPTHS}
    assert deep == {"pixelcnn": 6, "gated-pixelcnn": 0, "row-lstm": 6, "diagonal-bilstm": 0}
    assert not_seen["diagonal-bilstm", 1] == 0
    assert all(line.endswith("| 0 |") for line in receptive_fields.table(found).splitlines()[2:])
    assert len(receptive_fields.draw(found).axes) == len(found.seen)


def test_a_fitted_bound_touches_and_a_collapsed_one_is_greatest_where_z_is_not_used() -> None:
    found = tightness.compute(tiny=True)
    np.testing.assert_allclose(found.fitted, found.log_prob, atol=1e-12)
    for bound in (found.once, found.collapsed):
        assert (bound <= found.log_prob + 1e-12).all()
    at = int(np.abs(found.theta - tightness.FITTED_AT).argmin())
    assert found.once[at] == pytest.approx(found.log_prob[at], abs=1e-12)
    slopes = [np.gradient(curve, found.theta)[at] for curve in (found.once, found.log_prob)]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.01)
    assert found.best(found.log_prob) == pytest.approx((tightness.SECOND_MOMENT - 1) ** 0.5)
    assert found.best(found.collapsed) == 0
    # Raising the collapsed bound from theta = 1 lowers the likelihood.
    assert found.collapsed[0] > found.collapsed[at]
    assert found.log_prob[0] < found.log_prob[at]
    assert "2.00" in tightness.table(found)
    assert len(tightness.draw(found).axes[0].lines) == 8


def test_the_formula_of_the_bound_is_the_bound() -> None:
    theta, slope, variance = 1.3, 0.4, 0.6

    class Scaled(nn.Module):
        def __init__(self, slope: float, scale: float) -> None:
            super().__init__()
            self.slope, self.scale = slope, scale

        def forward(self, v: torch.Tensor) -> Independent:
            return Independent(Normal(self.slope * v, self.scale), 1)

    zero = torch.zeros(1, dtype=torch.float64)
    model = VAE(lambda: Independent(Normal(zero, 1.0), 1), Scaled(slope, variance**0.5), Scaled(theta, 1.0))
    x = torch.randn(500, 1, dtype=torch.float64)
    terms = elbo(model, x, num_samples=400)
    expected = tightness.elbo(np.array(theta), slope, variance, float(x.square().mean()))
    # log p(x | z) is quadratic in z, with a spread over draws below 2 nats.
    assert float(terms.elbo.mean()) == pytest.approx(float(expected), abs=4 * 2 / (500 * 400) ** 0.5)


def test_the_plain_gradient_drowns_and_the_doubly_reparameterised_one_does_not() -> None:
    found = signal_to_noise.compute(tiny=True)
    slope, error = found.slope("plain")
    assert error < 0.1, "so that the next line can fail"
    assert abs(slope + 0.5) < 4 * error
    plain, doubly = found.ratio["plain"], found.ratio["doubly reparameterised"]
    assert (np.diff(plain) < 0).all()
    assert (np.diff(doubly) > -4 * found.error["doubly reparameterised"][1:]).all()
    assert doubly[-1] > 2 * doubly[0]
    assert len(signal_to_noise.draw(found).axes[0].containers) == 2


def test_the_rate_falls_with_beta() -> None:
    found = rate_distortion.compute(tiny=True)
    rates = [point.rate[0] for point in found]
    assert [point.beta for point in found] == [0.1, 0.5, 1, 4, 16]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[1] + 4 * found[0].rate[1]
    assert rates[0] > 2 * rates[2] > 100 * rates[4]
    assert found[0].distortion[0] < found[2].distortion[0] < found[4].distortion[0]
    assert max(found, key=lambda point: point.elbo[0]).beta in (0.5, 1.0)
    for point in found:
        assert point.elbo[0] == pytest.approx(-point.distortion[0] - point.rate[0], abs=1e-3)
        assert 0 <= point.correlation < 0.5
    assert f"| {found[1].rate[0]:.2f} ±" in rate_distortion.table(found)
    assert len(png(rate_distortion.draw(found))) > 10_000


def test_each_loss_of_a_generator_vanishes_at_its_own_end_of_the_logit_and_neither_in_d() -> None:
    found = gan_gradients.compute(tiny=True)
    minimax, other = found.in_logit["minimax"], found.in_logit["non-saturating"]
    np.testing.assert_allclose(minimax, -found.d, atol=1e-12)
    np.testing.assert_allclose(other, found.d - 1, atol=1e-12)
    assert abs(minimax[0]) < 1e-3 < 0.999 < abs(other[0]), "D near 0: plainly fake"
    assert abs(other[-1]) < 1e-3 < 0.999 < abs(minimax[-1]), "D near 1: passes for data"
    np.testing.assert_allclose(found.in_d["minimax"], -1 / (1 - found.d), rtol=1e-9)
    np.testing.assert_allclose(found.in_d["non-saturating"], -1 / found.d, rtol=1e-9)
    assert "| minimax, log(1 − D) | in the logit a | -0.0003 |" in gan_gradients.table(found)
    assert [len(axes.lines) for axes in gan_gradients.draw(found).axes] == [3, 3, 3]


def test_d_follows_p_over_p_plus_q_through_four_stages() -> None:
    found = gan_stages.compute(tiny=True)
    before, waited, followed, ended = found
    assert gan_stages.distance(before) > 0.3
    for stage in found[1:]:
        assert gan_stages.distance(stage) < 0.02, stage.name
        assert stage.value == pytest.approx(stage.best_value, abs=0.01)
        assert stage.value <= stage.best_value + 1e-9, "no D does better than D*"
    assert (waited.shift, waited.scale) == pytest.approx(gan_stages.START), "the generator waited"
    assert 2 > followed.shift > ended.shift > -0.5
    assert waited.best_value > followed.best_value > ended.best_value > -np.log(4)
    assert "| at the end | N(" in gan_stages.table(found)
    assert len(gan_stages.draw(found).axes) == 4


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    of_bounds = {"rate-distortion", "tightness", "signal-to-noise", "blur"}
    assert of_bounds | {"gan-gradients", "gan-stages", "receptive-fields"} <= set(FIGURES)
    monkeypatch.setattr(sys, "argv", ["figures", "tightness", "--tiny", "--out", str(tmp_path / "figures")])
    main()
    assert "| log p(x) |" in capsys.readouterr().out
    assert (tmp_path / "figures" / "tightness.png").read_bytes().startswith(b"\x89PNG")
