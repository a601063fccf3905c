"""Likelihoods as modules: what a network's outputs mean, the start from data, and what does not fit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from tests.moments import has_its_moments
from torch import Tensor, nn

import jensen
from jensen.data.spec import Column, Spec
from jensen.errors import JensenError
from jensen.models.latent import likelihoods
from jensen.models.latent.likelihoods.base import Likelihood
from jensen.models.latent.likelihoods.choose import FITTING, Name, likelihood_for
from jensen.models.latent.likelihoods.gaussian import WIDEST
from jensen.training.check import check_support

D = 3
TYPES = (
    Column("count"),
    Column("real"),
    Column("categorical", ("a", "b", "c")),
    Column("binary"),
    Column("real"),
    Column("categorical", ("no", "yes")),
)
SPECS = {
    "binary": Spec((D,), "binary", levels=2),
    "unit": Spec((D,), "unit"),
    "real": Spec((D,), "real"),
    "8-bit": Spec((D,), "8-bit", levels=256),
    "categorical": Spec((D,), "categorical", levels=4),
    "count": Spec((D,), "count"),
    "mixed": Spec((len(TYPES),), "mixed", columns=tuple("abcdef"), column_types=TYPES),
}
WORDS = [(kind, name) for kind, names in FITTING.items() for name in names]


def rows(spec: Spec, count: int = 4000) -> Tensor:
    """Rows whose entries differ in mean and spread."""
    generator = torch.Generator().manual_seed(0)
    places = torch.arange(1.0, spec.num_dims + 1)
    uniform = torch.rand(count, spec.num_dims, generator=generator)
    normal = torch.randn(count, spec.num_dims, generator=generator)
    if spec.kind == "real":
        return places + places.sqrt() * normal
    if spec.kind == "unit":
        return uniform ** (places - 0.5)
    if spec.kind == "binary":
        return (uniform < places / (D + 1)).float()
    if spec.kind == "count":
        return torch.poisson(5 * places * uniform, generator=generator)
    if spec.kind == "mixed":
        x = places + normal
        x[:, 0] = torch.poisson(9 * uniform[:, 0], generator=generator)
        x[:, [2, 3, 5]] = (uniform[:, [2, 3, 5]].square() * torch.tensor([3.0, 2.0, 2.0])).floor()
        return x
    assert spec.levels is not None
    return (uniform.sqrt() * spec.levels).long().clamp_max(spec.levels - 1)


def nothing_of(z: int) -> Callable[[int], nn.Module]:
    """A decoder that z does not reach until it is trained."""

    def decoder(num_outputs: int) -> nn.Module:
        made = nn.Linear(z, num_outputs)
        made.weight.data.zero_()
        made.bias.data.zero_()
        return made

    return decoder


def of_outputs(module: Callable[..., Likelihood], outputs: Tensor, *args: object, **settings: object) -> Likelihood:
    return module(nn.Identity(), *args, **settings)(outputs)  # type: ignore[arg-type, return-value]


OUTPUTS = torch.randn(5, 2 * D, generator=torch.Generator().manual_seed(1))
FIRST, SECOND = OUTPUTS[:, 0::2].double().numpy(), OUTPUTS[:, 1::2].double().numpy()  # P innermost
ONES = OUTPUTS[:, :D].double().numpy()


@pytest.mark.parametrize(
    ("made", "outputs", "x", "expected"),
    [
        (
            lambda o: of_outputs(likelihoods.Bernoulli, o, (D,)),
            OUTPUTS[:, :D],
            torch.tensor([0.0, 1.0, 1.0]),
            lambda x: stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-ONES))),
        ),
        (
            lambda o: of_outputs(likelihoods.Gaussian, o, (D,), "unit"),
            OUTPUTS[:, :D],
            torch.tensor([0.3, -2.0, 1.0]),
            lambda x: stats.norm.logpdf(x, ONES, 1),
        ),
        (
            lambda o: of_outputs(likelihoods.Gaussian, o, (D,), "decoder", floor=0.25),
            OUTPUTS,
            torch.tensor([0.3, -2.0, 1.0]),
            lambda x: stats.norm.logpdf(x, FIRST, np.log1p(np.exp(SECOND)) + 0.25),
        ),
        (
            lambda o: of_outputs(likelihoods.Poisson, o, (D,)),
            OUTPUTS[:, :D],
            torch.tensor([0.0, 2.0, 11.0]),
            lambda x: stats.poisson.logpmf(x, np.exp(ONES)),
        ),
        (
            lambda o: of_outputs(likelihoods.NegativeBinomial, o, (D,)),
            OUTPUTS,
            torch.tensor([0.0, 2.0, 11.0]),
            lambda x: stats.nbinom.logpmf(x, np.exp(SECOND), 1 / (1 + np.exp(FIRST - SECOND))),
        ),
        (
            lambda o: of_outputs(likelihoods.Categorical, o, (D,), 2),
            OUTPUTS,
            torch.tensor([0, 1, 1]),
            lambda x: stats.bernoulli.logpmf(x, 1 / (1 + np.exp(FIRST - SECOND))),
        ),
        (
            lambda o: of_outputs(likelihoods.DiscretisedLogistic, o, (D,), 9),
            OUTPUTS,
            torch.tensor([1, 4, 7]),
            lambda x: np.log(
                stats.logistic.cdf(x + 0.5, 4 * (FIRST + 1), 4 * np.exp(SECOND))
                - stats.logistic.cdf(x - 0.5, 4 * (FIRST + 1), 4 * np.exp(SECOND))
            ),
        ),
    ],
)
def test_against_scipy(
    made: Callable[[Tensor], torch.distributions.Distribution],
    outputs: Tensor,
    x: Tensor,
    expected: Callable[[np.ndarray], np.ndarray],
) -> None:
    law = made(outputs)
    assert law.batch_shape == (5,)
    assert law.event_shape == (D,)
    assert law.log_prob(x).numpy() == pytest.approx(expected(x.double().numpy()).sum(-1), abs=1e-5, rel=1e-5)


def test_a_full_covariance_against_scipy() -> None:
    likelihood = likelihoods.FullGaussian(nn.Identity(), (D,))
    likelihood.log_diagonal.data = torch.tensor([0.1, -0.5, 0.3])
    likelihood.below.data = torch.tensor([0.7, -1.2, 0.4])
    factor = likelihood.scale_tril().detach()
    assert factor[2].tolist() == pytest.approx([-1.2, 0.4, math.exp(0.3)])
    x = torch.randn(4, 5, D)
    law = likelihood(OUTPUTS[:, :D])
    covariance = (factor.double() @ factor.double().T).numpy()
    for row in range(5):
        expected = stats.multivariate_normal(ONES[row], covariance).logpdf(x[:, row].double())
        assert law.log_prob(x)[:, row].detach().numpy() == pytest.approx(expected, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("scale", ["unit", "learned", "per-dimension", "decoder"])
def test_the_scale_of_a_gaussian_is_what_its_word_says(scale: str) -> None:
    spec = SPECS["real"]
    likelihood = likelihood_for(spec, nothing_of(2), "gaussian", scale)  # type: ignore[arg-type]
    x = rows(spec)
    likelihood.initialize(x)
    found = likelihood(torch.randn(4, 2)).base_dist.scale
    spread = x.std(0, correction=0)
    expected = {"unit": torch.ones(D), "learned": spread.square().mean().sqrt().expand(D)}.get(scale, spread)
    torch.testing.assert_close(found, expected.expand(4, D), rtol=1e-4, atol=1e-4)
    trained = {name for name, _ in likelihood.named_parameters() if not name.startswith("net")}
    assert trained == ({"log_scale"} if scale in ("learned", "per-dimension") else set())


def test_the_decoders_scale_has_a_floor() -> None:
    likelihood = likelihoods.Gaussian(nn.Identity(), (D,), "decoder", floor=0.1)
    outputs = torch.full((1, 2 * D), -200.0, requires_grad=True)
    scale = likelihood(outputs).base_dist.scale
    assert scale.tolist() == [pytest.approx([0.1] * D)]
    with pytest.raises(JensenError, match="scale_floor must be above 0"):
        likelihoods.Gaussian(nn.Identity(), (D,), "decoder", floor=0.0)


@pytest.mark.parametrize(("kind", "name"), WORDS)
def test_training_starts_at_the_best_constant(kind: str, name: Name) -> None:
    """Where z says nothing yet, the law has the data's mean, and moving away from it is worse."""
    spec = SPECS[kind]
    x = rows(spec)
    likelihood = likelihood_for(spec, nothing_of(2), name, "per-dimension")
    likelihood.initialize(x)
    z = torch.zeros(1, 2)
    law = likelihood(z)
    if name not in ("mixed", "discretised-logistic", "autoregressive"):
        error = 4 * x.double().std(0) / math.sqrt(len(x))
        assert ((law.mean[0] - x.double().mean(0)).abs() <= error + 1e-5).all()
    started = law.log_prob(x).mean().item()
    plain = likelihood_for(spec, nothing_of(2), name, "per-dimension", start_from_data=False)
    plain.initialize(x)
    assert started > plain(z).log_prob(x).mean().item() + 0.01, "nearer than outputs of 0 are"
    if name == "discretised-logistic":
        return  # its moments are matched, which is near its best
    for parameter in likelihood.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    assert likelihood(z).log_prob(x).mean().item() < started


@pytest.mark.parametrize(("kind", "name"), WORDS)
def test_draws_have_the_stated_moments_and_lie_in_the_support(kind: str, name: Name) -> None:
    spec = SPECS[kind]
    likelihood = likelihood_for(spec, lambda outputs: nn.Linear(2, outputs), name, "decoder")
    likelihood.initialize(rows(spec))
    with torch.no_grad():
        law = likelihood(torch.randn(4, 2))
        if name not in ("mixed", "autoregressive", "gaussian-full"):
            has_its_moments(law, 10_000)
        drawn = law.sample((50,))
    assert drawn.shape == (50, 4, *spec.event_shape)
    assert drawn.dtype == rows(spec, 1).dtype
    assert law.mean.shape == (4, *spec.event_shape)
    check_support(law, drawn)


@pytest.mark.parametrize("name", WORDS)
def test_an_entrys_numbers_lie_side_by_side(name: tuple[str, Name]) -> None:
    """Moving one output of P moves the density of one entry alone, the one it lies at."""
    kind, word = name
    if word in ("mixed", "autoregressive", "gaussian-full"):
        return
    spec = SPECS[kind]
    likelihood = likelihood_for(spec, lambda outputs: nn.Linear(2, outputs), word, "decoder")
    per_entry = likelihood.net.out_features // D  # type: ignore[union-attr, operator]
    outputs = torch.randn(D * per_entry, requires_grad=True)
    each = likelihood.distribution(outputs).base_dist.log_prob(rows(spec, 1)[0])  # type: ignore[operator]
    for d in range(D):
        (gradient,) = torch.autograd.grad(each[d], outputs, retain_graph=True)
        reached = gradient.view(D, per_entry).ne(0).any(1)
        assert reached.tolist() == [place == d for place in range(D)]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "categorical", "poisson", "autoregressive", "mixed"])
def test_a_likelihood_that_does_not_fit_the_kind_is_refused_in_one_line(kind: str, name: Name) -> None:
    if name in FITTING[kind]:  # type: ignore[index]
        return
    with pytest.raises(JensenError) as said:
        likelihood_for(SPECS[kind], nothing_of(2), name)
    assert len(str(said.value).splitlines()) == 1
    assert f"{name} likelihood needs" in str(said.value)
    assert FITTING[kind][0] in str(said.value), "the remedy"  # type: ignore[index]


def test_a_full_covariance_of_many_columns_is_refused() -> None:
    with pytest.raises(JensenError, match=r"at most 64 numbers, got x of shape \(65,\): choose likelihood=gaussian"):
        likelihood_for(Spec((WIDEST + 1,), "real"), nothing_of(2), "gaussian-full")


@pytest.mark.parametrize(
    ("name", "x", "message"),
    [
        ("continuous-bernoulli", torch.tensor([[0.0, 0.5, 1.5]]), "x in [0, 1], got values from 0 to 1.5"),
        ("poisson", torch.tensor([[0.0, 0.5, 2.0]]), "whole numbers from 0 up, got values from 0 to 2"),
        ("categorical", torch.tensor([[0, 4, 1]]), "whole numbers from 0 to 3, got values from 0 to 4"),
        ("autoregressive", torch.tensor([[0.0, 0.5, 1.0]]), "bits, 0 or 1, got values from 0 to 1"),
    ],
)
def test_data_outside_the_support_are_refused_in_one_line(name: Name, x: Tensor, message: str) -> None:
    kind = next(kind for kind, names in reversed(FITTING.items()) if name in names)
    likelihood = likelihood_for(SPECS[kind], nothing_of(2), name)
    with pytest.raises(JensenError) as said:
        check_support(likelihood(torch.zeros(1, 2)), x)
    assert message in str(said.value)
    assert "choose a likelihood that fits" in str(said.value)


def test_an_autoregressive_likelihood_sums_to_one_given_z_and_is_drawn_entry_by_entry() -> None:
    spec = Spec((1, 2, 4), "binary", levels=2)
    likelihood = likelihood_for(spec, lambda outputs: nn.Linear(2, outputs), "autoregressive", autoregressive_units=20)
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=8))).view(-1, 1, 1, 2, 4)
    with torch.no_grad():
        law = likelihood(3 * torch.randn(5, 2))
        mass = law.log_prob(every).exp()
        assert mass.sum(0).tolist() == pytest.approx([1.0] * 5, abs=1e-5)
        assert (mass - mass[:, :1]).abs().max() > 1e-4, "it listens to z"
        seen = law.sample((3000,)).mean(0)
    expected = (mass.T @ every.flatten(1)).view(5, 1, 2, 4)
    assert ((seen - expected).abs() <= 4 * 0.5 / math.sqrt(3000)).all()


def test_a_strong_decoder_without_a_cure_ignores_z() -> None:
    """Chen et al. (2017): what the decoder models by itself is not paid for in z. Bits in pairs need no code."""
    torch.manual_seed(0)
    first = (torch.rand(2000, 6) < 0.5).float()
    x = torch.stack([first, first], -1).flatten(1).byte()
    split = jensen.data.load(x, validation=0, test=0.2)
    found = {}
    for name in ("bernoulli", "autoregressive"):
        torch.manual_seed(0)
        model = jensen.create("vae", split.spec, likelihood=name, latent_dim=6, hidden=(32,), autoregressive_units=64)
        settings = {"steps": 250, "learning_rate": 2e-2, "schedule": "linear", "progress": False}
        found[name] = jensen.evaluate(jensen.fit(model, split, **settings).model, split.test, 20)
    assert found["bernoulli"]["kl"].value > 2
    assert found["autoregressive"]["kl"].value < 0.1
    assert found["autoregressive"]["elbo"].value > found["bernoulli"]["elbo"].value


@pytest.fixture
def grey() -> jensen.data.Split:
    x = np.random.default_rng(0).beta(0.5, 0.8, (300, 6))
    return jensen.data.load(x, validation=0, test=0.2)


def test_grey_values_have_a_density_under_one_and_an_objective_under_the_other(grey: jensen.data.Split) -> None:
    kinds = {}
    for name in ("bernoulli", "continuous-bernoulli"):
        torch.manual_seed(0)
        model = jensen.create("vae", grey.spec, likelihood=name, latent_dim=2, hidden=(8,))
        found = jensen.evaluate(jensen.fit(model, grey, steps=20, progress=False).model, grey.test, 10)
        kinds[name] = (found["elbo"].kind, found.measure)
    assert kinds["bernoulli"] == ("objective", "none: the objective is no likelihood")
    assert kinds["continuous-bernoulli"] == ("lower bound", "volume")


def test_counts_are_probabilities() -> None:
    x = np.random.default_rng(0).poisson(4.0, (300, 5))
    split = jensen.data.load(x, as_counts=True, validation=0, test=0.2)
    torch.manual_seed(0)
    model = jensen.create("vae", split.spec, likelihood="poisson", latent_dim=1, hidden=(8,))
    fitted = jensen.fit(model, split, steps=100, progress=False).model
    found = jensen.evaluate(fitted, split.test, 50)
    assert found.measure == "counts"
    assert found["elbo"].kind == "lower bound"
    exact = stats.poisson.logpmf(split.test.all().x.double(), 4.0).sum(-1)
    assert found["elbo"].value == pytest.approx(exact.mean(), abs=4 * exact.std() / math.sqrt(60) + 0.3)


def test_a_table_of_mixed_columns_from_file_to_samples(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = ["weight,kind,visits,member"]
    for _ in range(400):
        member = int(generator.random() < 0.3)
        kind = generator.choice(["red", "white", "rosé"], p=[0.5, 0.3, 0.2])
        lines.append(f"{generator.normal(50 + 9 * member, 3):.3f},{kind},{generator.poisson(2 + 9 * member)},{member}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    split = jensen.data.load(tmp_path / "t.csv", columns="mixed", standardize=True, validation=0.1, test=0.2)
    torch.manual_seed(0)
    model = jensen.create("vae", split.spec, latent_dim=2, hidden=(16,), likelihood_scale="per-dimension")
    settings = {"steps": 250, "learning_rate": 1e-2, "schedule": "linear", "progress": False}
    fitted = jensen.fit(model, split, out=tmp_path / "run", **settings).model
    found = jensen.evaluate(fitted, split.test, 50)
    assert found.measure == "volume, counts of kind, visits, member"
    # Under the true law: the class entropies, a Poisson's and a Gaussian's, over the user's own units.
    assert found["iwae_50"].value == pytest.approx(-6.5, abs=0.6)
    x = split.train.to_raw(fitted.sample(2000))
    members = x[:, 3] == 1
    assert x[:, 3].mean().item() == pytest.approx(0.3, abs=0.15)
    assert (x[members, 0].mean() - x[~members, 0].mean()).item() == pytest.approx(9, abs=3)
    assert split.spec.cells(x[0].tolist())[1] in ("red", "white", "rosé")
    again = jensen.load(tmp_path / "run")
    assert jensen.evaluate(again, split.test, 50).to_json() == found.to_json()
