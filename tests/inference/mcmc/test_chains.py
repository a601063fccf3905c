"""Chains as a user runs them: what the warm-up finds, what arviz is handed, and what is refused in one line."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from jensen.errors import JensenError
from jensen.inference import gibbs, hmc, metropolis_hastings, random_walk, sample_chains
from jensen.inference.mcmc.adaptation import DualAveraging, Spread, windows

SCALE = torch.tensor([30.0, 1.0, 0.03], dtype=torch.float64)


def stretched(z: Tensor) -> Tensor:
    """N((1, 2, 3), diag(SCALE^2)), up to its constant."""
    return -0.5 * ((z - torch.tensor([1.0, 2.0, 3.0])) / SCALE).square().sum(-1)


@pytest.mark.parametrize(("make", "target"), [(hmc, 0.8), (random_walk, 0.234)])
def test_the_warm_up_finds_scale_and_step_size(make, target: float) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    chains = sample_chains(make(stretched), torch.randn(64, 3, dtype=torch.float64), num_draws=150, num_warmup=300)
    # The last window has 64 chains and about 100 steps: by far enough for 20 % of every scale.
    np.testing.assert_allclose(chains.kernel.scale / SCALE, 1, rtol=0.2)  # type: ignore[attr-defined]
    assert float(chains.acceptance_rate.mean()) == pytest.approx(target, abs=0.12)
    found = chains.summary()
    assert ((found["mean"] - [1, 2, 3]).abs() < 4 * found["mcse_mean"]).all()
    assert (found["ess_bulk"] > 400).all()
    assert chains.num_divergent == 0
    assert chains.log_density is not None
    torch.testing.assert_close(chains.log_density, stretched(chains.draws))  # type: ignore[arg-type]


def test_a_step_size_that_is_given_is_kept_and_chains_go_on_where_they_stood() -> None:
    kernel = hmc(stretched, step_size=0.3, scale=SCALE)
    chains = sample_chains(kernel, torch.zeros(4, 3, dtype=torch.float64), num_draws=5, num_warmup=20)
    assert chains.kernel is kernel
    torch.manual_seed(1)
    more = sample_chains(chains.kernel, chains.last, num_draws=3, num_warmup=0)
    torch.manual_seed(1)
    again = sample_chains(chains.kernel, chains.last, num_draws=3, num_warmup=0)
    assert torch.equal(more.draws, again.draws)  # type: ignore[arg-type]
    assert more.draws.shape == (4, 3, 3)  # type: ignore[union-attr]


def test_dual_averaging_finds_the_step_size_of_a_known_acceptance() -> None:
    """Random walks on N(0, 1) accept (2 / pi) arctan(2 / s): at s = 2.4, .44228."""
    dual = DualAveraging(0.01, 2 / math.pi * math.atan(2 / 2.4))
    for _ in range(3000):
        dual.update(2 / math.pi * math.atan(2 / dual.step_size))
    assert dual.average == pytest.approx(2.4, rel=0.01)


def test_windows_double_and_leave_room_for_the_step_size() -> None:
    assert windows(1000) == [160, 180, 220, 300, 460, 900]
    assert windows(60) == [19, 54]


def test_the_spread_survives_a_mean_far_away() -> None:
    torch.manual_seed(0)
    z = 1e7 + torch.randn(1000, 50, 2, dtype=torch.float64) * torch.tensor([1.0, 1e-3], dtype=torch.float64)
    spread = Spread(z[0].mean(0))
    for position in z:
        spread.update(position)
    torch.testing.assert_close(spread.scale(), z.flatten(0, 1).std(0), rtol=1e-3, atol=0)


def test_what_arviz_is_handed() -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chains = sample_chains(hmc(stretched), torch.randn(4, 3, dtype=torch.float64), 50, 50)
        data = chains.to_inference_data(lambda z: {"a": z[..., 0], "rest": z[..., 1:]})  # type: ignore[index]
    assert dict(data.posterior.sizes) == {"chain": 4, "draw": 50, "rest_dim_0": 2}
    np.testing.assert_array_equal(data.posterior["a"], chains.draws[..., 0])  # type: ignore[call-overload]
    assert set(data.sample_stats) == {"acceptance_rate", "diverging", "lp"}
    assert data.sample_stats["diverging"].dtype == bool
    table = chains.summary()
    assert list(table.index) == ["z[0]", "z[1]", "z[2]"]
    assert list(table.columns) == ["mean", "sd", "mcse_mean", "ess_bulk", "ess_tail", "r_hat"]
    draws = chains.draws.flatten(0, 1)  # type: ignore[union-attr]
    np.testing.assert_allclose(table["mean"], draws.mean(0))
    np.testing.assert_allclose(table["sd"], draws.std(0))


def test_standard_errors_are_right() -> None:
    """The mean of 4 chains of 300 draws, over its mcse, is standard normal over 40 repetitions."""
    torch.manual_seed(0)
    law = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))
    kernel = random_walk(law.log_prob, step_size=1.0)
    chains = sample_chains(kernel, law.sample((160,)), 300, 0)
    scores = []
    for part in chains.draws.split(4):  # type: ignore[union-attr]
        one = type(chains)(part, None, chains.acceptance_rate[:4], chains.divergent[:4], kernel).summary()
        scores.append((one["mean"] / one["mcse_mean"]).iloc[0])
    # The standard deviation of 40 standard normal numbers has standard error 1 / sqrt(80), each mcse a few %.
    assert np.std(scores) == pytest.approx(1, abs=4 * (1 / 80) ** 0.5)
    assert np.mean(scores) == pytest.approx(0, abs=4 / 40**0.5)


def test_chains_that_do_not_meet_are_found_out() -> None:
    def two_hills(z: Tensor) -> Tensor:
        return torch.logaddexp(Normal(-20.0, 1.0).log_prob(z), Normal(20.0, 1.0).log_prob(z))[..., 0]

    torch.manual_seed(0)
    table = sample_chains(hmc(two_hills), torch.tensor([[-20.0], [-20.0], [20.0], [20.0]]), 60, 60).summary()
    assert table["r_hat"].iloc[0] > 1.5


@pytest.mark.parametrize(
    ("log_density", "start", "line"),
    [
        (lambda z: z.log().sum(-1), torch.tensor([[1.0], [-1.0]]), "is nan at the start of chain 1 (and of 1 in all"),
        (lambda z: z.log().sum(-1), torch.tensor([[0.0], [0.0]]), "is -inf at the start of chain 0 (and of 2 in all"),
        (lambda z: z.abs().sqrt().sum(-1), torch.zeros(2, 1), "gradient of the log-density is not finite at the start"),
        (lambda z: z, torch.zeros(2, 3), "one number for each of 2 chains, got shape (2, 3): sum it over the last"),
        (lambda z: z.sum(-1), torch.zeros(3), "got shape (3,): one chain is start[None]"),
        (lambda z: z.sum(-1), torch.zeros(2, 3, dtype=torch.int64), "use start.float()"),
    ],
)
def test_a_bad_start_is_one_line_with_its_remedy(log_density, start: Tensor, line: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(JensenError) as caught:
        sample_chains(hmc(log_density), start)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_calls_are_one_line_with_their_remedy() -> None:
    start = torch.zeros(2, 3)
    with pytest.raises(JensenError, match="num_warmup of at least 50, got 0: give it one, or a step_size"):
        sample_chains(hmc(stretched), start, num_warmup=0)
    with pytest.raises(JensenError, match="num_draws must be at least 1"):
        sample_chains(hmc(stretched), start, num_draws=0)
    with pytest.raises(JensenError, match="step_size must be positive, got 0"):
        hmc(stretched, step_size=0.0)
    with pytest.raises(JensenError, match="step_size must be positive, got -1"):
        random_walk(stretched, step_size=-1.0)
    with pytest.raises(JensenError, match="no conditional"):
        gibbs({})
    with pytest.raises(JensenError, match="unknown variable 'yy': did you mean 'y'"):
        sample_chains(gibbs({"yy": lambda v: v["y"]}), {"y": torch.zeros(2)})
    with pytest.raises(JensenError, match=r"draws a tensor of shape \(\), and it was \(2,\)"):
        sample_chains(gibbs({"y": lambda v: torch.zeros(())}), {"y": torch.zeros(2)}, 2, 0)
    with pytest.raises(JensenError, match="a row for each chain, got rows"):
        sample_chains(gibbs({"y": lambda v: v["y"]}), {"y": torch.zeros(2), "x": torch.zeros(3)})
    with pytest.raises(JensenError, match=r"for each of 2 chains.*batch \(\)"):
        sample_chains(metropolis_hastings(lambda z: z.sum(-1), lambda z: Normal(0.0, 1.0)), start)


def test_a_bar_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    start = torch.zeros(2, 3, dtype=torch.float64)
    sample_chains(hmc(stretched, step_size=0.1, scale=SCALE), start, 20, 20, progress=True)
    assert "40/40" in capsys.readouterr().err
    sample_chains(hmc(stretched, step_size=0.1, scale=SCALE), start, 20, 20)
    assert capsys.readouterr().err == ""
