"""Metropolis, Metropolis-Hastings and Gibbs, held against exact acceptance rates, laws and autocorrelations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Gamma, Independent, LogNormal, Normal

from jensen.inference import gibbs, metropolis_hastings, random_walk, sample_chains
from jensen.inference.mcmc import gibbs as gibbs_kernel


def mean_and_error(of_chains: Tensor) -> tuple[Tensor, Tensor]:
    """Of independent chains, (chains, ...): the mean and its standard error."""
    return of_chains.mean(0), of_chains.std(0) / math.sqrt(len(of_chains))


def normal(z: Tensor) -> Tensor:
    return -0.5 * z.square().sum(-1)


@pytest.mark.parametrize(
    ("scale", "acceptance"), [(0.5, 0.84404), (1.0, 0.70483), (2.4, 0.44228), (5.0, 0.24224), (10.0, 0.12567)]
)
def test_a_random_walk_on_a_normal_accepts_as_it_must(scale: float, acceptance: float) -> None:
    """(2 / pi) arctan(2 / s), of chains that start in their law."""
    torch.manual_seed(0)
    chains = sample_chains(random_walk(normal, step_size=scale), torch.randn(20_000, 1), 20, 0)
    assert acceptance == pytest.approx(2 / math.pi * math.atan(2 / scale), abs=5e-6)
    rate, error = mean_and_error(chains.acceptance_rate.double().mean(1))
    assert error < 0.003
    assert abs(rate - acceptance) < 4 * error
    moved = (chains.draws.diff(dim=1) != 0).double().mean((1, 2))  # type: ignore[union-attr]
    rate, error = mean_and_error(moved)
    assert abs(rate - acceptance) < 4 * error


def test_a_random_walk_covers_the_banana() -> None:
    """x1 ~ N(0, 100), x2 = y - b (x1^2 - 100): its ellipses bent, which hold 50 % and 90 %, from a start far off."""
    b = 0.03

    def straight(x: Tensor) -> Tensor:
        return x[..., 1] + b * (x[..., 0].square() - 100)

    def banana(x: Tensor) -> Tensor:
        return -0.5 * (x[..., 0].square() / 100 + straight(x).square())

    torch.manual_seed(0)
    start = torch.tensor([5.0, 3.0], dtype=torch.float64) + torch.randn(1500, 2, dtype=torch.float64)
    chains = sample_chains(random_walk(banana, step_size=4.0), start, 1500, 2500)
    assert float(chains.acceptance_rate.mean()) == pytest.approx(0.256, abs=0.005)
    x = chains.draws
    assert isinstance(x, Tensor)
    radius = x[..., 0].square() / 100 + straight(x).square()
    figures = torch.stack(
        [
            (radius <= 1.386294).double(), (radius <= 4.60517).double(), x[..., 0], x[..., 1],
            x[..., 0].square(), x[..., 1].square(), x[..., 0] * x[..., 1], x[..., 1] ** 3,
        ], -1,
    ).mean(1)  # fmt: skip
    exact = torch.tensor([0.5, 0.9, 0.0, 0.0, 100.0, 19.0, 0.0, -216.0], dtype=torch.float64)
    mean, error = mean_and_error(figures)
    assert (error[:2] < 0.01).all()
    assert ((mean - exact).abs() < 4 * error).all(), (mean, error)


def test_hastings_correction_makes_a_skewed_proposal_right() -> None:
    """Gamma(3, 1) by multiplying z by log-normal numbers: without the correction it would be Gamma(2, 1)."""
    torch.manual_seed(0)
    law = Gamma(torch.tensor(3.0, dtype=torch.float64), 1.0, validate_args=False)
    kernel = metropolis_hastings(lambda z: law.log_prob(z).sum(-1), lambda z: Independent(LogNormal(z.log(), 0.8), 1))
    chains = sample_chains(kernel, torch.ones(4000, 1, dtype=torch.float64), 20, 30)
    assert isinstance(chains.draws, Tensor)
    z = chains.draws[..., 0]
    mean, error = mean_and_error(torch.stack([z, z.square(), 1 / z], -1).mean(1))
    assert ((mean - torch.tensor([3.0, 12.0, 0.5])).abs() < 4 * error).all()
    assert error[0] < 0.05


def test_independent_proposals_on_four_states_have_the_exact_transition_matrix() -> None:
    """pi = (.1, .2, .3, .4), proposals uniform."""
    law = torch.tensor([0.1, 0.2, 0.3, 0.4])
    exact = torch.tensor(
        [[0.25] * 4, [0.125, 0.375, 0.25, 0.25], [1 / 12, 1 / 6, 0.5, 0.25], [0.0625, 0.125, 0.1875, 0.625]]
    )
    kernel = metropolis_hastings(lambda z: law.log()[z[..., 0]], Independent(Categorical(torch.ones(1, 4)), 1))
    torch.manual_seed(0)
    each = 40_000
    chains = sample_chains(kernel, torch.arange(4).repeat_interleave(each)[:, None], 1, 0)
    assert isinstance(chains.draws, Tensor)
    found = torch.stack([part.flatten().bincount(minlength=4) / each for part in chains.draws.split(each)])
    error = (exact * (1 - exact) / each).sqrt()
    assert ((found - exact).abs() < 4 * error).all()
    rate, rate_error = mean_and_error(law[torch.arange(4)].mul(chains.acceptance_rate.view(4, each).T).sum(1))
    assert abs(rate - 0.75) < 4 * rate_error + 1e-6


RHO = 0.99
CONDITIONALS = {
    "x1": lambda v: RHO * v["x2"] + (1 - RHO**2) ** 0.5 * torch.randn_like(v["x2"]),
    "x2": lambda v: RHO * v["x1"] + (1 - RHO**2) ** 0.5 * torch.randn_like(v["x1"]),
}


def correlated(num_chains: int) -> dict[str, Tensor]:
    x1, noise = torch.randn(2, num_chains, dtype=torch.float64)
    return {"x1": x1, "x2": RHO * x1 + (1 - RHO**2) ** 0.5 * noise}


def test_gibbs_on_a_narrow_normal_is_an_autoregression() -> None:
    """By a systematic scan x1 is AR(1) with coefficient rho^2 = .9801: the exact autocorrelations and variance."""
    torch.manual_seed(0)
    num_chains, length = 10_000, 200
    chains = sample_chains(gibbs(CONDITIONALS), correlated(num_chains), length, 0)
    assert isinstance(chains.draws, dict)
    x1 = chains.draws["x1"]
    for lag, exact in ((1, RHO**2), (10, 0.8179069), (50, 0.3660323)):
        assert exact == pytest.approx(RHO ** (2 * lag), abs=1e-7)
        mean, error = mean_and_error((x1[:, lag:] * x1[:, : length - lag]).mean(1))
        assert abs(mean - exact) < 4 * error
    # The variance of the mean over a chain, which is what an effective sample size is about.
    lags = torch.arange(1, length, dtype=torch.float64)
    variance = (1 + 2 * ((1 - lags / length) * RHO ** (2 * lags)).sum()) / length
    assert abs(x1.mean(1).var() - variance) < 4 * variance * math.sqrt(2 / num_chains)
    product, error = mean_and_error((x1 * chains.draws["x2"]).mean(1))
    assert abs(product - RHO) < 4 * error
    assert chains.acceptance_rate.min() == 1


def test_arviz_sees_how_few_draws_gibbs_is_worth() -> None:
    """N / 99.5025, within the spread of the estimate over eight sets of chains."""
    torch.manual_seed(0)
    chains = sample_chains(gibbs(CONDITIONALS), correlated(64), 2000, 0)
    table = [
        type(chains)({"x1": part}, None, chains.acceptance_rate[:8], chains.divergent[:8], chains.kernel).summary()
        for part in chains.draws["x1"].split(8)  # type: ignore[index]
    ]
    found = torch.tensor([float(one["ess_bulk"].iloc[0]) for one in table])
    mean, error = mean_and_error(found)
    assert abs(mean - 8 * 2000 / 99.5025) < 4 * error + 0.05 * mean  # its bias at 20 times the correlation time
    assert error < 0.15 * mean


def test_a_random_scan_leaves_the_law_alone_and_draws_a_variable_or_not() -> None:
    torch.manual_seed(0)
    chains = sample_chains(gibbs(CONDITIONALS, scan="random"), correlated(20_000), 30, 0)
    assert isinstance(chains.draws, dict)
    x1, x2 = chains.draws["x1"], chains.draws["x2"]
    for values, exact in ((x1.square(), 1.0), (x2.square(), 1.0), (x1 * x2, RHO), (x1, 0.0)):
        mean, error = mean_and_error(values[:, -1])
        assert abs(mean - exact) < 4 * error
    kept = (x1.diff(dim=1) == 0)[0].double().mean()  # two draws with replacement leave a variable alone by 1/4
    assert abs(kept - 0.25) < 4 * (0.25 * 0.75 / 29) ** 0.5


def test_blocks_of_any_shape_and_type_see_what_was_drawn_before_them() -> None:
    """A label k ~ (.3, .7) and z | k ~ N(m_k, I_2): what comes out is the mixture."""
    means = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])

    def draw_label(v: dict[str, Tensor]) -> Tensor:
        logits = Normal(means, 1.0).log_prob(v["z"][:, None]).sum(-1) + torch.tensor([0.3, 0.7]).log()
        return Categorical(logits=logits).sample()

    kernel = gibbs({"label": draw_label, "z": lambda v: Normal(means[v["label"]], 1.0).sample()})
    torch.manual_seed(0)
    start = {"label": torch.zeros(5000, dtype=torch.int64), "z": torch.zeros(5000, 2)}
    chains = sample_chains(kernel, start, 20, 30)
    assert isinstance(chains.draws, dict)
    assert chains.draws["z"].shape == (5000, 20, 2)
    assert chains.draws["label"].dtype == torch.int64
    for values, exact in ((chains.draws["label"].double(), 0.7), (chains.draws["z"][..., 1].double(), 1.4)):
        mean, error = mean_and_error(values.mean(1))
        assert abs(mean - exact) < 4 * error
    state = gibbs_kernel.init(kernel.conditionals, start)
    assert state.position["z"] is start["z"]
