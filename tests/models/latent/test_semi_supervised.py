"""M2 where its bounds are known, and what moves what."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent

import jensen
from jensen.data import Batch, Spec
from jensen.errors import JensenError
from jensen.evaluation.subset import evaluate_annealed
from jensen.models.base import Clock
from jensen.models.latent import posteriors, priors
from jensen.models.latent.m1_m2 import M1M2
from jensen.models.latent.semi_supervised import SemiSupervisedVAE

C, D = 3, 4
CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
SPEC = Spec((D,), "binary", levels=2, num_classes=C)


class Known(nn.Module):
    """Bits of known probability given y, whatever z."""

    def __init__(self) -> None:
        super().__init__()
        self.probs = nn.Parameter(torch.tensor([[0.9, 0.8, 0.1, 0.2], [0.2, 0.3, 0.7, 0.9], [0.5, 0.1, 0.6, 0.4]]))

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> Independent:
        probs = (y @ self.probs).expand(*torch.broadcast_shapes(z.shape[:-1], y.shape[:-1]), D)
        return Independent(Bernoulli(probs, validate_args=False), 1, validate_args=False)

    def log_joint(self, x: torch.Tensor) -> torch.Tensor:
        return Independent(Bernoulli(self.probs), 1).log_prob(x[:, None]) - math.log(C)


class Prior(nn.Module):
    """q(z | x, y) = p(z): z says nothing, and its KL is 0."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.distributions.Distribution:
        return posteriors.DiagonalGaussian(nn.Identity(), "exp-scale")(
            torch.zeros(*torch.broadcast_shapes(x.shape[:-1], y.shape[:-1]), 4)
        )


def known_model(classifier: nn.Module) -> SemiSupervisedVAE:
    return SemiSupervisedVAE(classifier, priors.StandardNormal(2), Prior(), Known(), C, 2)


def test_the_bounds_where_z_says_nothing() -> None:
    torch.manual_seed(0)
    classifier = nn.Linear(D, C)
    model = known_model(classifier)
    x, y = torch.rand(50, D).round(), torch.arange(50) % 4 - 1
    joint = model.p_x.log_joint(x)  # type: ignore[operator]
    assert torch.allclose(model.labelled_bounds(x), joint.T, atol=1e-5)
    # With q(y | x) = p(y | x) the bound is log p(x); with another it is short by their divergence.
    exact = joint.log_softmax(1)
    assert torch.allclose(model.bounds(x, None, exact), joint.logsumexp(1), atol=1e-5)
    log_q = model.classify(x)
    short = (log_q.exp() * (log_q - exact)).sum(1)
    bound = model.bounds(x, y, log_q)
    without = y < 0
    assert torch.allclose(bound[without], (joint.logsumexp(1) - short)[without], atol=1e-5)
    assert torch.allclose(bound[~without], joint.gather(1, y.clamp(min=0)[:, None])[:, 0][~without], atol=1e-5)


def test_as_a_model_of_x_it_is_bounded_by_the_same() -> None:
    torch.manual_seed(0)
    model = known_model(nn.Linear(D, C))
    x = torch.rand(20, D).round()
    with torch.no_grad():
        weights = jensen.log_weights(model, x, 4000).double()
        bound, log_p = model.bounds(x, None, model.classify(x)), model.p_x.log_joint(x).logsumexp(1)  # type: ignore[operator]
        assert ((weights.mean(0) - bound).abs() < 5 * weights.std(0) / math.sqrt(4000) + 1e-5).all()
        ratio = (weights - log_p).exp()
        assert ((ratio.mean(0) - 1).abs() < 5 * ratio.std(0) / math.sqrt(4000) + 1e-5).all()


def test_the_classifier_alone_moves_without_the_bounds() -> None:
    batch = Batch(torch.rand(6, D).round(), torch.tensor([0, 1, 2, -1, -1, -1]))
    alone = jensen.create("ss-vae", SPEC, gw=0.0, cw=1.0, latent_dim=2, hidden=(8,))
    (turn,) = alone.turns(batch, CLOCK)
    assert set(turn.parameters) == set(alone.classifier.parameters())
    expected = -alone.classify(batch.x)[range(3), range(3)].mean()
    assert float(turn.loss.detach()) == pytest.approx(float(expected.detach()))


def test_labelled_examples_beside_the_batch_are_classified() -> None:
    torch.manual_seed(0)
    model = jensen.create("ss-vae", SPEC, gw=0.0, cw=2.0, latent_dim=2, hidden=(8,))
    labelled = Batch(torch.rand(3, D).round(), torch.tensor([2, 0, 1]))
    batch = Batch(torch.rand(6, D).round(), torch.full((6,), -1), labelled)
    (turn,) = model.turns(batch, CLOCK)
    expected = -2 * model.classify(labelled.x)[range(3), [2, 0, 1]].mean()
    assert float(turn.loss.detach()) == pytest.approx(float(expected.detach()))


def test_m2_moves_nothing_of_m1() -> None:
    torch.manual_seed(0)
    model = jensen.create("m1-m2", SPEC, latent_dim=3, second_dim=2, hidden=(8,), second_hidden=(8,))
    assert isinstance(model, M1M2)
    batch = Batch(torch.rand(6, D).round(), torch.tensor([0, 1, 2, -1, -1, -1]))
    torch.manual_seed(1)
    (turn,) = model.turns(batch, CLOCK)
    whole = torch.autograd.grad(turn.loss, list(model.first.parameters()))
    torch.manual_seed(1)
    bound = jensen.elbo(model.first, batch.x)
    own = torch.autograd.grad(-bound.elbo.mean(), list(model.first.parameters()))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, own, strict=True))


def test_discrete_latents_are_not_annealed() -> None:
    split = jensen.data.load("digits", binarize="dynamic")
    model = jensen.create("ss-vae", split.spec, latent_dim=2, hidden=(8,))
    with pytest.raises(JensenError, match="labels among"):
        evaluate_annealed(model, split.test, 4)


def test_weights_and_labels_are_asked_for() -> None:
    with pytest.raises(JensenError, match="gw and cw"):
        jensen.create("ss-vae", SPEC, gw=0.0, cw=0.0)
    with pytest.raises(JensenError, match="labels"):
        jensen.create("m1-m2", Spec((D,), "binary", levels=2))
    model = jensen.create("ss-vae", SPEC, latent_dim=2, hidden=(8,))
    with pytest.raises(JensenError, match="labels"):
        next(model.turns(Batch(torch.zeros(2, D)), CLOCK))
