from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.inference.em import em
from jensen.models.mixture.gaussian import Covariance, GaussianMixture, build

COVARIANCES = get_args(Covariance)
each_covariance = pytest.mark.parametrize("covariance", COVARIANCES)


def simulated(num: int, dims: int, components: int, separation: float = 2.0) -> Tensor:
    """Draws from a mixture with unequal weights and correlated, unequal components."""
    means = separation * torch.randn(components, dims, dtype=torch.float64)
    mixing = torch.eye(dims) + 0.3 * torch.randn(components, dims, dims, dtype=torch.float64)
    z = torch.multinomial(torch.rand(components) + 0.2, num, replacement=True)
    noise = torch.randn(num, dims, dtype=torch.float64)
    return means[z] + torch.einsum("nij,nj->ni", mixing[z], noise)


def randomised(dims: int, components: int, covariance: Covariance) -> GaussianMixture:
    """A mixture with random parameters, at an M-step on random responsibilities."""
    model = build(Spec((dims,), "real"), num_components=components, covariance=covariance)
    x = simulated(200, dims, components)
    model.m_step(x, (4 * torch.randn(200, components, dtype=torch.float64)).log_softmax(1))
    return model


def full_covariances(model: GaussianMixture) -> Tensor:
    """Σ_k as (K, D, D), whatever is free in it."""
    components, dims = model.means.shape
    if model.covariance in ("full", "tied"):
        return model.covariances.expand(components, dims, dims)
    return torch.diag_embed(model.covariances.view(components, -1).expand(components, dims))


def faithful(folder: Path) -> Tensor:
    return torch.from_numpy(np.loadtxt(folder / "tabular" / "faithful.csv", delimiter=",", skiprows=1))


def best_fit(x: Tensor, components: int, covariance: Covariance, starts: int) -> tuple[float, GaussianMixture]:
    """The highest total log-likelihood over a number of starts, and its model."""
    fits = []
    for seed in range(starts):
        torch.manual_seed(seed)
        model = build(Spec((2,), "real"), num_components=components, covariance=covariance)
        # Small random subsets start in more places than k-means on all of x does.
        model.initialize(x if seed == 0 else x[torch.randperm(len(x))[: 10 * components]])
        em(model, x, max_steps=2000, tolerance=1e-12)
        fits.append((model.log_prob(x).sum().item(), model))
    return max(fits, key=lambda fit: fit[0])


@pytest.mark.parametrize(
    ("components", "covariance", "starts", "expected", "bic"),
    [
        (1, "full", 1, -1289.796745053, None),
        (1, "tied", 1, -1289.796745053, None),
        (2, "full", 1, -1130.263960185, 2322.191743),
        (2, "tied", 1, -1140.186759, None),
        (3, "tied", 6, -1126.315927824, 2314.295678),
    ],
)
def test_old_faithful(
    jensen_data: Path, components: int, covariance: Covariance, starts: int, expected: float, bic: float | None
) -> None:
    x = faithful(jensen_data)
    log_likelihood, model = best_fit(x, components, covariance, starts)
    # EM stops where it gains less than 1e-12 nats per example.
    assert log_likelihood == pytest.approx(expected, abs=1e-6)
    assert bic is None or model.bic(x).item() == pytest.approx(bic, abs=2e-6)


@each_covariance
def test_free_parameters_are_counted(covariance: Covariance) -> None:
    of_covariances = {"full": 4 * 6, "tied": 6, "diagonal": 4 * 3, "spherical": 4}[covariance]
    assert randomised(3, 4, covariance).num_free_parameters == 3 + 4 * 3 + of_covariances


def test_old_faithful_s_two_components(jensen_data: Path) -> None:
    _, model = best_fit(faithful(jensen_data), 2, "full", 1)
    short, long = model.weights.argsort().tolist()
    assert model.weights[short].item() == pytest.approx(0.35587286, abs=1e-6)
    expected = [
        (short, [2.03638846, 54.47851644], [[0.06916767, 0.43516768], [0.43516768, 33.69728242]]),
        (long, [4.28966198, 79.96811524], [[0.16996843, 0.94060923], [0.94060923, 36.04621032]]),
    ]
    for k, mean, covariance in expected:
        torch.testing.assert_close(model.means[k], torch.tensor(mean).double(), rtol=1e-4, atol=0)
        torch.testing.assert_close(model.covariances[k], torch.tensor(covariance).double(), rtol=1e-3, atol=0)


@each_covariance
def test_log_prob_agrees_with_scipy(covariance: Covariance) -> None:
    model = randomised(3, 4, covariance)
    x = simulated(50, 3, 4)
    density = sum(
        weight * stats.multivariate_normal(mean, matrix).pdf(x.numpy())
        for weight, mean, matrix in zip(
            model.weights.numpy(), model.means.numpy(), full_covariances(model), strict=True
        )
    )
    torch.testing.assert_close(model.log_prob(x), torch.from_numpy(np.log(density)), rtol=1e-10, atol=1e-10)


@each_covariance
def test_log_prob_is_exact_far_from_the_origin(covariance: Covariance) -> None:
    near = randomised(3, 4, covariance)
    x = simulated(50, 3, 4)
    expected = near.log_prob(x)
    near.means += 1e6
    torch.testing.assert_close(near.log_prob(x + 1e6), expected, rtol=0, atol=1e-6)


@each_covariance
def test_em_agrees_with_scikit_learn_from_the_same_start(covariance: Covariance) -> None:
    from sklearn.mixture import GaussianMixture as Reference

    x = simulated(500, 3, 3, separation=1.0)
    model = build(Spec((3,), "real"), num_components=3, covariance=covariance)
    model.initialize(x)
    precisions = (
        model.covariances.inverse()
        if model.covariances.shape[-1] == 3 and covariance in ("full", "tied")
        else 1 / model.covariances
    )
    reference = Reference(
        3,
        covariance_type={"diagonal": "diag"}.get(covariance, covariance),
        reg_covar=0,
        tol=0,
        max_iter=20,
        weights_init=model.weights.numpy(),
        means_init=model.means.numpy(),
        precisions_init=precisions.numpy(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twenty steps do not converge
        reference.fit(x.numpy())
    start = model.means.clone()
    for _ in range(20):
        em(model, x, max_steps=1)
    assert (model.means - start).abs().max() > 0.01
    for ours, theirs in (
        (model.weights, reference.weights_),
        (model.means, reference.means_),
        (model.covariances, reference.covariances_),
        (model.log_prob(x), reference.score_samples(x.numpy())),
    ):
        torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-8, atol=1e-8)


def test_one_component_is_the_sample_s_moments() -> None:
    x = simulated(300, 4, 3)
    mean, matrix = x.mean(0), x.T.cov(correction=0)
    expected = {
        "full": matrix[None],
        "tied": matrix,
        "diagonal": matrix.diagonal()[None],
        "spherical": matrix.diagonal().mean()[None],
    }
    for covariance in COVARIANCES:
        model = build(Spec((4,), "real"), num_components=1, covariance=covariance)
        model.initialize(x)
        torch.testing.assert_close(model.means[0], mean, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model.covariances, expected[covariance], rtol=1e-12, atol=1e-12)


def test_in_one_dimension_full_diagonal_and_spherical_are_the_same_model() -> None:
    x = simulated(300, 1, 3)
    fits = []
    for covariance in ("full", "diagonal", "spherical"):
        torch.manual_seed(0)
        model = build(Spec((1,), "real"), num_components=3, covariance=covariance)
        model.initialize(x)
        em(model, x, max_steps=20)
        fits.append(model.log_prob(x))
    torch.testing.assert_close(fits[0], fits[1], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(fits[0], fits[2], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("dims", "covariance", "steps"), [(64, "full", 10), *((16, covariance, 30) for covariance in COVARIANCES)]
)
def test_the_likelihood_never_falls(dims: int, covariance: Covariance, steps: int) -> None:
    x = simulated(10_000, dims, 10, separation=0.5)
    model = build(Spec((dims,), "real"), num_components=10, covariance=covariance)
    # A poor start, from which EM has far to go.
    model.means.copy_(x[:10])
    result = em(model, x, max_steps=steps, tolerance=0.0)
    gains = result.bound.diff() * len(x)
    assert gains.min() >= -1e-9
    assert gains.sum() > 100


@each_covariance
def test_samples_have_the_mixture_s_moments(covariance: Covariance) -> None:
    model = randomised(3, 3, covariance)
    draws = model.sample(40_000)
    assert draws.dtype == torch.float32
    mean = model.weights @ model.means
    second = full_covariances(model) + model.means[:, :, None] * model.means[:, None, :]
    products = draws.double()[:, :, None] * draws.double()[:, None, :]
    for sample, expected in (
        (draws.double(), mean),
        (products, torch.tensordot(model.weights, second, dims=1)),
    ):
        standard_error = sample.std(0) / math.sqrt(len(draws))
        assert ((sample.mean(0) - expected).abs() < 5 * standard_error).all()
    # The two moments say nothing of the components: the mean log-density does.
    values = model.log_prob(draws)
    again = model.log_prob(randomised_like(model, 40_000))
    spread = math.hypot(values.std().item(), again.std().item()) / math.sqrt(len(draws))
    assert abs(values.mean() - again.mean()) < 5 * spread


def randomised_like(model: GaussianMixture, num: int) -> Tensor:
    """Draws from the model by torch.distributions."""
    from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

    components = MultivariateNormal(model.means, full_covariances(model))
    return MixtureSameFamily(Categorical(model.weights), components).sample((num,))


@each_covariance
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_a_component_that_closes_in_on_one_point_stops_at_the_floor(covariance: Covariance, scale: float) -> None:
    x = scale * torch.cat([torch.full((20, 3), 4.0, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)])
    model = build(Spec((3,), "real"), num_components=2, covariance=covariance)
    model.initialize(x)
    result = em(model, x, max_steps=50)
    assert result.bound.isfinite().all()
    assert result.bound.diff().min() >= -1e-9
    assert model.sample(10).isfinite().all()
    if covariance != "tied":
        variances = x.var(0, correction=0)
        if covariance == "spherical":
            variances = variances.mean().expand(3)
        relative = full_covariances(model) / torch.outer(variances, variances).sqrt()
        assert torch.linalg.eigvalsh(relative).min().item() == pytest.approx(1e-6, rel=1e-8)


@each_covariance
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_data_on_a_line_have_a_finite_likelihood_that_never_falls(covariance: Covariance, scale: float) -> None:
    x = scale * torch.randn(200, 1, dtype=torch.float64) * torch.tensor([[1.0, 2.0, -1.0]]).double()
    model = build(Spec((3,), "real"), num_components=3, covariance=covariance)
    model.initialize(x)
    result = em(model, x, max_steps=50)
    assert result.bound.isfinite().all()
    assert result.bound.diff().min() >= -1e-9


@each_covariance
def test_a_component_that_loses_all_its_points_keeps_its_place_and_no_weight(covariance: Covariance) -> None:
    x = simulated(100, 2, 2)
    model = build(Spec((2,), "real"), num_components=3, covariance=covariance)
    model.initialize(x)
    model.weights.copy_(torch.tensor([0.6, 0.4, 0.0]))
    place, covariances = model.means[2].clone(), model.covariances.clone()
    result = em(model, x, max_steps=30)
    assert model.weights[2] == 0
    assert model.means[2].equal(place)
    assert covariance == "tied" or model.covariances[2].equal(covariances[2])
    assert result.bound.diff().min() >= -1e-9
    for parameter in (model.weights, model.means, model.covariances, model.e_step(x).exp(), model.sample(100)):
        assert parameter.isfinite().all()


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal"])
def test_the_fit_does_not_depend_on_the_units(covariance: Covariance) -> None:
    x = torch.cat([simulated(100, 2, 2), torch.full((30, 2), 7.0, dtype=torch.float64)])
    units = torch.tensor([1e-5, 1e6], dtype=torch.float64)
    start = torch.randn(130, 3, dtype=torch.float64).mul(3).log_softmax(1)
    values = []
    for data in (x, x * units):
        model = build(Spec((2,), "real"), num_components=3, covariance=covariance)
        model.m_step(data, start)
        for _ in range(15):
            em(model, data, max_steps=1)
        values.append(model.log_prob(data))
    torch.testing.assert_close(values[0], values[1] + units.log().sum(), rtol=0, atol=1e-6)


def test_an_entry_that_never_varies_is_no_obstacle() -> None:
    x = torch.cat([torch.randn(50, 1), torch.full((50, 1), 0.1)], 1)
    for covariance in COVARIANCES:
        model = build(Spec((2,), "real"), num_components=2, covariance=covariance)
        model.initialize(x)
        result = em(model, x, max_steps=20)
        assert result.bound.isfinite().all()
        assert result.bound.diff().min() >= -1e-9


def test_points_far_from_every_component_still_have_responsibilities() -> None:
    model = randomised(2, 3, "full")
    x = torch.full((1, 2), 1e8, dtype=torch.float64)
    assert model.log_prob(x).item() < -1e10
    assert model.e_step(x).exp().sum().item() == pytest.approx(1.0)


def test_fewer_distinct_rows_than_components_are_refused() -> None:
    x = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).repeat(10, 1)
    with pytest.raises(JensenError, match="3 components needs as many distinct rows, got 2") as error:
        build(Spec((2,), "real"), num_components=3).initialize(x)
    assert "\n" not in str(error.value)


def test_as_many_components_as_distinct_rows() -> None:
    x = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).repeat(10, 1)
    model = build(Spec((2,), "real"), num_components=2)
    model.initialize(x)
    em(model, x, max_steps=1)
    # Each variance of x is 1.
    expected = math.log(0.5) - math.log(2 * math.pi * 1e-6)
    torch.testing.assert_close(model.log_prob(x), torch.full((20,), expected, dtype=torch.float64), rtol=1e-9, atol=0)


def test_the_start_is_a_function_of_torch_s_seed() -> None:
    x = simulated(200, 2, 6, separation=0.3)
    starts = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = build(Spec((2,), "real"), num_components=6)
        model.initialize(x)
        starts.append(model.means.clone())
    assert starts[0].equal(starts[1])
    assert not starts[0].equal(starts[2])


def test_an_event_of_any_shape_is_a_row() -> None:
    x = torch.rand(40, 1, 2, 3)
    model = build(Spec((1, 2, 3), "unit"), num_components=2, covariance="diagonal")
    model.initialize(x)
    em(model, x, max_steps=1)
    assert model.log_prob(x).shape == (40,)
    assert model.sample(7).shape == (7, 1, 2, 3)
    assert list(model.parameters()) == []


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("binary", {}, "got kind 'binary'"),
        ("categorical", {}, "got kind 'categorical'"),
        ("real", {"num_components": 0}, "num_components must be at least 1, got 0"),
        ("real", {"covariance_floor": 0.0}, "covariance_floor must be above 0, got 0.0"),
    ],
)
def test_what_cannot_be_a_gaussian_mixture_is_refused_in_one_line(kind: str, options: dict, message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        build(Spec((2,), kind), **options)
    assert "\n" not in str(error.value)


def with_missing(x: Tensor, share: float = 0.2) -> Tensor:
    """x with entries missing at random, of the first row all."""
    gone = torch.rand(x.shape) < share
    gone[0] = True
    return torch.where(gone, torch.nan, x)


@each_covariance
def test_log_prob_of_missing_entries_agrees_with_scipy(covariance: Covariance) -> None:
    model = randomised(4, 3, covariance)
    x = with_missing(simulated(40, 4, 3), 0.5)
    log_prob = model.log_prob(x)
    assert log_prob[0].item() == pytest.approx(0.0, abs=1e-12), "nothing is there: log 1"
    matrices = full_covariances(model).numpy()
    for row, value in zip(x[1:].numpy(), log_prob[1:].tolist(), strict=True):
        there = ~np.isnan(row)
        if not there.any():
            continue
        density = sum(
            weight * stats.multivariate_normal(mean[there], matrix[there][:, there]).pdf(row[there])
            for weight, mean, matrix in zip(model.weights.numpy(), model.means.numpy(), matrices, strict=True)
        )
        assert value == pytest.approx(math.log(density), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_an_m_step_with_missing_entries_maximises_the_expected_log_joint(covariance: Covariance) -> None:
    model = randomised(3, 2, covariance)
    x = with_missing(simulated(30, 3, 2), 0.3)
    log_r = model.e_step(x)
    means, matrices, r = model.means.clone(), full_covariances(model).clone(), log_r.exp()
    # Row by row, the missing entries given the others under the old parameters.
    first, second = torch.zeros(2, 3).double(), torch.zeros(2, 3, 3).double()
    for n, row in enumerate(x):
        there = ~row.isnan()
        for k in range(2):
            filled, left = row.clone(), torch.zeros(3, 3).double()
            across = matrices[k][~there][:, there] @ matrices[k][there][:, there].inverse()
            filled[~there] = means[k][~there] + across @ (row[there] - means[k][there])
            left[torch.outer(~there, ~there)] = (
                matrices[k][~there][:, ~there] - across @ matrices[k][there][:, ~there]
            ).flatten()
            first[k] += r[n, k] * filled
            second[k] += r[n, k] * (torch.outer(filled, filled) + left)
    counts = r.sum(0)
    expected_means = first / counts[:, None]
    expected = second / counts[:, None, None] - expected_means[:, :, None] * expected_means[:, None]
    model.m_step(x, log_r)
    torch.testing.assert_close(model.means, expected_means, rtol=1e-10, atol=1e-10)
    if covariance == "tied":
        expected = torch.tensordot(counts / len(x), expected, dims=1)
    torch.testing.assert_close(model.covariances, expected, rtol=1e-10, atol=1e-10)


@each_covariance
def test_em_with_missing_entries_never_falls_and_finds_the_components(covariance: Covariance) -> None:
    x = torch.randn(600, 4, dtype=torch.float64) + 8 * (torch.arange(600) % 2)[:, None]
    model = build(Spec((4,), "real"), num_components=2, covariance=covariance)
    holes = with_missing(x)
    model.initialize(holes)
    result = em(model, holes, max_steps=100)
    assert result.bound.diff().min() >= -1e-9
    # Each mean is of about 240 entries of unit variance.
    order = model.means[:, 0].argsort()
    torch.testing.assert_close(model.means[order], torch.tensor([[0.0], [8.0]]).double().expand(2, 4), rtol=0, atol=0.3)


def test_an_entry_that_no_row_has_is_refused() -> None:
    x = torch.randn(20, 3)
    x[:, 1] = torch.nan
    with pytest.raises(JensenError, match=r"entry 1 of x is missing \(NaN\) in every row: leave it out"):
        build(Spec((3,), "real"), num_components=2).initialize(x)


def test_hard_assignments_may_leave_a_component_without_points() -> None:
    x = simulated(100, 2, 2)
    model = build(Spec((2,), "real"), num_components=3, assignment="hard")
    model.initialize(x)
    model.means[2] = 1e3
    result = em(model, x, max_steps=30)
    assert model.weights[2] == 0
    assert result.bound.diff().min() >= -1e-9
    assert model.log_prob(x).isfinite().all()
