"""The adversarial autoencoder: its priors, its players, its labels, and its evidence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

import jensen
from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.evaluation.samples import kernel_two_sample
from jensen.evaluation.subset import evaluate_annealed, evaluate_refined
from jensen.inference.annealed_importance import Annealing
from jensen.models.adversarial.aae import AAE, ConditionalAAE, build
from jensen.models.adversarial.aae_labels import CategoricalAAE
from jensen.models.adversarial.encoders import CodeHead, Parallel
from jensen.models.base import Clock, Turn, kind_of
from jensen.models.latent.likelihoods import Gaussian
from jensen.models.latent.priors import StandardNormal
from jensen.models.latent.toy_priors import PartedPrior, swiss_roll, ten_gaussians

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
BITS = Spec((6,), "binary", num_classes=10)


def bits(rows: int) -> Tensor:
    return torch.bernoulli(torch.full((rows, 6), 0.5))


def all_turns(model: nn.Module, batch: Batch) -> dict[str, Turn]:
    turns: dict[str, Turn] = {}
    for together in model.turns(batch, CLOCK):  # type: ignore[operator]
        for turn in (together,) if isinstance(together, Turn) else together:
            turns[turn.player] = turn
    return turns


@pytest.mark.parametrize("prior", [ten_gaussians(), swiss_roll(4)])
def test_toy_priors_have_densities_that_integrate_to_one_and_draws_that_follow_them(prior: PartedPrior) -> None:
    side = torch.linspace(-3.5, 3.5, 141, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side).float()
    cell = (7 / 140) ** 2
    parts = torch.stack([prior(torch.tensor(y)).log_prob(grid) for y in range(prior.num_parts)]).double().exp()
    whole = prior().log_prob(grid).double().exp()
    torch.testing.assert_close(whole, parts.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(cell * parts.sum(1), torch.ones(prior.num_parts).double(), atol=1e-3, rtol=0)
    torch.manual_seed(0)
    drawn = prior().sample((20_000,)).double()
    for moment in (grid.double(), grid.double().square()):
        of_draws = drawn if moment.min() < 0 else drawn.square()
        expected = cell * (whole[:, None] * moment).sum(0)
        assert ((of_draws.mean(0) - expected).abs() < 4 * of_draws.std(0) / math.sqrt(20_000)).all()


def test_parts_of_a_prior_are_drawn_by_their_labels() -> None:
    prior, y = ten_gaussians(), torch.arange(10)
    torch.manual_seed(0)
    z = prior(y).sample((500,))
    assert prior(y).batch_shape == (10,)
    nearest = torch.cdist(z, prior.loc[:, 0]).argmin(-1)
    assert (nearest == y).double().mean() > 0.99


@pytest.mark.parametrize("variant", ["plain", "conditional", "semi-supervised", "cluster"])
def test_each_player_moves_its_own_parameters_and_all_are_moved(variant: str) -> None:
    torch.manual_seed(0)
    prior = "ten-gaussians" if variant == "conditional" else "normal"
    model = build(BITS, variant=variant, prior=prior, hidden=(16,), discriminator_hidden=(16,), num_clusters=10)  # type: ignore[arg-type]
    reached: set[nn.Parameter] = set()
    for player, turn in all_turns(model, Batch(bits(12), torch.arange(12) % 10)).items():
        named = dict(model.named_parameters())
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)
        assert any("discriminator" in name for name, p in named.items() if any(p is q for q in turn.parameters)) == (
            "discriminator" in player
        )
        reached |= set(turn.parameters)
    assert reached == set(model.parameters())


def test_codes_of_each_class_are_compared_with_its_part_of_the_prior() -> None:
    torch.manual_seed(0)
    model = build(BITS, variant="conditional", prior="ten-gaussians", hidden=(16,), discriminator_hidden=(16,))
    assert isinstance(model, ConditionalAAE)
    y = torch.cat([torch.arange(10).repeat(20), torch.full((200,), -1)])
    (told,), (known, untold) = model._told(Batch(bits(400), y))
    assert torch.equal(known.argmax(-1), torch.where(y < 0, 10, y)), "the discriminator knows all labels"
    hidden = untold[:, 0] == 1
    assert 20 < hidden[:200].sum() < 80, "a quarter of 200 labels, within five standard deviations"
    assert torch.equal(told[~hidden], known[~hidden])
    assert (told[hidden].argmax(-1) == 10).all()
    drawn = model._drawn(400, known, untold)
    nearest = torch.cdist(drawn, model.prior.loc[:, 0]).argmin(-1)  # type: ignore[union-attr]
    assert (nearest == y)[:200].double().mean() > 0.98
    assert len(nearest[200:].unique()) == 10


def test_the_encoder_is_told_the_label_or_that_there_is_none() -> None:
    torch.manual_seed(0)
    model = build(BITS, variant="conditional", prior="ten-gaussians", hidden=(16,), discriminator_hidden=(16,))
    assert isinstance(model, ConditionalAAE)
    x, y = bits(5), torch.arange(5)
    codes = [model.encode(x), model.encode(x, y), model.encode(x, torch.full_like(y, -1))]
    assert torch.equal(codes[0], codes[2])
    assert not torch.equal(codes[0], codes[1])
    with pytest.raises(JensenError, match="needs labelled data"):
        next(model.turns(Batch(x), CLOCK))


def test_a_conditional_model_is_drawn_from_given_a_label() -> None:
    torch.manual_seed(0)
    model = build(BITS, variant="conditional", prior="ten-gaussians", hidden=(16,), discriminator_hidden=(16,))
    assert isinstance(model, ConditionalAAE)
    assert model.conditional
    assert model.given(torch.tensor(3)).sample(5).shape == (5, 6)
    assert model.given(torch.tensor([3, 4])).sample_mean(5).shape == (5, 2, 6)
    z = model.given(torch.tensor(3)).prior().sample((500,))
    assert (torch.cdist(z, model.prior.loc[:, 0]).argmin(-1) == 3).double().mean() > 0.98  # type: ignore[union-attr]
    assert not hasattr(build(BITS, hidden=(8,)), "given")


def test_codes_match_the_prior_after_a_short_run() -> None:
    split = jensen.data.load("digits", binarize="dynamic")
    torch.manual_seed(0)
    settings = {"hidden": (64,), "discriminator_hidden": (64, 64), "discriminator_rate": 4.0}
    model = jensen.create("aae", split.spec, encoder="gaussian", **settings)

    def p_value() -> float:
        torch.manual_seed(1)
        x = torch.cat([split.test.all().x, split.validation.all().x])
        return kernel_two_sample(model.encode(x), model.prior().sample((len(x),))).p_value  # type: ignore[operator]

    assert p_value() < 0.01
    jensen.fit(model, split, steps=500, batch_size=128, learning_rate=2e-3, betas=(0.5, 0.9), schedule="linear")
    assert p_value() > 0.01


def test_the_evidence_is_annealed_from_the_prior() -> None:
    """p(z) = N(0, I), p(x | z) = N(W z + b, s^2 I): log p(x) is that of N(b, W W' + s^2 I)."""
    torch.manual_seed(0)
    split = jensen.data.load(torch.randn(200, 3), validation=0, test=100)
    linear = nn.Linear(2, 3)
    likelihood = Gaussian(linear, (3,), "learned")
    likelihood.log_scale.data.fill_(math.log(0.7))
    model = AAE(StandardNormal(2), nn.Linear(3, 2), likelihood, nn.Linear(2, 1))
    assert kind_of(model) == "implicit"
    found = evaluate_annealed(model, split.test, 50, annealing=Annealing(100, 4, 3))
    assert "elbo" not in found
    assert found.measure == "volume"
    cov = linear.weight @ linear.weight.T + 0.49 * torch.eye(3)
    x = split.test.subset(torch.randperm(100, generator=torch.Generator().manual_seed(0))[:50].sort().values).all().x
    exact = torch.distributions.MultivariateNormal(linear.bias, cov).log_prob(x).detach().double()
    metric = found["annealed"]
    assert metric.kind == "lower bound"
    assert metric.mc_standard_error is not None
    assert abs(metric.value - exact.mean().item()) < 4 * metric.mc_standard_error
    with pytest.raises(JensenError, match="only a model with a posterior"):
        evaluate_refined(model, split.test, 50)


def categorical(supervised: bool = True) -> CategoricalAAE:
    torch.manual_seed(0)
    variant = "semi-supervised" if supervised else "cluster"
    model = build(BITS, variant=variant, num_clusters=10, latent_dim=3, hidden=(16,), discriminator_hidden=(16,))  # type: ignore[arg-type]
    assert isinstance(model, CategoricalAAE)
    return model


def test_the_likelihood_of_a_style_is_the_mean_over_categories() -> None:
    model, x = categorical(), bits(4)
    z = torch.randn(5, 4, 3)
    each = torch.stack([model.likelihood(z, torch.tensor(y)).log_prob(x) for y in range(10)])
    torch.testing.assert_close(model.likelihood(z).log_prob(x), each.logsumexp(0) - math.log(10))
    own = model.likelihood(z, torch.tensor([1, 2, 3, 4])).log_prob(x)
    torch.testing.assert_close(own, torch.stack([each[y, :, y - 1] for y in (1, 2, 3, 4)], 1))
    assert model.likelihood(z).support.is_discrete  # type: ignore[union-attr]
    assert model.sample(7).shape == (7, 6)
    assert model.given(torch.tensor(2)).sample(7).shape == (7, 6)
    assert model.given(torch.tensor([2, 5])).sample_mean(7).shape == (7, 2, 6)
    torch.testing.assert_close(model.classify(x).exp().sum(-1), torch.ones(4))


def test_rows_without_labels_teach_no_class() -> None:
    model = categorical()
    x, y = bits(12), torch.arange(12) % 10
    hidden = torch.where(torch.arange(12) < 5, y, -1)
    by_hand = -model.classify(x[:5]).gather(-1, y[:5, None]).mean()
    for batch in (Batch(x, hidden), Batch(x, torch.full((12,), -1), Batch(x[:5], y[:5]))):
        turn = all_turns(model, batch)["classifier"]
        torch.testing.assert_close(turn.loss, by_hand)
    assert "classifier" not in all_turns(categorical(False), Batch(x))
    with pytest.raises(JensenError, match="needs labelled rows, got none"):
        all_turns(model, Batch(x))


def test_a_few_labels_teach_all_classes() -> None:
    split = jensen.data.load("digits", labelled=100, validation=0)
    torch.manual_seed(0)
    model = jensen.create(
        "aae", split.spec, variant="semi-supervised", latent_dim=4, hidden=(64,), discriminator_hidden=(64,)
    )
    jensen.fit(model, split, steps=200, batch_size=100, learning_rate=2e-3, betas=(0.5, 0.9))
    test = split.test.all()
    accuracy = (model.classify(test.x).argmax(-1) == test.y).double().mean()  # type: ignore[operator]
    assert accuracy > 0.8  # 10 labels of each of 10 classes; chance is 0.1


@pytest.mark.parametrize("draw", ["deterministic", "gaussian", "noise"])
def test_an_encoder_draws_as_its_word_says(draw: str) -> None:
    torch.manual_seed(0)
    head, h = CodeHead(8, 2, draw), torch.randn(1, 8)  # type: ignore[arg-type]
    z = head(h.expand(1000, 8))
    assert z.shape == (1000, 2)
    assert (z.std(0) < 1e-6).all() == (draw == "deterministic")


def test_networks_side_by_side_share_nothing() -> None:
    torch.manual_seed(0)
    nets = Parallel(3, (4, 5, 2))
    x = torch.randn(6, 3, 4)
    y = nets(x)
    assert y.shape == (6, 3, 2)
    for n in range(3):
        hidden = nn.functional.elu(x[:, n] @ nets.weights[0][n] + nets.biases[0][n])
        torch.testing.assert_close(y[:, n], hidden @ nets.weights[1][n] + nets.biases[1][n])


class Unsampled(Distribution):
    """A density and nothing more."""

    arg_constraints = {}  # noqa: RUF012

    def log_prob(self, value: Tensor) -> Tensor:
        return -value.abs().sum(-1)


def test_bad_input() -> None:
    plain = Spec((6,), "binary")
    with pytest.raises(JensenError, match="Unsampled cannot be sampled: give a prior that has sample"):
        AAE(lambda: Unsampled(event_shape=torch.Size([2])), nn.Linear(6, 2), nn.Linear(2, 6), nn.Linear(2, 1))
    with pytest.raises(JensenError, match="needs labelled data, got none"):
        build(plain, variant="conditional", prior="swiss-roll")
    with pytest.raises(JensenError, match="needs labelled data, got none"):
        build(plain, variant="semi-supervised")
    with pytest.raises(JensenError, match="a part for each class: set prior=swiss-roll"):
        build(BITS, variant="conditional")
    with pytest.raises(JensenError, match="is in the plane, got latent_dim=3"):
        build(plain, prior="swiss-roll", latent_dim=3)
    with pytest.raises(JensenError, match="has 10 parts, and the data 4 classes"):
        build(Spec((6,), "binary", num_classes=4), prior="ten-gaussians", variant="conditional")
    with pytest.raises(JensenError, match="set prior=normal"):
        build(BITS, prior="swiss-roll", variant="semi-supervised")
    with pytest.raises(JensenError, match="at least 2 categories, got 1"):
        build(BITS, variant="cluster", num_clusters=1)
    with pytest.raises(JensenError, match="hidden needs at least one layer"):
        build(plain, hidden=())
    with pytest.raises(JensenError, match="latent_dim must be at least 1"):
        build(plain, latent_dim=0)


def test_a_discriminator_that_has_won_is_named() -> None:
    model = categorical()
    even = {f"{which}_discriminator_{name}": 0.5 for which in ("style", "category") for name in ("accuracy", "loss")}
    assert model.warning(even) is None
    said = model.warning({**even, "category_discriminator_accuracy": 1.0, "category_discriminator_loss": 1e-4})
    assert said is not None
    assert said.startswith("the category discriminator has won")
    assert "narrow discriminator_hidden" in said
