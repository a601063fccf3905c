from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from jensen.data import load
from jensen.data.treatment import Treatment, counter_uniform

GREYS = np.tile(np.arange(256, dtype=np.uint8), (4000, 1))


def splitmix64(key: int, i: int) -> int:
    """Steele, Lea and Flood (2014), figure 16, in Python's integers."""
    z = (key + i * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_counter_uniform_is_splitmix64() -> None:
    rows = torch.tensor([0, 7, 123_456])
    u = counter_uniform(5, rows, 3)
    key = splitmix64(6, 0)
    for i, row in enumerate(rows.tolist()):
        words = [splitmix64(key, 2 * row + j) for j in range(2)]
        halves = [half for word in words for half in (word % 2**32, word >> 32)][:3]
        signed = [half - 2**32 if half >= 2**31 else half for half in halves]
        assert u[i].tolist() == [half / 2**32 + 0.5 for half in signed]


def test_counter_uniform_knows_only_seed_and_row() -> None:
    everything = counter_uniform(1, torch.arange(50), 10)
    order = torch.randperm(50)
    assert torch.equal(counter_uniform(1, order, 10), everything[order])
    assert not torch.equal(counter_uniform(2, torch.arange(50), 10), everything)


def test_counter_uniform_is_uniform_and_uncorrelated() -> None:
    u = counter_uniform(0, torch.arange(2000), 100)
    n = u.numel()
    assert abs(u.mean() - 0.5) < 4 * math.sqrt(1 / 12 / n)
    assert abs((u - 0.5).square().mean() - 1 / 12) < 4 * math.sqrt(1 / 180 / n)
    for a, b in ((u[1:], u[:-1]), (u[:, 1:], u[:, :-1]), (u, counter_uniform(1, torch.arange(2000), 100))):
        correlation = 12 * ((a - 0.5) * (b - 0.5)).mean()
        assert abs(correlation) < 4 / math.sqrt(a.numel())


@pytest.mark.parametrize("binarize", ["dynamic", "static"])
@pytest.mark.parametrize("scale", [None, 255.0])
def test_binarisation_is_bernoulli_of_the_grey_value(binarize: str, scale: float | None) -> None:
    greys = GREYS if scale is None else GREYS.astype(np.float32) / scale
    x = load(greys, binarize=binarize, validation=0, test=0).train.all().x.double()
    p = torch.arange(256).double() / 255
    z = (x.mean(0) - p) / (p * (1 - p) / len(x)).sqrt()
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert x[:, 0].sum() == 0
    assert x[:, -1].sum() == len(x)
    assert z[1:-1].abs().max() < 4.5
    assert abs(z[1:-1].square().mean() - 1) < 4 * math.sqrt(2 / 254)


def test_ties_of_random_bytes_leave_no_bias() -> None:
    # Comparing with a byte alone would give 200 / 256 = 0.78125 where 200 / 255 = 0.78431 is right.
    grey = np.full((1000, 4000), 200, np.uint8)
    x = load(grey, binarize="dynamic", validation=0, test=0).train.all().x
    p = 200 / 255
    assert abs(x.double().mean() - p) < 4 * math.sqrt(p * (1 - p) / x.numel())


def test_threshold_is_at_one_half() -> None:
    x = load(GREYS, binarize="threshold", validation=0, test=0).train.all().x
    assert torch.equal(x[0], (torch.arange(256) >= 128).float())
    floats = load(np.array([[0.0, 0.49, 0.5, 1.0]]), binarize="threshold", validation=0, test=0)
    assert floats.train.all().x.tolist() == [[0, 0, 1, 1]]


def test_dynamic_binarisation_resumes_from_the_generator_state() -> None:
    train = load(GREYS, binarize="dynamic").train
    index = torch.arange(100)
    state = torch.get_rng_state()
    first, second = train.batch(index).x, train.batch(index).x
    torch.set_rng_state(state)
    assert torch.equal(train.batch(index).x, first)
    assert not torch.equal(first, second)


def test_dequantisation() -> None:
    split = load(GREYS, dequantize=True)
    assert split.spec.kind == "real"
    assert split.spec.treatment == "dequantised"
    for part in (split.train, split.test):
        x = part.all().x
        raw = x.double() * 256
        assert torch.equal(raw.floor(), torch.arange(256).double().expand(len(x), 256))
        assert torch.equal(part.to_raw(x), raw.floor().float())
        u = (raw - raw.floor()).flatten()
        assert abs(u.mean() - 0.5) < 4 * math.sqrt(1 / 12 / len(u)) + 2**-16
        assert abs((u - 0.5).square().mean() - 1 / 12) < 4 * math.sqrt(1 / 180 / len(u)) + 2**-16
    torch.testing.assert_close(split.test.log_det(x), torch.full((len(x),), -256 * math.log(256)).double())


def test_standardisation_puts_its_log_determinant_back() -> None:
    raw = np.random.default_rng(0).normal([1e3, -2, 0.01], [5, 0.3, 1e-4], size=(500, 3))
    split = load(raw, standardize=True)
    x = split.train.to(dtype=torch.float64).all().x
    torch.testing.assert_close(x.mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(x.var(0, unbiased=False), torch.ones(3).double())
    rows = split.train.to_raw(x)
    mean, scale = rows.mean(0), rows.std(0, unbiased=False)
    of_raw = torch.distributions.Normal(mean, scale).log_prob(rows).sum(1)
    of_x = torch.distributions.Normal(torch.zeros(3).double(), 1.0).log_prob(x).sum(1)
    torch.testing.assert_close(of_raw, of_x + split.train.log_det(x))
    assert {tuple(row) for row in rows.numpy().round(9)} <= {tuple(row) for row in raw.round(9)}


def test_standardisation_is_fitted_on_training_data_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = np.random.default_rng(0).normal(size=(400, 3)) * [1, 10, 0] + 7
    whole = load(raw, standardize=True)
    monkeypatch.setattr("jensen.data.dataset._CHUNK_ENTRIES", 30)
    pieces = load(raw, standardize=True)
    for name in ("shift", "scale"):
        torch.testing.assert_close(getattr(pieces.train.treatment, name), getattr(whole.train.treatment, name))
    assert whole.train.treatment.scale is not None
    assert whole.train.treatment.scale[2] == 1
    torch.testing.assert_close(whole.test.all().x[:, 2], torch.zeros(40))
    stored = whole.train.x
    assert isinstance(stored, torch.Tensor)
    torch.testing.assert_close(whole.train.treatment.shift, stored.mean(0))


def test_dequantised_and_standardised_together() -> None:
    split = load(GREYS, dequantize=True, standardize=True)
    x = split.train.all().x
    # The mean is that of one draw of the noise, another draw differs from it by its standard error.
    assert x[:, 100].mean().abs() < 8 * math.sqrt(1 / len(x))
    scale = split.train.treatment.scale
    assert scale is not None
    torch.testing.assert_close(split.train.log_det(x)[0], -scale.log().sum())
    torch.testing.assert_close(scale.mean(), torch.tensor(math.sqrt(1 / 12)).double(), rtol=0.01, atol=0)


def test_nothing_is_put_back_where_nothing_was_scaled() -> None:
    x = Treatment("unit", "grey", 255)(torch.tensor([[0, 51, 255]], dtype=torch.uint8), None, torch.float32)
    assert x.tolist() == [[0, pytest.approx(0.2), 1]]
    split = load(GREYS)
    assert split.test.log_det(split.test.all().x).eq(0).all()
