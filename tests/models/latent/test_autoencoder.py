"""The autoencoder: PCA where it is linear, better than PCA where it is not, and no probability anywhere."""

from __future__ import annotations

import math
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from tests.command_line import done, refusal
from torch import Tensor, nn

import jensen
from jensen.data import Batch, Spec
from jensen.errors import JensenError
from jensen.evaluation import compare
from jensen.evaluation.results import paired_difference
from jensen.models.base import Clock, Exact, Latent, kind_of
from jensen.models.latent.autoencoder import Autoencoder, build
from jensen.registry import entry

PRESETS = entry("autoencoder").all_presets()
CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
UNIT = Spec((1, 2, 3), "unit")


def principal_components(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    flat = x.flatten(1).double()
    mean = flat.mean(0)
    return mean, torch.linalg.svd(flat - mean, full_matrices=False).Vh[:count].T


def largest_angle(model: Autoencoder, x: Tensor) -> float:
    weight = model.decoder[-1].weight.detach().double()
    return float(subspace_angles(weight.numpy(), principal_components(x, weight.shape[1])[1].numpy()).max())


# what must be shown


def test_a_linear_one_spans_the_principal_subspace_of_digits() -> None:
    split = jensen.data.load("digits")
    torch.manual_seed(0)
    model = build(split.spec, **PRESETS["linear"].model)
    training = {**PRESETS["linear"].training, "steps": 600, "validate_every": 0}
    jensen.fit(model, split, progress=False, **training)
    x = split.train.all().x
    assert largest_angle(model, x) < 0.01
    mean, components = principal_components(x, 10)
    projected = (x.flatten(1).double() - mean) @ components @ components.T + mean
    # PCA's is the least squared error, from which any other subspace is second order in the angle away.
    least = float((x.flatten(1) - projected).square().sum(1).mean())
    assert float(model.reconstruction_errors(x)["squared_error"].mean()) == pytest.approx(least, rel=1e-4)


def test_a_linear_one_spans_the_principal_subspace_of_centred_gaussian_data() -> None:
    # Standard deviations 3, 2.5, 2 in the subspace and 1 outside, all mixed by a rotation.
    rotation = torch.linalg.qr(torch.randn(12, 12)).Q
    x = torch.randn(500, 12) * torch.tensor([3, 2.5, 2] + [1] * 9) @ rotation
    split = jensen.data.load(x - x.mean(0), validation=0, test=0)
    torch.manual_seed(1)
    model = build(split.spec, latent_dim=3, hidden=())
    jensen.fit(
        model, split, steps=400, batch_size=500, learning_rate=1e-2, betas=(0.9, 0.95), schedule="linear",
        validate_every=0, progress=False,
    )  # fmt: skip
    assert largest_angle(model, x) < 0.01


def test_a_denoising_one_is_below_the_noise_and_below_pca() -> None:
    split = jensen.data.load("digits")
    torch.manual_seed(0)
    model = build(split.spec, latent_dim=10, hidden=(128,), activation="relu", noise="gaussian", noise_level=0.5)
    jensen.fit(model, split, steps=500, learning_rate=5e-3, schedule="linear", validate_every=0, progress=False)
    x = split.test.all().x
    noisy = model.corrupt(x)
    mean, components = principal_components(split.train.all().x, 10)
    projected = ((noisy.flatten(1).double() - mean) @ components @ components.T + mean).view_as(x)
    error = {
        name: (x - guess).double().square().flatten(1).sum(1).tolist()
        for name, guess in {"denoised": model.reconstruct(noisy), "noise": noisy, "pca": projected}.items()
    }
    for other in ("noise", "pca"):
        ahead, standard_error = paired_difference(error[other], error["denoised"])
        assert ahead > 2 * standard_error


# the loss


def linear(loss: str, noise: str = "none", noise_level: float = 0.5) -> Autoencoder:
    return build(UNIT, latent_dim=2, hidden=(), loss=loss, noise=noise, noise_level=noise_level)  # type: ignore[arg-type]


def test_losses_are_summed_over_the_event_and_averaged_over_the_batch() -> None:
    x = torch.rand(5, 1, 2, 3)
    model = linear("squared-error")
    expected = sum(float(((a - b) ** 2).sum()) for a, b in zip(x, model.reconstruct(x), strict=True)) / 5
    (turn,) = model.turns(Batch(x), CLOCK)
    assert turn.loss.item() == pytest.approx(expected, rel=1e-5)
    model = linear("bernoulli")
    p = model.reconstruct(x).double()
    assert p.min() > 0
    assert p.max() < 1
    (turn,) = model.turns(Batch(x), CLOCK)
    expected = -float((x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1).mean())
    assert turn.loss.item() == pytest.approx(expected, rel=1e-5)


def test_noise_is_of_the_stated_size_and_in_training_only() -> None:
    x = torch.rand(4000, 1, 2, 3)
    shifts = (linear("squared-error", "gaussian", 0.3).corrupt(x) - x).flatten()
    n = shifts.numel()
    assert abs(float(shifts.mean())) < 4 * 0.3 / math.sqrt(n)
    assert abs(float(shifts.square().mean()) - 0.09) < 4 * 0.09 * math.sqrt(2 / n)
    masked = linear("squared-error", "mask", 0.3).corrupt(x)
    kept = masked != 0
    assert torch.equal(masked[kept], x[kept])
    assert abs(float(kept.float().mean()) - 0.7) < 4 * math.sqrt(0.3 * 0.7 / n)

    model = linear("squared-error", "mask")
    assert torch.equal(model.reconstruct(x), model.reconstruct(x))
    assert torch.equal(model.encode(x), model.encode(x))
    (first,), (second,) = model.turns(Batch(x), CLOCK), model.turns(Batch(x), CLOCK)
    assert first.loss != second.loss


def test_what_is_reconstructed_is_the_clean_x() -> None:
    model = Autoencoder(nn.Flatten(), nn.Identity(), (6,), noise="gaussian", noise_level=2.0)  # x^ = x~
    x = torch.rand(3000, 6)
    errors = model.reconstruction_errors(x)
    assert errors["squared_error"].max() == 0
    assert torch.equal(errors["denoised_squared_error"], errors["noise_squared_error"])
    expected = 6 * 2.0**2
    assert abs(float(errors["noise_squared_error"].mean()) - expected) < 4 * 4 * math.sqrt(2 * 6 / 3000)


@pytest.mark.parametrize("loss", ["squared-error", "bernoulli"])
def test_it_starts_at_the_mean_of_the_data(loss: str) -> None:
    x = torch.rand(50, 1, 2, 3)
    model = linear(loss)
    model.initialize(x)
    model.decoder[-1].weight.data.zero_()
    assert torch.allclose(model.reconstruct(x[:1]), x.mean(0, keepdim=True), atol=1e-6)


# what is said of it


def test_it_only_reconstructs() -> None:
    model = linear("squared-error")
    assert kind_of(model) == "reconstruction"
    assert not isinstance(model, Exact | Latent)
    assert not hasattr(model, "sample")


@pytest.mark.parametrize(
    ("loss", "noise", "names"),
    [
        ("squared-error", "none", {"squared_error": "squared units of x"}),
        ("bernoulli", "none", {"cross_entropy": "nats", "squared_error": "squared units of x"}),
        (
            "squared-error",
            "gaussian",
            dict.fromkeys(("squared_error", "denoised_squared_error", "noise_squared_error"), "squared units of x"),
        ),
    ],
)
def test_every_figure_is_an_objective_with_its_unit(loss: str, noise: str, names: dict[str, str]) -> None:
    test = jensen.data.load("digits").test
    model = jensen.create("autoencoder", test.spec, hidden=(8,), loss=loss, noise=noise)
    found = jensen.evaluate(model, test)
    assert {metric.name: metric.unit for metric in found.metrics} == names
    assert {metric.kind for metric in found.metrics} == {"objective"}
    assert found.measure.startswith("none: ")
    x = test.all().x
    values = (x - model.reconstruct(x)).square().flatten(1).sum(1).double().numpy()
    assert found["squared_error"].value == pytest.approx(values.mean(), rel=1e-5)
    assert found["squared_error"].standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(len(x)), rel=1e-4)


def test_scaled_data_have_scaled_units() -> None:
    test = jensen.data.load(torch.randn(100, 3) * 5, standardize=True).test
    found = jensen.evaluate(jensen.create("autoencoder", test.spec, latent_dim=2), test)
    assert found["squared_error"].unit == "squared units of x as scaled"


def test_compare_says_why_it_cannot_be_ranked() -> None:
    test = jensen.data.load("digits").test
    found = compare({"a": jensen.evaluate(jensen.create("autoencoder", test.spec), test)})
    assert not found.tables
    assert "autoencoder only reconstructs: its errors say nothing of p(x)" in found.refused["a"]


def test_a_run_encodes_reconstructs_and_reports_but_draws_nothing(tmp_path: Path) -> None:
    run, codes, x = tmp_path / "run", tmp_path / "z.npy", tmp_path / "x.png"
    done("fit autoencoder --preset tiny --set noise=mask --steps 3 --out", run)
    assert "denoised_squared_error" in done("evaluate", run)
    assert "codes z, (250, 2)" in done("encode", run, "--data", "digits", "--out", codes)
    model, test = jensen.load(run), jensen.data.load("digits").test
    assert np.array_equal(np.load(codes), model.encode(test.all().x).detach().numpy())
    assert "200 reconstructions" in done("reconstruct", run, "--data", "digits", "--out", x)
    assert "this model has no p(x) to draw from" in refusal("sample", run, "--out", x)
    assert "autoencoder only reconstructs" in done("compare", run)
    done("report", run)
    assert {path.stem for path in run.glob("*.png")} == {"learning_curve", "reconstructions", "latent"}
    page = (run / "report.html").read_text()
    assert "which reconstructs x and says nothing of p(x)" in page
    assert "In nats" not in page


# bad input


@pytest.mark.parametrize(
    ("spec", "settings", "said"),
    [
        (Spec((1, 4, 4), "8-bit", 256), {}, "got 8-bit x: load it without as_levels"),
        (Spec((5,), "categorical", 4), {}, "got categorical x: .* choose a vae"),
        (Spec((5,), "count"), {}, "got count x: .* choose a vae"),
        (Spec((5,), "real"), {"loss": "bernoulli"}, "choose loss=squared-error"),
        (UNIT, {"noise": "gaussian", "noise_level": 0.0}, "above 0, got 0"),
        (UNIT, {"noise": "mask", "noise_level": 1.0}, r"in \(0, 1\), got 1"),
        (UNIT, {"latent_dim": 0}, "latent_dim must be at least 1, got 0"),
    ],
)
def test_what_it_refuses(spec: Spec, settings: dict[str, object], said: str) -> None:
    with pytest.raises(JensenError, match=said) as refusal:
        build(spec, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_unknown_words_are_answered_with_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the suite's own checks would see them first
    with pytest.raises(JensenError, match=r"unknown loss 'hinge': \(valid: bernoulli, squared-error\)"):
        build(UNIT, loss="hinge")  # type: ignore[arg-type]
    with pytest.raises(JensenError, match="unknown noise 'masks': did you mean 'mask'"):
        build(UNIT, noise="masks")  # type: ignore[arg-type]
