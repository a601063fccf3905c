"""The watch: it speaks where the latents carry nothing, names what to change, and is silent elsewhere."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.linear_gaussian import linear_gaussian
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

import jensen
from jensen.data import Split
from jensen.models.latent.vae import VAE
from jensen.objectives import ELBO, IWAE
from jensen.training import Training
from jensen.training.collapse import CHEAP, DRAWS, Watch, mutual_information, remedy, variance_of_means


@cache
def digits() -> Split:
    return jensen.data.load("digits", binarize="dynamic")


def trained(objective: Any, steps: int, settings: dict[str, Any], **training: Any) -> list[dict[str, Any]]:
    """The rows of the latents."""
    torch.manual_seed(0)
    model = jensen.create("vae", digits().spec, **settings)
    options = {"learning_rate": 2e-3, "validate_every": 250, "precision": "32", "threads": 1, "log_every": 250}
    history = jensen.fit(model, digits(), objective, steps=steps, **{**options, **training}).history
    return [row for row in history if row["part"] == "latents"]


def test_a_heavy_divergence_is_caught_within_five_hundred_steps(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    rows = trained(ELBO(beta=20.0), 500, {"latent_dim": 4, "hidden": (32,)}, out=tmp_path / "run")
    assert [row["step"] for row in rows] == [250, 500]
    assert max(rows[-1]["kl_per_dimension"]) < 0.01
    assert rows[-1]["kl"] == pytest.approx(sum(rows[-1]["kl_per_dimension"]), rel=1e-4)
    assert rows[-1]["active_units"] == 0
    assert abs(rows[-1]["mutual_information"]) < 0.05
    assert "warning" not in rows[0], "it is too early to tell"
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, "once"
    assert said[0].startswith("jensen: step 500: the posterior has collapsed: q(z | x) = p(z) for every x (KL 0.0")
    assert said[0].endswith("0 of 4 units active): lower beta from 20, or set free_bits=0.1")
    assert said[0].endswith(rows[1]["warning"])
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row for row in lines if row["part"] == "latents"] == rows


def test_a_healthy_posterior_is_left_in_peace(capsys: pytest.CaptureFixture) -> None:
    rows = trained(ELBO(), 500, {"latent_dim": 4, "hidden": (32,)})
    assert not any("warning" in row for row in rows)
    assert rows[-1]["active_units"] == 4
    assert min(rows[-1]["kl_per_dimension"]) > 0.1
    assert 1 < rows[-1]["mutual_information"] < min(math.log(250), rows[-1]["kl"] + 0.2)
    assert capsys.readouterr().err == ""


# A decoder that models x without z, and whose own path from z is weak at the start.
STRONG = {"hidden": (32, 32), "likelihood": "autoregressive", "autoregressive_units": 100, "init_gain": 0.3}


def test_a_strong_decoder_collapses_and_either_setting_cures_it(capsys: pytest.CaptureFixture) -> None:
    settings = {"latent_dim": 2, **STRONG}
    (*_, last) = trained(ELBO(), 500, settings, learning_rate=3e-3)
    assert max(last["kl_per_dimension"]) < 0.01
    assert last["warning"].endswith("set kl_warmup=0.3 or free_bits=0.1")
    assert capsys.readouterr().err.count("collapsed") == 1
    for cure in (ELBO(kl_warmup=0.5), ELBO(free_bits=0.1)):
        (*_, last) = trained(cure, 500, settings, learning_rate=3e-3)
        assert last["kl"] > 0.1
        assert last["mutual_information"] > 0.1
        assert last["active_units"] >= 1
        assert "warning" not in last
    assert capsys.readouterr().err == ""


class Constant(nn.Module):
    """q(z | x) = N(means, 1) whatever x is: what it has in common with N(0, 1) is set by hand."""

    def __init__(self, *means: float) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor(means))

    def forward(self, x: Tensor) -> Distribution:
        return Independent(Normal(self.means.expand(len(x), -1), 1.0), 1)


@pytest.mark.parametrize(
    ("objective", "training", "step", "speaks"),
    [
        (ELBO(), Training(steps=10_000), 499, False),
        (ELBO(), Training(steps=10_000), 500, True),
        (ELBO(kl_warmup=0.3), Training(steps=10_000), 2999, False),
        (ELBO(kl_warmup=0.3), Training(steps=10_000), 3000, True),
        (ELBO(), Training(steps=10_000, warmup=0.1), 999, False),
        (IWAE(), Training(steps=10_000), 1000, True),
    ],
)
def test_it_waits_for_warm_ups(objective: Any, training: Training, step: int, speaks: bool) -> None:
    model = VAE(lambda: Independent(Normal(torch.zeros(2), 1.0), 1), Constant(0.1, 0.0), nn.Identity())
    row = Watch(model, digits().validation, objective, training).look(step)
    assert ("warning" in row) == speaks
    assert row["kl_per_dimension"] == pytest.approx([0.005, 0.0])
    assert row["mutual_information"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ((0.1, 0.1), "q(z | x) = p(z) for every x (KL 0.01 nats"),
        ((0.3, 0.0, 0.0, 0.0), "q(z | x) = p(z) for every x in 3 of 4 dimensions (KL 0.045 nats"),
        ((1.0, 0.0, 0.0, 0.0), ""),  # one of four is enough to carry something
        ((0.2, 0.2, 0.2, 0.0), ""),
    ],
)
def test_what_counts_as_collapsed(means: tuple[float, ...], words: str) -> None:
    model = VAE(lambda: Independent(Normal(torch.zeros(len(means)), 1.0), 1), Constant(*means), nn.Identity())
    warning = Watch(model, digits().validation, ELBO(), Training()).look(1000).get("warning", "")
    assert words in warning
    assert bool(warning) == bool(words)


def test_a_look_changes_nothing() -> None:
    model = jensen.create("vae", digits().spec, latent_dim=2, hidden=(8,)).train()
    watch = Watch(model, digits().train, ELBO(), Training())
    before = torch.get_rng_state()
    first = watch.look(7)
    torch.rand(3)
    assert watch.look(7) == first
    torch.rand(0)
    assert model.training
    torch.set_rng_state(before)
    watch.look(7)
    assert torch.equal(before, torch.get_rng_state())
    assert len(watch.batch.x) == 500


def test_the_words_name_what_the_objective_has() -> None:
    assert remedy(ELBO()) == "set kl_warmup=0.3 or free_bits=0.1"
    assert remedy(ELBO(kl_warmup=0.1)) == "set free_bits=0.1"
    assert remedy(ELBO(beta=20.0)) == "lower beta from 20, or set free_bits=0.1"
    assert remedy(ELBO(free_bits=0.01)) == "raise free_bits from 0.01"
    for without in (IWAE(), None):
        assert remedy(without) == "train it by the elbo with kl_warmup=0.3 or free_bits=0.1, or weaken the decoder"


def test_the_estimates_against_a_model_whose_information_is_known() -> None:
    model, marginal = linear_gaussian()
    x = marginal.sample((2000,))
    q = model.posterior(x)
    z = q.sample((DRAWS,))
    # With the exact posterior and x from the model, I(x; z) = E KL(q(z | x) || p(z)), and z is N(0, I).
    known = torch.distributions.kl_divergence(q, model.prior())
    terms = q.log_prob(z[0]) - model.prior().log_prob(z[0])
    error = terms.std() / math.sqrt(len(x))
    assert abs(mutual_information(q, z[0]) - known.mean()) < 4 * error
    variances = variance_of_means(q, z)
    expected = (torch.eye(2, dtype=torch.float64) - model.posterior.covariance).diagonal()
    assert ((variances - expected).abs() < 4 * expected * math.sqrt(2 / len(x))).all()


def test_a_posterior_without_a_formula_for_its_mean_is_judged_by_its_draws() -> None:
    base = Normal(torch.stack([torch.linspace(-1, 1, 2000), torch.zeros(2000)], -1), 0.5)
    q = Independent(TransformedDistribution(base, TanhTransform()), 1)
    with pytest.raises(NotImplementedError):
        q.mean  # noqa: B018
    assert isinstance(q, CHEAP)
    varied, constant = variance_of_means(q, q.sample((DRAWS,)))
    exact = q.sample((4000,)).mean(0)[:, 0].var()
    # Each half has ten draws, of variance below .25: the covariance's own error is below .25 / 10 / sqrt(2000).
    assert abs(varied - exact) < 4 * (0.025 + 2 * 0.5 * 0.16) / math.sqrt(2000)
    assert abs(constant) < 4 * 0.025 / math.sqrt(2000)
