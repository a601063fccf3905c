"""The classifier: its loss and its figures against formulas, and data that it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import jensen
from jensen.data import Batch
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.evaluation.classification import calibration_error
from jensen.models.base import Clock, kind_of
from jensen.models.classifier import Classifier, build

SPEC = Spec((1, 8, 8), "unit", num_classes=3)
START = Clock(torch.tensor(0), torch.tensor(0.0))


def one_number(spread: float = 1.0) -> Classifier:
    """log p(y | x) for y in {0, 1}, of which the log-odds are `spread` x."""
    model = Classifier(nn.Flatten(), 1, 2)
    with torch.no_grad():
        model.output.weight.copy_(torch.tensor([[0.0], [spread]]))
        model.output.bias.zero_()
    return model


def test_is_a_distribution_over_the_classes() -> None:
    for net, hidden in (("dense", (16,)), ("convolutional", (4, 8))):
        model = build(SPEC, net=net, hidden=hidden, num_features=12)
        x = torch.rand(5, 1, 8, 8)
        assert kind_of(model) == "classifier"
        assert model.features(x).shape == (5, 12)
        assert model.features(x).min() >= 0
        log_prob = model.classify(x)
        assert log_prob.shape == (5, 3)
        torch.testing.assert_close(log_prob.logsumexp(1), torch.zeros(5), atol=1e-6, rtol=0)
        torch.testing.assert_close(log_prob, model.output(model.features(x)).log_softmax(1))


def test_the_loss_is_the_cross_entropy() -> None:
    x, y = torch.tensor([[-1.0], [0.0], [2.0]]), torch.tensor([0, 1, 0])
    (turn,) = one_number().turns(Batch(x, y), START)
    expected = [math.log1p(math.exp(-1)), math.log(2), math.log1p(math.exp(2))]
    assert turn.loss.item() == pytest.approx(sum(expected) / 3)
    assert turn.player == "model"
    assert turn.terms["accuracy"].item() == pytest.approx(1 / 3)


def test_labelled_examples_alone_are_learned_from() -> None:
    x, y = torch.tensor([[-1.0], [0.0], [2.0]]), torch.tensor([0, -1, -1])
    (turn,) = one_number().turns(Batch(x, y, Batch(x[:1], y[:1])), START)
    assert turn.loss.item() == pytest.approx(math.log1p(math.exp(-1)))


def test_dropout_is_of_training_alone() -> None:
    model, x = build(SPEC, num_features=50, dropout=0.5), torch.rand(4, 1, 8, 8)
    assert not torch.equal(model.classify(x), model.classify(x))
    model.eval()
    assert torch.equal(model.classify(x), model.classify(x))


def test_figures_are_those_of_the_known_odds() -> None:
    """x ~ N(0, 1), y | x Bernoulli(sigmoid(x)): the true classifier is calibrated, and one twice as sure is not."""
    n = 40_000
    x = torch.randn(n, 1)
    y = torch.bernoulli(x[:, 0].sigmoid()).long()
    data = jensen.data.load(x.numpy(), labels=y, validation=0, test=n - 10).test
    found = jensen.evaluate(one_number(), data)
    # Of |x| with E max(p, 1 - p) and E log p(y | x) by quadrature.
    grid = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    weight = (-(grid**2) / 2).exp() / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    p = grid.sigmoid()
    accuracy = float((weight * torch.maximum(p, 1 - p)).sum())
    log_prob = float((weight * (p * p.log() + (1 - p) * (1 - p).log())).sum())
    for name, expected in (("accuracy", accuracy), ("log_prob_y", log_prob)):
        assert abs(found[name].value - expected) < 4 * found[name].standard_error
    assert found["accuracy"].standard_error == pytest.approx(math.sqrt(accuracy * (1 - accuracy) / n), rel=0.02)
    assert found.measure == "counts, of y given x"
    assert set(found.examples) == {"log_prob_y", "accuracy"}
    # |accuracy - confidence| in a bin is about the half-normal mean of its binomial error.
    assert found["calibration_error"].value < 0.5 * math.sqrt(8 / n) * 2
    sure = float((weight * (torch.maximum(2 * grid, -2 * grid).sigmoid() - torch.maximum(p, 1 - p))).sum())
    excess = jensen.evaluate(one_number(2.0), data)["calibration_error"].value
    assert abs(excess - sure) < 4 * math.sqrt(accuracy * (1 - accuracy) / n)


def test_calibration_error_of_a_table_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.45, 0.55], [0.2, 0.8]])
    y = torch.tensor([0, 1, 1, 1])
    # Confidences .9 (one of two right), .55 (right), .8 (right): |1 - 1.8| / 4 + .45 / 4 + .2 / 4.
    assert calibration_error(probabilities.log(), y) == pytest.approx((0.8 + 0.45 + 0.2) / 4, abs=1e-6)
    certain = torch.tensor([[0.0, -math.inf], [-math.inf, 0.0]])
    assert calibration_error(certain, torch.tensor([0, 1])) == 0


def test_runs_are_compared_by_log_p_of_y() -> None:
    x = torch.randn(2000, 1)
    y = torch.bernoulli(x[:, 0].sigmoid()).long()
    data = jensen.data.load(x.numpy(), labels=y, validation=0, test=1900).test
    found = jensen.evaluation.compare(
        {"right": jensen.evaluate(one_number(), data), "too sure": jensen.evaluate(one_number(4.0), data)}
    )
    (rows,) = found.tables.values()
    assert [row.run for row in rows] == ["right", "too sure"]
    assert rows[1].behind_standard_error is not None
    assert rows[1].behind > 4 * rows[1].behind_standard_error


def labelled(y: list[int] | None, n: int = 40) -> jensen.data.Split:
    rows = np.random.default_rng(0).normal(size=(n, 3))
    return jensen.data.load(rows, labels=y, test=0, validation=0)


def refused(y: list[int] | None) -> str:
    split = labelled([0, 1] * 20)
    model = jensen.create("classifier", split.spec)
    with pytest.raises(JensenError) as caught:
        jensen.fit(model, labelled(y), steps=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_refuses_data_without_labels() -> None:
    with pytest.raises(JensenError, match="needs labels, the data have none: give labels="):
        jensen.create("classifier", labelled(None).spec)
    assert refused(None).startswith("array has no labels, and the model needs them: give labels=")


def test_refuses_a_label_that_training_has_not() -> None:
    assert refused([0, 1] * 19 + [2, 2]).startswith("array has label 2, the model was made for labels below 2")


def test_refuses_a_class_of_one_example_and_of_none() -> None:
    assert refused([0] * 39 + [1]).startswith("class 1 of array has 1 training examples with a label, 2 are needed")
    assert refused([1] * 40).startswith("class 0 of array has 0 training examples")


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"dropout": 1.0}, "dropout is a share"), ({"num_features": 0}, "num_features must be at least 1")],
)
def test_refuses_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        build(SPEC, **settings)  # type: ignore[arg-type]
    with pytest.raises(JensenError, match="at least 2 classes"):
        build(Spec((3,), "real", num_classes=1))


def test_the_gain_is_of_all_layers_but_the_last() -> None:
    torch.manual_seed(1)
    plain = build(SPEC, net="convolutional", hidden=(4, 8))
    torch.manual_seed(1)
    gained = build(SPEC, net="convolutional", hidden=(4, 8), init_gain=2.0)
    for (name, before), after in zip(plain.named_parameters(), gained.parameters(), strict=True):
        scaled = name.endswith("weight") and not name.startswith("output")
        torch.testing.assert_close(after, 2 * before if scaled else before)


def test_losses_are_float32_under_mixed_precision() -> None:
    model: Classifier = build(SPEC)
    with torch.autocast("cpu", torch.bfloat16):
        x: Tensor = torch.rand(4, 1, 8, 8)
        assert model.classify(x).dtype == model.features(x).dtype == torch.float32
