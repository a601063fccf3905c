"""verify passes what is right, and names each of the usual mistakes, planted one at a time in code that is right."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from tests.command_line import done, jensen, refusal
from torch.distributions import Beta, Categorical, Independent, MultivariateNormal, Normal, Poisson, kl_divergence

from jensen.errors import JensenError
from jensen.evaluation import verify
from jensen.evaluation.verify import oracles
from jensen.evaluation.verify.densities import survey
from jensen.objectives import iwae_bound, log_weights
from jensen.objectives.elbo import elbo

BOUNDS = """\
import math
import torch


def log_likelihood(model, z, x):
    return model.likelihood(z).log_prob(x)


def draw(q, num_samples):
    noise = torch.randn(num_samples, *q.mean.shape, dtype=q.mean.dtype)
    return q.mean + q.stddev * noise


def elbo(model, x, num_samples):
    q = model.posterior(x)
    fit = log_likelihood(model, draw(q, num_samples), x).mean(0)
    kl = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log())
    kl = kl.sum(-1)
    return fit - kl


def log_weights(model, x, num_samples):
    q = model.posterior(x)
    z = draw(q, num_samples)
    return log_likelihood(model, z, x) + model.prior().log_prob(z) - q.log_prob(z)


def iwae_bound(model, x, num_samples):
    log_w = log_weights(model, x, num_samples)
    return log_w.logsumexp(0) - math.log(num_samples)
"""

DENSITIES = """\
import math
import torch
from torch.distributions import Bernoulli, Distribution, Independent, Normal, constraints

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


class Gaussian(Distribution):
    arg_constraints = {}
    support = constraints.independent(constraints.real, 1)

    def __init__(self, mean, scale):
        self.loc, self.scale = mean, scale
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    def sample(self, sample_shape=()):
        noise = torch.randn(*sample_shape, *self.loc.shape)
        return self.loc + self.scale * noise

    def log_prob(self, x):
        z = (x - self.loc) / self.scale
        return (-0.5 * z**2 - HALF_LOG_2_PI - self.scale.log()).sum(-1)


class Bits(Gaussian):
    support = constraints.independent(constraints.boolean, 1)

    def sample(self, sample_shape=()):
        return torch.bernoulli(self.loc.sigmoid().expand(*sample_shape, *self.loc.shape))

    def log_prob(self, x):
        return (x * self.loc - torch.nn.functional.softplus(self.loc)).sum(-1)


def prior():
    return Independent(Normal(torch.zeros(2), torch.ones(2)), 1)


def posterior(x):
    return Gaussian(0.5 * x[:, :2], torch.tensor([0.3, 0.6]).expand(len(x), 2))


def likelihood(z):
    logits = torch.cat([z, 2 * z], -1)
    return Bits(logits, logits)
"""


def module(source: str, old: str = "", new: str = "") -> ModuleType:
    assert source.count(old) == 1 or not old, f"{old} is not there once"
    found = ModuleType("user")
    exec(source.replace(old, new), found.__dict__)
    return found


LIKELIHOOD = "return model.likelihood(z).log_prob(x)"
MEAN_WEIGHT = "log_w.logsumexp(0) - math.log(num_samples)"
# Which function, what is right, what is put in its place, and words of the sentence that must name it.
PLANTED = {
    "KL sign": ("elbo", "return fit - kl", "return fit + kl", "KL is added"),
    "KL averaged over the latents": ("elbo", "kl.sum(-1)", "kl.mean(-1)", "KL is averaged over the latent dimensions"),
    "scale for variance in the KL": (
        "elbo",
        "q.variance - 1 - q.variance.log()",
        "q.stddev - 1 - q.stddev.log()",
        "KL takes the scale for the variance",
    ),
    "KL reversed": (
        "elbo",
        "q.mean**2 + q.variance - 1 - q.variance.log()",
        "(1 + q.mean**2) / q.variance - 1 + q.variance.log()",
        "KL is reversed",
    ),
    "KL without its half": ("elbo", "0.5 * (q", "1.0 * (q", "lacks its factor 1/2"),
    "variance for scale in the draws": ("elbo", "q.stddev * noise", "q.variance * noise", "variance * noise"),
    "variance for scale in the weights": (
        "log_weights",
        "q.stddev * noise",
        "q.variance * noise",
        "variance * noise",
    ),
    "mean of q for the draws": ("elbo", "q.stddev * noise", "0 * noise", "nothing is drawn"),
    "a loss": ("elbo", "return fit - kl", "return kl - fit", "minus the bound"),
    "summed over draws": ("elbo", "x).mean(0)", "x).sum(0)", "summed over the draws"),
    "averaged over the batch": ("elbo", "return fit - kl", "return (fit - kl).mean()", "mean over the batch"),
    "KL averaged over the batch": ("elbo", "kl.sum(-1)", "kl.sum(-1).mean()", "other rows"),
    "draws without gradient": (
        "elbo",
        "q.stddev * noise",
        "(q.stddev * noise).detach() - q.mean + q.mean.detach()",
        "rsample",
    ),
    "averaged over the pixels": (
        "log_weights",
        LIKELIHOOD,
        "return model.likelihood(z).base_dist.log_prob(x).mean(-1)",
        "averaged over the entries of x",
    ),
    "Gaussian constant": (
        "elbo",
        LIKELIHOOD,
        "p = model.likelihood(z).base_dist; return (p.log_prob(x) + 0.5 * math.log(2 * math.pi)).sum(-1)",
        "-1/2 log 2 pi of each",
    ),
    "Gaussian constant and scale": (
        "elbo",
        LIKELIHOOD,
        "p = model.likelihood(z).base_dist; return (p.log_prob(x) - p.log_prob(p.mean)).sum(-1)",
        "log 2 pi scale^2",
    ),
    "log p(z) - log q dropped": (
        "log_weights",
        " + model.prior().log_prob(z) - q.log_prob(z)",
        "",
        "log p(z) - log q(z | x), is left out",
    ),
    "log q dropped": ("log_weights", " - q.log_prob(z)", "", "log q(z | x) is left out"),
    "log p(z) dropped": ("log_weights", " + model.prior().log_prob(z)", "", "log p(z) is left out"),
    "no log K": ("iwae_bound", " - math.log(num_samples)", "", "log K is not subtracted"),
    "max over samples": ("iwae_bound", MEAN_WEIGHT, "log_w.amax(0)", "largest weight"),
    "mean of the log weights": ("iwae_bound", MEAN_WEIGHT, "log_w.mean(0)", "mean of the log weights"),
    "self-normalised": ("iwae_bound", MEAN_WEIGHT, "(log_w.softmax(0) * log_w).sum(0)", "not its value"),
    "no logarithm": ("iwae_bound", MEAN_WEIGHT, "log_w.exp().mean(0)", "logarithm is not taken"),
    "overflow": ("iwae_bound", MEAN_WEIGHT, "log_w.mul(500).exp().mean(0).log()", "NaN or infinity"),
}


def failures(checks) -> str:
    return "\n".join(f"{check.of}: {check.question}: {check.said}" for check in checks if check.passed is False)


@pytest.mark.parametrize("name", PLANTED)
def test_each_mistake_in_a_bound_is_found_and_named(name: str) -> None:
    function, old, new, words = PLANTED[name]
    wrong = module(BOUNDS, old, new)
    assert words in failures(verify(**{function: getattr(wrong, function)}))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "of", [module(BOUNDS), SimpleNamespace(elbo=elbo, log_weights=log_weights, iwae_bound=iwae_bound)]
)
def test_bounds_that_are_right_pass(of, seed: int) -> None:
    checks = verify(elbo=of.elbo, log_weights=of.log_weights, iwae_bound=of.iwae_bound, seed=seed)
    assert failures(checks) == ""
    assert {check.of for check in checks} == {"elbo", "log_weights", "iwae_bound"}
    assert all(check.passed for check in checks)


def test_single_precision_is_precise_enough() -> None:
    right = module(BOUNDS)
    checks = verify(log_weights=lambda model, x, k: right.log_weights(model, x, k).float())
    assert failures(checks) == ""


PLANTED_DENSITIES = {
    "variance for scale in sample": ("self.scale * noise", "self.scale**2 * noise", "mean + variance * noise"),
    "scale for variance in log_prob": (
        "z = (x - self.loc) / self.scale",
        "z = (x - self.loc) / self.scale.sqrt()",
        "constant",
    ),
    "variance for scale throughout log_prob": (
        "z = (x - self.loc) / self.scale\n",
        "z, self = (x - self.loc) / self.scale.sqrt(), Gaussian(self.loc, self.scale.sqrt())\n",
        "or log_prob takes the scale for the variance",
    ),
    "constant dropped": (" - HALF_LOG_2_PI", "", "-1/2 log 2 pi of each entry"),
    "constant and scale dropped": (" - HALF_LOG_2_PI - self.scale.log()", "", "-1/2 log 2 pi scale^2"),
    "averaged over the pixels": ("(self.loc)).sum(-1)", "(self.loc)).mean(-1)", "averaged over the 4 entries"),
    "not summed over the event": ("(self.loc)).sum(-1)", "(self.loc))", "sum over the event"),
    "other bits are drawn": (
        "torch.bernoulli(self.loc.sigmoid()",
        "torch.bernoulli(1 - self.loc.sigmoid()",
        "different",
    ),
    "normalised over the batch": ("0.5 * x[:, :2],", "0.5 * (x - x.mean(0))[:, :2],", "other rows"),
    "no Independent": (
        "Independent(Normal(torch.zeros(2), torch.ones(2)), 1)",
        "Normal(torch.zeros(2), torch.ones(2))",
        "wrap it",
    ),
    "no distribution": ("return Bits(logits, logits)", "return logits", "raised AttributeError"),
}


@pytest.mark.parametrize("name", PLANTED_DENSITIES)
def test_each_mistake_in_a_density_is_found_and_named(name: str) -> None:
    old, new, words = PLANTED_DENSITIES[name]
    assert words in failures(verify(model=module(DENSITIES, old, new)))


@pytest.mark.parametrize("seed", range(2))
def test_densities_that_are_right_pass(seed: int) -> None:
    checks = verify(model=module(DENSITIES), seed=seed)
    assert failures(checks) == ""
    assert [check.of for check in checks].count("posterior") == 4
    assert all(check.passed for check in checks)


@pytest.mark.parametrize(
    "distribution",
    [
        MultivariateNormal(torch.ones(3), torch.eye(3) + 0.8),
        Independent(Beta(torch.tensor([2.0, 0.7]), torch.tensor([3.0, 1.5])), 1),
        Categorical(logits=torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]])),
        Poisson(torch.tensor([0.5, 7.0])),
        Independent(Normal(torch.zeros(12), torch.arange(1.0, 13.0)), 1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_families_of_torch_are_densities(distribution) -> None:
    found = survey(distribution)
    found.check_mass()
    found.check_draws()


def test_what_is_too_large_to_integrate_is_not_asked() -> None:
    def wide(z: torch.Tensor) -> Independent:
        return Independent(Normal(z.sum(-1, keepdim=True).expand(*z.shape[:-1], 50), 1.0), 1)

    right = module(DENSITIES)
    checks = verify(model=SimpleNamespace(prior=right.prior, likelihood=wide))
    undecided = [check for check in checks if check.passed is None]
    assert failures(checks) == ""
    assert len(undecided) == 2
    assert all("50 entries are too many" in check.said for check in undecided)


def test_the_oracles_know_their_answers() -> None:
    exact, wrong = oracles.gaussian(exact=True), oracles.gaussian(exact=False)
    torch.testing.assert_close(exact.elbo, exact.evidence, atol=1e-10, rtol=0)
    short = kl_divergence(wrong.posterior(wrong.x), exact.posterior(exact.x))
    torch.testing.assert_close(wrong.evidence - wrong.elbo, short, atol=1e-10, rtol=0)
    bits = oracles.bernoulli()
    z = torch.cartesian_prod(*[torch.linspace(-9, 9, 400, dtype=torch.float64)] * 2)
    joint = bits.prior().log_prob(z)[:, None] + bits.likelihood(z[:, None]).log_prob(bits.x)
    by_grid = joint.logsumexp(0) + 2 * torch.log(z[1, 1] - z[0, 1])
    torch.testing.assert_close(bits.evidence, by_grid, atol=1e-6, rtol=0)
    assert (bits.evidence - bits.elbo).min() > 0.3  # so that bounds have room to rise, and mistakes to show


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    verify(model=module(DENSITIES))
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_to_verify() -> None:
    with pytest.raises(JensenError, match="nothing to verify"):
        verify()
    with pytest.raises(JensenError, match=r"prior\(\) and likelihood"):
        verify(model=SimpleNamespace(posterior=None))


# The command


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_command_passes_a_right_file(tmp_path: Path) -> None:
    out = done("verify", write(tmp_path / "mine.py", DENSITIES))
    assert "prior" in out
    assert out.splitlines()[-1] == "11 checks, 0 failed"


def test_the_command_fails_a_wrong_file(tmp_path: Path) -> None:
    said = jensen("verify", write(tmp_path / "mine.py", BOUNDS.replace("return fit - kl", "return fit + kl")))
    assert said.code == 1
    assert said.err == ""
    assert "FAILED" in said.out
    assert said.out.splitlines()[-1] == "17 checks, 3 failed"


def test_methods_of_a_class_are_functions_of_a_model(tmp_path: Path) -> None:
    file = write(
        tmp_path / "mine.py",
        "import torch\nfrom dataclasses import dataclass\n\n@dataclass\nclass Settings:\n    beta: float = 1.0\n\n"
        "class Mine(torch.nn.Module):\n    def __init__(self, width):\n        super().__init__()\n\n"
        "    def log_weights(self, x, num_samples):\n        q = self.posterior(x)\n"
        "        z = q.rsample((num_samples,))\n"
        "        return self.likelihood(z).log_prob(x) + self.prior().log_prob(z) - q.log_prob(z)\n",
    )
    for name in ("", ":Mine"):
        assert done("verify", f"{file}{name}").splitlines()[-1] == "5 checks, 0 failed"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.py", None, "is no Python file"),
        ("mine.txt", "", "is no Python file"),
        ("mine.py", "x = 1", "nothing to verify"),
        ("mine.py", "def elbo(:", "cannot be imported: SyntaxError"),
        ("mine.py", "import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        ("mine.py:Other", "def elbo(): pass", "has no Other"),
        ("mine.py:Mine", "class Mine:\n    def __init__(self, a): pass", "give its arguments defaults"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    if text is not None:
        write(tmp_path / name.partition(":")[0], text)
    assert words in refusal("verify", f"{tmp_path}/{name}")
