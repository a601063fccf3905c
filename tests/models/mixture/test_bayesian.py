from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

import jensen
from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.inference.em import EM, em
from jensen.models.mixture.bayesian import BayesianGaussianMixture, build


def faithful(folder: Path) -> Tensor:
    """Old Faithful, each column with mean 0 and standard deviation 1 (of the sample itself)."""
    x = torch.from_numpy(np.loadtxt(folder / "tabular" / "faithful.csv", delimiter=",", skiprows=1))
    return (x - x.mean(0)) / x.std(0, correction=0)


def simulated(num: int, dims: int, components: int) -> Tensor:
    means = 2 * torch.randn(components, dims, dtype=torch.float64)
    mixing = torch.eye(dims) + 0.3 * torch.randn(components, dims, dims, dtype=torch.float64)
    z = torch.randint(components, (num,))
    return means[z] + torch.einsum("nij,nj->ni", mixing[z], torch.randn(num, dims, dtype=torch.float64))


def fitted(x: Tensor, seed: int = 0, **settings: float) -> tuple[BayesianGaussianMixture, Tensor]:
    """A model fitted until nothing is gained, and the bound at each iteration, nats for all of x."""
    torch.manual_seed(seed)
    model = build(Spec((x.shape[1],), "real"), **settings)
    model.initialize(x)
    bound = em(model, x, max_steps=2000, tolerance=1e-13).bound * len(x)
    return model, bound


def bishop(model: BayesianGaussianMixture, x: Tensor, r: Tensor) -> float:
    """The terms (10.71) to (10.77), each written as in the book, with numpy and scipy alone."""
    x, r = x.numpy(), r.numpy()
    alpha, beta, nu, m = (one.numpy() for one in (model.alpha, model.beta, model.nu, model.means))
    dims, components = x.shape[1], len(alpha)
    alpha0, beta0, nu0, prior = model.alpha0, model.beta0, model.nu0, np.eye(dims) * model.w0
    w = np.linalg.inv(model.inverse_scales.numpy())
    counts = r.sum(0)
    log_pi = special.digamma(alpha) - special.digamma(alpha.sum())
    log_lambda = np.array(
        [
            special.digamma((nu[k] + 1 - np.arange(1, dims + 1)) / 2).sum()
            + dims * np.log(2)
            + np.linalg.slogdet(w[k])[1]
            for k in range(components)
        ]
    )

    def log_b(matrix: np.ndarray, freedom: float) -> float:
        return (
            -freedom / 2 * np.linalg.slogdet(matrix)[1]
            - freedom * dims / 2 * np.log(2)
            - special.multigammaln(freedom / 2, dims)
        )

    total = (r * log_pi).sum() - special.xlogy(r, r).sum()
    total += special.gammaln(components * alpha0) - components * special.gammaln(alpha0)
    total += (alpha0 - 1) * log_pi.sum()
    total -= ((alpha - 1) * log_pi).sum() + special.gammaln(alpha.sum()) - special.gammaln(alpha).sum()
    for k in range(components):
        mean = (r[:, k] @ x) / counts[k]
        spread = (r[:, k, None] * (x - mean)).T @ (x - mean) / counts[k]
        away = (mean - m[k]) @ w[k] @ (mean - m[k])
        total += 0.5 * counts[k] * log_lambda[k] - 0.5 * counts[k] * dims * np.log(2 * np.pi)
        total -= 0.5 * counts[k] * (dims / beta[k] + nu[k] * (np.trace(spread @ w[k]) + away))
        total += 0.5 * (dims * np.log(beta0 / (2 * np.pi)) + log_lambda[k] - dims * beta0 / beta[k])
        total -= 0.5 * beta0 * nu[k] * m[k] @ w[k] @ m[k]
        total += log_b(prior, nu0) + (nu0 - dims - 1) / 2 * log_lambda[k]
        total -= nu[k] / 2 * np.trace(np.linalg.solve(prior, w[k]))
        entropy = -log_b(w[k], nu[k]) - (nu[k] - dims - 1) / 2 * log_lambda[k] + nu[k] * dims / 2
        total -= 0.5 * log_lambda[k] + dims / 2 * np.log(beta[k] / (2 * np.pi)) - dims / 2 - entropy
    return float(total)


def collapsed(model: BayesianGaussianMixture, x: Tensor, r: Tensor) -> float:
    """The log of the posterior's normaliser over the prior's, and the entropy of q(Z): the bound after an M-step."""
    alpha, beta, nu = (one.numpy() for one in (model.alpha, model.beta, model.nu))
    num, dims = x.shape
    alpha0, nu0, prior = np.full_like(alpha, model.alpha0), np.full_like(nu, model.nu0), np.eye(dims) / model.w0

    def of_dirichlet(alpha: np.ndarray) -> float:
        return special.gammaln(alpha).sum() - special.gammaln(alpha.sum())

    def of_wishart(inverse: np.ndarray, nu: np.ndarray) -> float:
        gammas = special.gammaln((nu[:, None] - np.arange(dims)) / 2).sum(1)
        return (gammas + nu / 2 * (dims * np.log(2) - np.linalg.slogdet(inverse)[1])).sum()

    total = of_dirichlet(alpha) - of_dirichlet(alpha0) + dims / 2 * np.log(model.beta0 / beta).sum()
    total += of_wishart(model.inverse_scales.numpy(), nu) - of_wishart(
        np.broadcast_to(prior, (len(nu), dims, dims)), nu0
    )
    return float(total - num * dims / 2 * np.log(2 * np.pi) - special.xlogy(r.numpy(), r.numpy()).sum())


def test_with_one_component_the_bound_is_the_evidence(jensen_data: Path) -> None:
    model, bound = fitted(faithful(jensen_data), num_components=1, nu0=2.0)
    assert bound[-1].item() == pytest.approx(-561.6747951592, abs=1e-8)
    assert model.evidence_bound.item() == pytest.approx(-561.6747951592, abs=1e-8)
    assert model.num_fitted == 272


def test_six_components_two_survive(jensen_data: Path) -> None:
    x = faithful(jensen_data)
    six, of_six = fitted(x, num_components=6, alpha0=1e-3, nu0=2.0)
    two, of_two = fitted(x, num_components=2, alpha0=1e-3, nu0=2.0)
    assert (six.weights > 0.01).sum() == 2
    assert min(of_six.diff().min(), of_two.diff().min()) >= -1e-8
    assert of_two[-1] > of_six[-1] + 1
    # The other way round if every way of labelling two clusters by six names, or by two, were counted.
    assert of_two[-1] + math.log(2) < of_six[-1] + math.log(6 * 5)
    assert six.weights.sort(descending=True).values[:2].tolist() == pytest.approx([0.6427, 0.3572], abs=5e-4)
    torch.testing.assert_close(
        six.means[six.weights > 0.01].sort(0).values, two.means.sort(0).values, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("dims", [1, 3])
def test_the_bound_has_all_its_terms_and_never_falls(dims: int) -> None:
    x = simulated(200, dims, 3) + 0.5
    model = build(Spec((dims,), "real"), num_components=4, alpha0=0.7, beta0=0.4, w0=0.3, nu0=dims + 1.5)
    model.initialize(x)
    for _ in range(6):
        log_r, figures = model.e_step_and_bound(x)
        after_e = model.elbo(x, log_r).item()
        assert figures["elbo"].item() * len(x) == pytest.approx(after_e, abs=1e-8)
        assert after_e == pytest.approx(bishop(model, x, log_r.exp()), abs=1e-8)
        # Any other q(Z) is worse.
        other = (log_r + torch.randn_like(log_r)).log_softmax(1)
        assert model.elbo(x, other) < after_e
        model.m_step(x, log_r)
        # After an M-step the bound is a ratio of normalisers and the entropy of q(Z), another formula for the same.
        after_m = model.elbo(x, log_r).item()
        assert after_m == pytest.approx(collapsed(model, x, log_r.exp()), abs=1e-8)
        assert after_m >= after_e - 1e-8


def test_a_factor_moved_lowers_the_bound() -> None:
    x = simulated(100, 2, 2)
    model, _ = fitted(x, num_components=2)
    log_r = model.e_step(x)
    best = model.elbo(x, log_r)
    for name in ("alpha", "beta", "means", "inverse_scales", "nu"):
        for factor in (0.9, 1.1):
            value = getattr(model, name)
            kept = value.clone()
            value.mul_(factor)
            assert model.elbo(x, log_r) < best
            value.copy_(kept)


def test_the_updates_are_scikit_learn_s() -> None:
    from sklearn.mixture import BayesianGaussianMixture as Reference

    x = simulated(400, 3, 3)
    model = build(Spec((3,), "real"), num_components=5, alpha0=0.1, beta0=0.5, w0=0.8, nu0=4.0)
    start = torch.randn(400, 5, dtype=torch.float64).mul(3).log_softmax(1)
    reference = Reference(
        n_components=5,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=0.1,
        mean_precision_prior=0.5,
        mean_prior=np.zeros(3),
        degrees_of_freedom_prior=4.0,
        covariance_prior=np.eye(3) / 0.8,
        reg_covar=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference._check_parameters(x.numpy())
    reference._initialize(x.numpy(), start.exp().numpy())
    model.m_step(x, start)
    for _ in range(20):
        reference._m_step(x.numpy(), reference._e_step(x.numpy())[1])
        model.m_step(x, model.e_step(x))
    for ours, theirs in (
        (model.alpha, reference.weight_concentration_),
        (model.beta, reference.mean_precision_),
        (model.means, reference.means_),
        (model.nu, reference.degrees_of_freedom_),
        (model.inverse_scales / model.nu[:, None, None], reference.covariances_),
    ):
        torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-8, atol=1e-8)


def test_the_density_is_a_mixture_of_student_t() -> None:
    x = simulated(60, 3, 2)
    model, _ = fitted(x, num_components=3, alpha0=0.5, w0=0.2, nu0=3.5)
    density = 0.0
    for k in range(3):
        freedom = (model.nu[k] + 1 - 3).item()
        scale = (1 + model.beta[k]) / (freedom * model.beta[k]) * model.inverse_scales[k]
        component = stats.multivariate_t(model.means[k].numpy(), scale.numpy(), df=freedom)
        density = density + model.weights[k].item() * component.pdf(x.numpy())
    torch.testing.assert_close(model.log_prob(x), torch.from_numpy(np.log(density)), rtol=1e-10, atol=1e-10)


def test_the_density_of_one_component_is_a_ratio_of_evidences() -> None:
    x = simulated(30, 2, 1)
    model, bound = fitted(x[:-1], num_components=1)
    _, longer = fitted(x, num_components=1)
    assert model.log_prob(x[-1:]).item() == pytest.approx((longer[-1] - bound[-1]).item(), abs=1e-9)


def test_samples_are_from_the_density() -> None:
    x = simulated(300, 2, 2)
    model, _ = fitted(x, num_components=3)
    draws = model.sample(20_000)
    assert draws.dtype == torch.float32
    # Under the right model each component's probability transform is uniform: here the first coordinate's.
    ends = torch.linspace(-3, 3, 7).double()
    freedom = model.nu - 1
    scale = ((1 + model.beta) / (freedom * model.beta) * model.inverse_scales[:, 0, 0]).sqrt()
    for end in ends:
        each = stats.t.cdf(((end - model.means[:, 0]) / scale).numpy(), df=freedom.numpy())
        expected = float(model.weights.numpy() @ each)
        error = math.sqrt(expected * (1 - expected) / len(draws))
        assert abs((draws[:, 0] <= end).double().mean().item() - expected) < 4.5 * error + 1e-12


def test_a_component_of_no_rows_goes_back_to_its_prior() -> None:
    x = simulated(100, 2, 2)
    model = build(Spec((2,), "real"), num_components=3, w0=0.5)
    log_r = torch.zeros(100, 3).double().log_softmax(1)
    log_r[:, 2] = -torch.inf
    model.m_step(x, log_r)
    assert (model.alpha[2], model.beta[2], model.nu[2]) == (1e-3, 1.0, 2.0)
    torch.testing.assert_close(model.means[2], torch.zeros(2).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(model.inverse_scales[2], 2 * torch.eye(2).double(), rtol=0, atol=1e-12)
    assert model.evidence_bound.isfinite()


def test_data_on_a_line_and_fewer_rows_than_dimensions_are_no_obstacle() -> None:
    line = torch.randn(100, 1).double() * torch.tensor([[1.0, 2.0, -1.0]]).double()
    few = torch.randn(4, 10).double()
    for x in (line, few):
        model = build(Spec((x.shape[1],), "real"), num_components=3)
        model.initialize(x)
        fitting = EM(model, x)
        bounds = torch.stack([next(iter(fitting.step().values())) for _ in range(50)])
        assert bounds.isfinite().all()
        assert (bounds.diff() * len(x)).min() >= -1e-8
        assert model.log_prob(x).isfinite().all()


def test_evaluate_puts_the_evidence_into_the_user_s_units(jensen_data: Path) -> None:
    data = {"standardize": True, "validation": 0, "test": 27}
    split = jensen.data.load(str(jensen_data / "tabular" / "faithful.csv"), **data)
    model = jensen.create("bayesian-gaussian-mixture", split.spec, num_components=1)
    jensen.fit(model, split, steps=3)
    metric = jensen.evaluate(model, split.test)["evidence"]
    x = split.train.to(dtype=torch.float64).all().x
    expected = model.elbo(x, model.e_step(x)) + split.train.log_det(x).sum()
    assert metric.value == pytest.approx(expected.item(), abs=1e-6)
    assert (metric.kind, metric.unit) == ("lower bound", "nats, all 245 training rows")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("binary", {}, "got kind 'binary'"),
        ("real", {"num_components": 0}, "num_components must be at least 1, got 0"),
        ("real", {"alpha0": 0.0}, "alpha0 must be above 0, got 0"),
        ("real", {"nu0": 1.0}, "nu0 must be above 1, got 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(kind: str, options: dict, message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        build(Spec((2,), kind), **options)
    assert "\n" not in str(error.value)


def test_missing_entries_and_too_few_rows_are_refused() -> None:
    x = torch.randn(20, 2)
    with pytest.raises(JensenError, match="30 components needs as many distinct rows, got 20"):
        build(Spec((2,), "real"), num_components=30).initialize(x)
    x[3, 1] = torch.nan
    with pytest.raises(JensenError, match="got NaN: fill them in, or choose gaussian-mixture"):
        build(Spec((2,), "real"), num_components=2).initialize(x)
