"""Models of x given y, against a linear-Gaussian one whose p(x | y) is known, and by enumeration."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import jensen
from jensen.data import Batch, Spec
from jensen.distributions import diagonal_gaussian
from jensen.distributions.gaussian import CholeskyGaussian
from jensen.errors import JensenError
from jensen.models.base import Conditional, bound_to
from jensen.models.conditions import Label, mask
from jensen.models.latent.conditional import ConditionalVAE, LabelledVAE
from jensen.nets.conditional import ConditionalEncoder

D, Z, C, S = 4, 2, 3, 0.7
LABELLED = Spec((1, 6, 6), "binary", levels=2, num_classes=C)


class Exact(nn.Module):
    """x ~ N(W z + V y, S^2 I), z ~ N(M y, I), with the true posterior."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.w, self.v, self.m = torch.randn(D, Z).double(), 2 * torch.randn(D, C).double(), torch.randn(Z, C).double()
        self.covariance = torch.linalg.inv(torch.eye(Z).double() + self.w.T @ self.w / S**2)

    def prior(self, y: Tensor) -> torch.distributions.Distribution:
        return diagonal_gaussian(y @ self.m.T, torch.ones(Z).double().expand(*y.shape[:-1], Z))

    def posterior(self, x: Tensor, y: Tensor) -> torch.distributions.Distribution:
        mean = (y @ self.m.T + (x - y @ self.v.T) @ self.w / S**2) @ self.covariance
        factor = torch.linalg.cholesky(self.covariance)
        return CholeskyGaussian(mean, factor.expand(*mean.shape[:-1], Z, Z))

    def likelihood(self, z: Tensor, y: Tensor) -> torch.distributions.Distribution:
        loc = z @ self.w.T + y @ self.v.T
        return diagonal_gaussian(loc, torch.full_like(loc, S))

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        covariance = self.w @ self.w.T + S**2 * torch.eye(D).double()
        return MultivariateNormal(y @ (self.w @ self.m + self.v).T, covariance).log_prob(x)


class Part(nn.Module):
    """A function of the exact model as a module, which a ConditionalVAE registers."""

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.function = function

    def forward(self, *arguments: Tensor) -> torch.distributions.Distribution:
        return self.function(*arguments)


def exact_model() -> tuple[Exact, LabelledVAE]:
    exact = Exact()
    parts = [Part(part) for part in (exact.prior, exact.posterior, exact.likelihood)]
    return exact, LabelledVAE(Label(C).double(), *parts)


def test_the_bound_given_y_is_log_p_of_x_given_y() -> None:
    exact, model = exact_model()
    y = torch.arange(C).repeat(4)
    x = model.given(y).sample(1)[0]
    indicators = torch.eye(C).double()[y]
    expected = exact.log_prob(x, indicators)
    assert isinstance(model, Conditional)
    bound = bound_to(model, Batch(x, y))
    # With the true posterior every weight is p(x | y), and every draw of the bound.
    assert torch.allclose(jensen.log_weights(bound, x, 5), expected.expand(5, -1), atol=1e-9)
    assert torch.allclose(jensen.elbo(bound, x, kl="monte carlo").elbo, expected, atol=1e-9)


def test_classes_by_bayes_rule() -> None:
    exact, model = exact_model()
    model.condition.initialize(torch.tensor([0, 0, 0, 1, 2, 2]))
    assert model.condition.probs.tolist() == pytest.approx([4 / 9, 2 / 9, 3 / 9])
    x = 3 * torch.randn(20, D).double()
    joint = torch.stack([exact.log_prob(x, torch.eye(C).double()[[y] * 20]) for y in range(C)], 1)
    joint += torch.tensor([4 / 9, 2 / 9, 3 / 9]).double().log()
    assert torch.allclose(jensen.class_log_probs(model, x, 2), joint.log_softmax(1), atol=1e-9)


def test_samples_have_the_mean_of_their_condition() -> None:
    exact, model = exact_model()
    torch.manual_seed(0)
    for label in range(C):
        x = model.given(torch.tensor(label)).sample(4000)
        mean = (exact.w @ exact.m + exact.v)[:, label]
        assert ((x.mean(0) - mean).abs() < 4 * x.std(0) / math.sqrt(len(x))).all()
    rows = model.given(torch.tensor([0, 2])).sample(7)
    assert rows.shape == (7, 2, D), "so many for each of two conditions"
    assert model.sample(5).shape == (5, D)


@pytest.mark.parametrize("prior", ["normal", "conditional", "flow"])
@pytest.mark.parametrize("posterior", ["diagonal", "full", "flow"])
def test_labels_against_rows_give_every_pair(prior: str, posterior: str) -> None:
    torch.manual_seed(0)
    model = jensen.create("cvae", LABELLED, prior=prior, posterior=posterior, latent_dim=2, hidden=(8,))
    x = torch.rand(5, 1, 6, 6).round()
    every = jensen.log_weights(model.given(torch.arange(C)[:, None]), x, 4)
    assert every.shape == (4, C, 5)
    terms = jensen.elbo(model.given(torch.arange(C)[:, None]), x)
    for label in range(C):
        own = jensen.elbo(model.given(torch.tensor(label)), x)
        if own.kl_method == "closed form":
            assert torch.allclose(terms.kl[label], own.kl, atol=1e-5)
    assert model.sample(4).shape == (4, 1, 6, 6)


@pytest.mark.parametrize("hidden", [(16,), (16, 8), ()])
def test_a_dense_encoder_sees_y_beside_x(hidden: tuple[int, ...]) -> None:
    net = ConditionalEncoder(Spec((5,), "real"), 3, 4, hidden=hidden, activation="tanh")
    first, *rest = net.net[-1]
    joined = nn.Linear(8, first.out_features)
    joined.weight.data = torch.cat([first.weight, net.of_y.weight], 1).data
    joined.bias.data = first.bias.data
    x, y = torch.randn(7, 5), torch.randn(7, 3)
    assert torch.allclose(net(x, y), nn.Sequential(joined, *rest)(torch.cat([x, y], 1)), atol=1e-6)


@pytest.mark.parametrize("kind", ["convolutional", "recurrent"])
def test_other_encoders_depend_on_x_and_y(kind: str) -> None:
    spec = Spec((3, 8, 8), "unit") if kind == "convolutional" else Spec((9, 2), "real")
    net = ConditionalEncoder(spec, 3, 4, net=kind, hidden=(6, 5))  # type: ignore[arg-type]
    x, y = torch.rand(7, *spec.event_shape, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    for gradient in torch.autograd.grad(net(x, y).square().sum(), [x, y]):
        assert (gradient.flatten(1).abs().sum(1) > 0).all()
    if kind == "convolutional":
        every = net(x, torch.eye(3)[:, None])
        assert every.shape == (3, 7, 4)
        assert torch.allclose(every[1], net(x, torch.eye(3)[[1] * 7]), atol=1e-6)


@pytest.mark.parametrize("part", ["quadrant", "half", "three-quadrants"])
def test_the_rest_given_a_part_sums_to_one(part: str) -> None:
    spec = Spec((1, 2, 3), "binary", levels=2)
    model = jensen.create("cvae", spec, given=part, latent_dim=2, hidden=(8,))
    assert isinstance(model, ConditionalVAE)
    assert not hasattr(model, "sample"), "nothing to draw before a part is given"
    is_given = mask(spec, part)
    y = torch.ones(int(is_given.sum()))
    bound = model.given(y)
    rest = list(itertools.product((0.0, 1.0), repeat=int((~is_given).sum())))
    x = torch.zeros(len(rest), *spec.event_shape)
    x[:, ~is_given] = torch.tensor(rest)
    log_p = bound.likelihood(torch.randn(2)).log_prob(x)
    assert float(log_p.detach().logsumexp(0)) == pytest.approx(0, abs=1e-5)
    drawn = bound.sample(20)
    assert (drawn[:, is_given] == 1).all(), "what is given stays"
    assert model.condition_of(Batch(drawn)).shape == (20, len(y))
    changed = x.clone()
    changed[:, is_given] = 1
    assert torch.equal(bound.likelihood(torch.zeros(2)).log_prob(changed), bound.likelihood(torch.zeros(2)).log_prob(x))


def test_convolutional_completion_has_the_same_shapes() -> None:
    model = jensen.create("cvae", LABELLED, given="half", latent_dim=2, net="convolutional", hidden=(4, 4))
    x = torch.rand(5, 1, 6, 6).round()
    bound = bound_to(model, Batch(x))
    assert jensen.elbo(bound, x).elbo.shape == (5,)
    assert bound.reconstruct(x).shape == x.shape


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"given": "vector"}, "condition=COLUMN"),
        ({"posterior": "relaxed-bernoulli"}, "posterior=diagonal"),
        ({"latent_dim": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(settings: dict[str, object], words: str) -> None:
    with pytest.raises(JensenError, match=words) as raised:
        jensen.create("cvae", LABELLED, **settings)
    assert "\n" not in str(raised.value)


def test_without_labels_it_is_refused() -> None:
    with pytest.raises(JensenError, match="labels"):
        jensen.create("fs-vae", Spec((3,), "real"))
    with pytest.raises(JensenError, match="image"):
        jensen.create("fs-vae", Spec((3,), "real", num_classes=2), given="half")
