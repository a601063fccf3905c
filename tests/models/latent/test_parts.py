"""Priors and posteriors: densities against closed forms, and every combination of the parts under every bound."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from scipy import stats
from tests.linear_gaussian import Likelihood as LinearLikelihood
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

import jensen
from jensen.data import Batch
from jensen.data.spec import Column, Spec
from jensen.distributions.gaussian import CholeskyGaussian
from jensen.distributions.logistic import Logistic
from jensen.errors import JensenError
from jensen.models.base import Clock
from jensen.models.latent import flow, posteriors, priors
from jensen.models.latent.compose import Posterior, Prior
from jensen.models.latent.likelihoods.choose import FITTING, Name
from jensen.models.latent.vae import VAE
from jensen.objectives import ELBO, IWAE

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
BOUNDS = {
    "elbo": ELBO(num_samples=2),
    "iwae": IWAE(3),
    "doubly-reparameterised": IWAE(3, "doubly-reparameterised"),
}
SPECS = {
    "binary": Spec((6,), "binary", levels=2),
    "unit": Spec((6,), "unit"),
    "real": Spec((6,), "real"),
    "8-bit": Spec((6,), "8-bit", levels=256),
    "categorical": Spec((6,), "categorical", levels=4),
    "count": Spec((6,), "count"),
    "mixed": Spec(
        (6,),
        "mixed",
        column_types=tuple(
            Column(kind, tuple("abc") if kind == "categorical" else ())  # type: ignore[arg-type]
            for kind in ("real", "binary", "count", "categorical", "real", "binary")
        ),
    ),
}


def rows(spec: Spec, count: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if spec.kind == "real":
        return torch.randn(count, *spec.event_shape, generator=generator)
    uniform = torch.rand(count, *spec.event_shape, generator=generator)
    if spec.kind == "unit":
        return 0.05 + 0.9 * uniform
    x = (uniform * (spec.levels or 10)).floor()
    if spec.kind == "mixed":
        x[:, 1:] = torch.minimum(x[:, 1:], torch.tensor([1.0, 9.0, 2.0, 9.0, 1.0]))
    return x if spec.kind in ("binary", "count", "mixed") else x.long()


@pytest.mark.parametrize("prior", get_args(Prior))
@pytest.mark.parametrize("posterior", get_args(Posterior))
def test_every_prior_with_every_posterior_under_every_bound(prior: str, posterior: str) -> None:
    torch.manual_seed(0)
    spec = SPECS["binary"]
    settings = {"latent_dim": 3, "hidden": (8,), "num_components": 4, "flow_layers": 2, "posterior_map": "exp-scale"}
    if posterior == "relaxed-bernoulli" and prior != "bernoulli":
        with pytest.raises(JensenError, match="relaxed-bernoulli is of bits"):
            jensen.create("vae", spec, prior=prior, posterior=posterior, **settings)
        return
    model = jensen.create("vae", spec, prior=prior, posterior=posterior, **settings)
    x = rows(spec)
    model.initialize(x)
    with torch.no_grad():  # away from the start, where some gradients are zero
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        if posterior == "diagonal":
            model.posterior.net[-1][-1].bias[3:] += 0.5  # a wide q, whose weights have a variance
    for objective in BOUNDS.values():
        (turn,) = objective.turns(model, Batch(x), CLOCK)
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters))
        assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)
    assert set(model.sample(4).unique().tolist()) <= {0.0, 1.0}
    # E w = p(x) whatever the parts are, so the estimates of all 64 x sum to one in expectation. Where the prior has
    # heavier tails than q the weights have no variance, and almost every sum falls short of it.
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)))
    estimate = jensen.log_marginal_likelihood(model, every, 1000)
    each = estimate.value.exp()
    error = (each * estimate.standard_error).square().sum().sqrt().item()
    assert each.sum().item() < 1 + 4 * error
    if posterior == "diagonal" and prior in ("normal", "mixture", "vamp"):
        assert each.sum().item() == pytest.approx(1, abs=4 * error)
        assert error < 0.1


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("likelihood", get_args(Name))
@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_every_likelihood_with_every_kind_of_data_under_every_bound(likelihood: str, kind: str, prior: str) -> None:
    torch.manual_seed(0)
    spec = SPECS[kind]
    settings = {"likelihood": likelihood, "latent_dim": 2, "hidden": (8,), "num_components": 3}
    if kind in ("categorical", "mixed") and prior == "vamp":
        return  # refused by a test below
    if likelihood not in ("auto", *FITTING[kind]):
        with pytest.raises(JensenError, match=f"{kind}|likelihood") as refused:
            jensen.create("vae", spec, posterior="full", prior=prior, **settings)
        assert len(str(refused.value).splitlines()) == 1
        return
    model = jensen.create("vae", spec, posterior="full", prior=prior, **settings)
    x = rows(spec)
    model.initialize(x)
    for objective in BOUNDS.values():
        (turn,) = objective.turns(model, Batch(x), CLOCK)
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters), allow_unused=True)
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert model.sample(5).shape == (5, 6)
    assert model.likelihood(model.posterior(x).rsample((2,))).log_prob(x).shape == (2, 8)


def test_logistic_against_scipy() -> None:
    loc, scale, value = torch.tensor([0.3, -2.0]), torch.tensor([0.5, 2.0]), torch.tensor([[-3.0, 40.0], [0.0, 0.1]])
    expected = stats.logistic.logpdf(value.double(), loc.double(), scale.double())
    law = Logistic(loc, scale)
    assert law.log_prob(value).numpy() == pytest.approx(expected, rel=1e-5)
    torch.manual_seed(0)
    drawn = law.sample((40_000,))
    assert (drawn.mean(0) - law.mean).abs().lt(4 * (law.variance / 40_000).sqrt()).all()
    assert stats.kstest(drawn[:, 0].numpy(), stats.logistic(0.3, 0.5).cdf).pvalue > 1e-3


def test_a_relaxed_bit_is_torchs_own_law_seen_through_log_odds() -> None:
    prior = priors.RelaxedBernoulli(3, temperature=0.4)
    prior.logits.data = torch.tensor([-1.0, 0.0, 2.0])
    torch.manual_seed(0)
    value = torch.randn(5, 3)
    law = torch.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(torch.tensor(0.4), logits=prior.logits)
    theirs = law.log_prob(value).sum(-1).detach().numpy()
    assert prior().log_prob(value).detach().numpy() == pytest.approx(theirs, abs=1e-5)


def test_a_uniform_prior_is_uniform() -> None:
    torch.manual_seed(0)
    z = priors.Uniform(2)().sample((5000,)).sigmoid()
    assert stats.kstest(z[:, 0].numpy(), "uniform").pvalue > 1e-3


def test_full_gaussian_against_torch() -> None:
    torch.manual_seed(0)
    net = nn.Linear(5, posteriors.FullGaussian.num_outputs(3)).double()
    x = torch.randn(4, 5, dtype=torch.float64)
    q = posteriors.FullGaussian(net, 3)(x)
    assert q.scale_tril[1, 2, 0].item() == pytest.approx(net(x)[1, 7].item()), "below the diagonal, row by row"
    value = torch.randn(6, 4, 3, dtype=torch.float64)
    theirs = MultivariateNormal(q.loc, q.scale_tril @ q.scale_tril.mT)
    assert q.log_prob(value).detach().numpy() == pytest.approx(theirs.log_prob(value).detach().numpy())
    p = Independent(Normal(torch.tensor([0.0, 1.0, -1.0]).double(), torch.tensor([1.0, 2.0, 0.5]).double()), 1)
    full = MultivariateNormal(p.mean, p.variance.diag())
    assert kl_divergence(q, p).detach().numpy() == pytest.approx(kl_divergence(theirs, full).detach().numpy())
    drawn = q.sample((20_000,))
    spread = torch.cov(drawn[:, 0].T) - theirs.covariance_matrix[0]
    assert spread.abs().max() < 5 * theirs.covariance_matrix[0].diagonal().max() / math.sqrt(20_000)


def test_a_cholesky_gaussian_has_no_closed_form_against_other_laws() -> None:
    q = CholeskyGaussian(torch.zeros(2), torch.eye(2))
    with pytest.raises(NotImplementedError):
        kl_divergence(q, priors.Uniform(2)())


def test_a_flow_integrates_to_one_and_scores_its_own_draws() -> None:
    torch.manual_seed(0)
    prior = flow.FlowPrior(2, num_layers=3)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        law = prior()
        axis = torch.linspace(-8, 8, 401)
        grid = torch.cartesian_prod(axis, axis)
        cell = (axis[1] - axis[0]) ** 2
        density = law.log_prob(grid).exp()
    assert (density.sum() * cell).item() == pytest.approx(1, abs=1e-3)
    mean = (density[:, None] * grid).sum(0) * cell
    drawn = law.sample((20_000,))
    assert (drawn.mean(0) - mean).abs().max() < 4 * drawn.std(0).max() / math.sqrt(20_000)


def test_importing_zuko_left_validation_on() -> None:
    assert Distribution._validate_args


def test_a_flow_needs_two_dimensions() -> None:
    with pytest.raises(JensenError, match="at least 2"):
        jensen.create("vae", SPECS["binary"], prior="flow", latent_dim=1)


def test_a_vamp_prior_is_the_mixture_of_its_posteriors_and_holds_their_weights_once() -> None:
    torch.manual_seed(0)
    model = jensen.create("vamp-vae", SPECS["binary"], latent_dim=2, hidden=(8,), num_components=5)
    x = rows(SPECS["binary"])
    model.initialize(x)
    pseudo = model.prior.pseudo_inputs
    assert all(any(torch.equal(u, row) for row in x) for u in pseudo)
    z = torch.randn(7, 2)
    expected = model.posterior(pseudo).log_prob(z[:, None]).logsumexp(-1) - math.log(5)
    assert model.prior().log_prob(z).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-4)
    held = [name for name in model.state_dict() if name.startswith("prior.")]
    assert held == ["prior.pseudo_inputs"]
    assert sum(name.startswith("posterior.") for name in model.state_dict()) == 4


def test_categories_have_no_pseudo_inputs() -> None:
    with pytest.raises(JensenError, match="prior=mixture"):
        jensen.create("vamp-vae", SPECS["categorical"], latent_dim=2)


def pca_optimum(x: np.ndarray, latent_dim: int) -> float:
    """The mean log-likelihood of probabilistic PCA at its optimum (Tipping & Bishop 1999), nats."""
    d = x.shape[1]
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    log_det = np.log(values[:latent_dim]).sum() + (d - latent_dim) * math.log(values[latent_dim:].mean())
    return float(-0.5 * (d * math.log(2 * math.pi) + log_det + d))


@pytest.mark.parametrize("posterior", ["full", "diagonal"])
def test_a_linear_gaussian_vae_reaches_probabilistic_pca_from_a_random_start(posterior: str) -> None:
    """Linear nets make both posteriors exact at the optimum: a diagonal one by turning the latent axes."""
    torch.manual_seed(1)
    x = torch.randn(2000, 2) @ torch.randn(2, 6) * 1.5 + 0.5 * torch.randn(2000, 6) + torch.randn(6)
    split = jensen.data.load(x, validation=0, test=0)
    data = split.train.all().x
    optimum = pca_optimum(data.double().numpy(), 2)
    torch.manual_seed(0)
    model = jensen.create("vae", split.spec, posterior=posterior, latent_dim=2, hidden=())
    settings = {"steps": 2000, "batch_size": 500, "learning_rate": 2e-2, "schedule": "linear"}
    fitted = jensen.fit(model, split, progress=False, **settings).model
    w, b = fitted.likelihood.net[0].weight.detach(), fitted.likelihood.net[0].bias.detach()
    gamma = fitted.likelihood(torch.zeros(1, 2)).base_dist.scale[0, 0].item()
    exact = MultivariateNormal(b, w @ w.T + gamma**2 * torch.eye(6)).log_prob(data)
    assert optimum - 0.02 < exact.mean().item() < optimum + 1e-4
    with torch.no_grad():
        bound = jensen.elbo(fitted, data, 200).elbo
    spread = bound.std().item() / math.sqrt(len(data) * 200)
    assert exact.mean().item() - 0.02 - 3 * spread < bound.mean().item() < exact.mean().item() + 0.02
    estimate = jensen.log_marginal_likelihood(fitted, data[:200], 1000)
    error = estimate.standard_error.square().sum().sqrt() / 200
    assert abs((estimate.value - exact[:200]).mean()) < 3 * error


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_full_covariance_closes_the_gap_and_a_diagonal_one_stops_at_its_known_kl(kind: str) -> None:
    torch.manual_seed(0)
    weight = torch.tensor([[2.0, 1.5], [1.0, 1.2], [0.3, 1.0]])
    likelihood = LinearLikelihood(weight, torch.tensor([0.5, -1.0, 0.0]), 0.8)
    precision = torch.eye(2) + weight.T @ weight / 0.8**2
    known = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    assert known > 0.3
    if kind == "full":
        q_z: nn.Module = posteriors.FullGaussian(nn.Linear(3, 5), 2)
        known = 0.0
    else:
        q_z = posteriors.DiagonalGaussian(nn.Linear(3, 4))
    model = VAE(priors.StandardNormal(2), q_z, likelihood)
    x = likelihood(torch.randn(4000, 2)).sample()
    split = jensen.data.load(x, validation=0, test=0)
    jensen.fit(model, split, steps=2000, batch_size=400, learning_rate=2e-2, schedule="linear", progress=False)
    exact = MultivariateNormal(likelihood.bias, weight @ weight.T + 0.64 * torch.eye(3)).log_prob(x)
    with torch.no_grad():
        gap = exact - jensen.elbo(model, x, 200).elbo
    error = gap.std().item() / math.sqrt(len(x))
    assert gap.mean().item() == pytest.approx(known, abs=3 * error + 0.005)
