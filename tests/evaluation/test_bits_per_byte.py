from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import jensen
from jensen.data import Dataset, load
from jensen.data.spec import Spec
from jensen.data.text import Tokeniser
from jensen.data.treatment import Treatment
from jensen.evaluation.text import in_context, per_byte
from jensen.models.autoregressive.transformer import build

PROSE = "The cat sat on the mat, and the other cats sat there. "


def windows(x: torch.Tensor, levels: int, rows: torch.Tensor | None = None) -> Dataset:
    spec = Spec((x.shape[1],), "categorical", levels=levels, merges="")
    rows = torch.arange(len(x)) if rows is None else rows
    return Dataset(x, None, spec, Treatment("categorical", "levels", levels - 1), "text", "test", rows)


def stirred(spec: Spec) -> torch.nn.Module:
    model = build(spec, width=8, depth=1, heads=2).double().eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


@pytest.mark.parametrize("length", [2, 3, 4])
def test_in_context_the_probabilities_of_all_texts_sum_to_one(length: int) -> None:
    count = {2: 4, 3: 3, 4: 2}[length]
    x = torch.tensor(list(itertools.product(range(2), repeat=length * count))).view(-1, length)
    place = torch.arange(len(x))
    texts = windows(x, 2, place + place // count)  # between two texts a row is missing
    model = stirred(texts.spec)
    log_prob = torch.from_numpy(in_context(model, texts, batch_size=500)).view(-1, count).sum(1)
    assert log_prob.logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    alone = model.log_prob(x).view(-1, count).sum(1)  # type: ignore[operator]
    assert (log_prob - alone).abs().max() > 0.01


def test_each_token_is_scored_where_half_a_window_comes_before_it() -> None:
    torch.manual_seed(0)
    x = torch.randint(3, (4, 6))
    model = stirred(windows(x, 3).spec)
    text = x.flatten()
    expected = []
    for place in range(24):
        window, inside = divmod(place, 6)
        start = 6 * window if inside >= 3 or window == 0 else 6 * window - 3
        assert place - start >= 3 or window == 0
        one = torch.zeros(1, 6, dtype=torch.int64)
        seen = text[start : place + 1]
        one[0, : len(seen)] = seen
        expected.append(model.conditionals(one).log_prob(one)[0, place - start])  # type: ignore[operator]
    found = in_context(model, windows(x, 3), batch_size=3)
    np.testing.assert_allclose(found, torch.stack(expected).view(4, 6).sum(1).detach().numpy())
    # Of windows that do not follow one another each is scored by itself.
    apart = windows(x, 3).subset(torch.tensor([0, 2]))
    np.testing.assert_allclose(in_context(model, apart), model.log_prob(x[[0, 2]]).detach().numpy())  # type: ignore


def test_the_ratio_and_its_error() -> None:
    generator = np.random.default_rng(0)
    num_bytes = generator.integers(20, 40, 4000)
    bits = 2.0 * num_bytes + generator.normal(0, 3, 4000)
    metric = per_byte("bits_per_byte", -bits * math.log(2), num_bytes, "exact")
    assert metric.standard_error == pytest.approx(3 / num_bytes.mean() / math.sqrt(4000), rel=0.1)
    assert abs(metric.value - 2) < 4 * metric.standard_error


@pytest.mark.parametrize("tokens", ["bytes", "bpe:280"])
def test_a_uniform_model_costs_what_its_tokens_do(tokens: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE * 40)
    split = load(tmp_path / "a.txt", tokens=tokens, window=8)
    model = build(split.spec, width=8, depth=1, heads=1)
    for parameter in model.parameters():
        parameter.data.zero_()
    found = jensen.evaluate(model, split.test)
    tokeniser = Tokeniser(split.spec.merges or "")
    x = split.test.all().x.numpy()
    expected = x.size * math.log2(tokeniser.levels) / tokeniser.lengths[x].sum()
    for name in ("bits_per_byte", "bits_per_byte_in_context"):
        assert found[name].value == pytest.approx(expected, rel=1e-5)
        assert found[name].kind == ("exact" if tokens == "bytes" else "upper bound")
    made = jensen.create("made", split.spec, hidden=(8,), ordering="random") if tokens == "bytes" else None
    if made is not None:  # it reads in another order
        assert "bits_per_byte_in_context" not in jensen.evaluate(made, split.test)


def test_other_data_have_no_bytes() -> None:
    split = load("digits", as_levels=True)
    model = build(replace(split.spec), width=8, depth=1, heads=1)
    assert "bits_per_byte" not in jensen.evaluate(model, split.test.subset(torch.arange(4)))
