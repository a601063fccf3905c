"""Scores of rows: their values, their units, their percentiles, and how well they separate."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tests.linear_gaussian import linear_gaussian
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal

from jensen.data import Split, load
from jensen.errors import JensenError
from jensen.evaluation import Scores, auroc, score
from jensen.evaluation.score import subsample


class StandardNormal(nn.Module):
    """log p(x) of independent standard normals: exact."""

    def log_prob(self, x: Tensor) -> Tensor:
        return Normal(0.0, 1.0).log_prob(x).sum(-1)


def heights(num_rows: int = 3000) -> Split:
    x = np.random.default_rng(0).normal(size=(num_rows, 2)) * [5, 0.1] + [170, 3]
    return load(x, standardize=True, validation=0, test=200)


def scores(values: list[float] | np.ndarray) -> Scores:
    value = np.asarray(values, dtype=float)
    return Scores("any", "any/test", "volume", "exact", np.arange(len(value)), value, None, None, None, 0)


def test_an_exact_model_is_scored_in_the_users_units() -> None:
    split = heights()
    found = score(StandardNormal(), split.test)
    treatment = split.train.treatment
    assert treatment.shift is not None
    assert treatment.scale is not None
    raw = split.test.to_raw(split.test.all().x).double()
    expected = Normal(treatment.shift.double(), treatment.scale.double()).log_prob(raw).sum(-1)
    np.testing.assert_allclose(found.value, expected, atol=1e-4)
    assert (found.kind, found.measure) == ("exact", str(split.spec.measure(False)))
    assert found.standard_error is None
    assert found.percentile is None
    assert found.num_samples is None


def test_a_bounded_model_is_scored_within_its_own_error_of_the_evidence() -> None:
    model, marginal = linear_gaussian(shift=0.2, widen=1.2)
    x = marginal.sample((400,))
    data = load(x.numpy(), validation=0, test=300).test
    found = score(model, data, num_samples=2000)
    assert found.standard_error is not None
    z = (found.value - marginal.log_prob(data.all().x.double()).numpy()) / found.standard_error
    # 300 standardised errors; single precision of the stored rows is far below them.
    assert abs(z.mean()) < 3 / math.sqrt(300) + 0.1
    assert 0.75 < z.std() < 1.25
    assert (found.kind, found.num_samples) == ("lower bound", 2000)


def test_percentiles_are_among_a_seeded_part_of_the_training_rows() -> None:
    split = heights()
    found = score(StandardNormal(), split.test, split.train)
    assert found.num_reference == 2000
    assert found.percentile is not None
    reference = score(StandardNormal(), subsample(split.train, 0)).value
    expected = 100 * (reference[None] <= found.value[:, None]).mean(1)
    np.testing.assert_allclose(found.percentile, expected)
    # Rows of the same distribution have uniform percentiles: their mean within three standard errors of 50.
    assert abs(found.percentile.mean() - 50) < 3 * (100 / math.sqrt(12)) * math.sqrt(1 / 200 + 1 / 2000)
    assert torch.equal(subsample(split.train, 0).rows, subsample(split.train, 0).rows)
    assert not torch.equal(subsample(split.train, 0).rows, subsample(split.train, 1).rows)
    assert subsample(split.test, 0) is split.test


def test_scores_do_not_depend_on_whether_training_data_are_given() -> None:
    model, marginal = linear_gaussian(shift=0.3)
    split = load(marginal.sample((60,)).numpy(), validation=0, test=20)
    before = torch.get_rng_state()
    alone, among = score(model, split.test, num_samples=5), score(model, split.test, split.train, 5)
    np.testing.assert_array_equal(alone.value, among.value)
    assert not np.array_equal(alone.value, score(model, split.test, num_samples=5, seed=1).value)
    assert torch.equal(before, torch.get_rng_state())


def test_the_area_under_the_curve_is_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    inliers, outliers = draw.integers(0, 9, 130) * 1.0, draw.integers(-3, 7, 70) * 1.0  # with ties
    value, _ = auroc(scores(inliers), scores(outliers))
    labels = np.r_[np.ones(130), np.zeros(70)]
    assert value == pytest.approx(roc_auc_score(labels, np.r_[inliers, outliers]))
    assert auroc(scores([3, 4]), scores([-np.inf, 2])) == (1.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_error_of_the_area_is_that_of_repetition(shift: float) -> None:
    draw = np.random.default_rng(1)
    found = np.array([auroc(scores(draw.normal(shift, 1, 80)), scores(draw.normal(0, 1, 50))) for _ in range(600)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.1)  # 600 repeats: its own error is 3%
    truth = Normal(0.0, 1.0).cdf(torch.tensor(shift / math.sqrt(2))).item()
    assert abs(found[:, 0].mean() - truth) < 3 * found[:, 0].std() / math.sqrt(600)


def test_a_table_of_scores(tmp_path: Path) -> None:
    split = heights(400)
    found = score(StandardNormal(), split.test, split.train)
    found.write(tmp_path / "s.csv")
    table = polars.read_csv(tmp_path / "s.csv")
    assert table.columns == ["row", "score", "kind", "standard_error", "percentile"]
    np.testing.assert_array_equal(table["row"], split.test.rows)
    np.testing.assert_allclose(table["score"], found.value)
    assert table["standard_error"].null_count() == 200
    assert set(table["kind"]) == {"exact"}


def test_what_is_refused() -> None:
    split = heights(300)
    with pytest.raises(JensenError, match="Linear has no density"):
        score(nn.Linear(1, 1), split.test)
    with pytest.raises(JensenError, match="num_samples"):
        score(StandardNormal(), split.test, num_samples=0)
    with pytest.raises(JensenError, match="no rows"):
        score(StandardNormal(), split.validation)
    with pytest.raises(JensenError, match="2 rows of each kind"):
        auroc(scores([1, 2]), scores([1]))

    class Broken(nn.Module):
        def log_prob(self, x: Tensor) -> Tensor:
            return x.sum(-1).sqrt()

    with pytest.raises(JensenError, match="NaN for"):
        score(Broken(), split.test)


def test_a_full_covariance_gaussian_tells_its_own_rows_from_others_of_the_same_marginals() -> None:
    covariance = torch.tensor([[1.0, 0.95], [0.95, 1.0]], dtype=torch.float64)
    p = MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance)
    own, other = p.sample((500,)), torch.randn(500, 2, dtype=torch.float64)
    area, error = auroc(scores(p.log_prob(own).numpy()), scores(p.log_prob(other).numpy()))
    assert area > 0.5 + 10 * error
