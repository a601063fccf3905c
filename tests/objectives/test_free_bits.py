"""Free bits: KL that a dimension of z has for nothing."""

from __future__ import annotations

import pytest
import torch
from tests.linear_gaussian import linear_gaussian
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, StudentT

from jensen.data.spec import Batch
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn
from jensen.models.latent.priors import GaussianMixture
from jensen.models.latent.vae import VAE
from jensen.objectives import ELBO
from jensen.objectives.elbo import elbo, kl_terms

CLOCK = Clock(torch.tensor(0), torch.tensor(0.5))


class Codes(nn.Module):
    """q(z | x) = N(codes, 1) for each of the examples, whatever x is: KL_j = code_j^2 / 2 against N(0, 1)."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def forward(self, x: Tensor) -> Independent:
        return Independent(Normal(self.codes, 1.0), 1)


class Deaf(nn.Module):
    """p(x | z) that ignores z, but for a zero times it."""

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(0.0 * z, 1.0), 1)


def coded(codes: Tensor, prior: Distribution | None = None) -> VAE:
    zero = torch.zeros(codes.shape[1])
    return VAE(lambda: prior or Independent(Normal(zero, 1.0), 1), Codes(codes), Deaf())


def one_turn(model: VAE, objective: ELBO, x: Tensor) -> tuple[Turn, Tensor]:
    torch.manual_seed(0)
    (turn,) = objective.turns(model, Batch(x), CLOCK)
    assert isinstance(turn, Turn)
    (gradient,) = torch.autograd.grad(turn.loss, [model.posterior.codes])  # type: ignore[list-item]
    return turn, gradient


# KL of the first dimension .005 and .125, of the second 2 and .5, of the third 0.
CODES = torch.tensor([[0.1, 2.0, 0.0], [-0.5, 1.0, 0.0]])


def test_the_value_by_hand() -> None:
    x = torch.randn(2, 3)
    means = CODES.square().mean(0) / 2
    torch.testing.assert_close(means, torch.tensor([0.065, 1.25, 0.0]))
    for beta, free, penalty in ((1.0, 0.0, 1.315), (1.0, 0.1, 0.1 + 1.25 + 0.1), (3.0, 0.5, 0.5 + 1.25 + 0.5)):
        turn, _ = one_turn(coded(CODES), ELBO(beta=beta, free_bits=free), x)
        assert turn.loss.item() == pytest.approx(-turn.terms["reconstruction"].item() + beta * penalty, rel=1e-6)
        assert turn.terms["kl"].item() == pytest.approx(1.315, rel=1e-6), "what is logged has no free bits"
        assert turn.terms["elbo"] == turn.terms["reconstruction"] - turn.terms["kl"]


def test_a_dimension_below_its_free_bits_has_no_gradient_and_the_others_have_theirs() -> None:
    x = torch.randn(2, 3)
    _, without = one_turn(coded(CODES), ELBO(), x)
    _, gradient = one_turn(coded(CODES), ELBO(free_bits=0.1), x)
    assert without[:, 0].abs().min() > 0
    assert (gradient[:, 0] == 0).all()
    assert (gradient[:, 2] == 0).all()
    torch.testing.assert_close(gradient[:, 1], without[:, 1])
    _, all_free = one_turn(coded(CODES), ELBO(free_bits=5.0), x)
    assert (all_free == 0).all()


def test_without_shares_of_dimensions_the_bits_are_shared() -> None:
    x, full = torch.randn(2, 3), MultivariateNormal(torch.zeros(3), torch.eye(3))
    draws = 2000
    for free, expected in ((0.1, 1.315), (1.0, 3.0)):
        turn, gradient = one_turn(coded(CODES, full), ELBO(num_samples=draws, free_bits=free), x)
        # log q - log p = (z^2 - (z - m)^2) / 2 has standard deviation |m|, so the mean over 2 x draws of them this:
        error = (CODES.square().sum() / 4 / draws).sqrt().item()
        penalty = turn.loss.item() + turn.terms["reconstruction"].item()
        assert penalty == pytest.approx(expected, abs=4 * error if free < 1 else 1e-5)
        assert bool((gradient == 0).all()) == (free == 1.0)


def test_the_kl_of_each_dimension() -> None:
    scale = torch.tensor([0.5, 1.0, 2.0])
    q, p = Independent(Normal(CODES, scale), 1), Independent(Normal(torch.zeros(3), 1.0), 1)
    z = q.sample((20_000,))
    found, method, each = kl_terms(q, p, z)
    assert method == "closed form"
    assert each is not None
    torch.testing.assert_close(each, 0.5 * (scale.square() + CODES.square() - 1) - scale.log())
    torch.testing.assert_close(found, torch.distributions.kl_divergence(q, p))
    # By the same draws where torch knows no closed form for the pair, or is not asked.
    _, method, drawn = kl_terms(q, p, z, "monte carlo")
    assert method == "monte carlo"
    assert drawn is not None
    spread = (q.base_dist.log_prob(z) - p.base_dist.log_prob(z)).std(0) / len(z) ** 0.5
    assert ((drawn - each).abs() < 4 * spread + 1e-6).all()
    heavy = Independent(StudentT(5.0, torch.zeros(3)), 1)
    found, method, each = kl_terms(Independent(Normal(CODES, scale), 1), heavy, z)
    assert method == "monte carlo"
    assert each is not None
    torch.testing.assert_close(found, (q.log_prob(z) - heavy.log_prob(z)).mean(0), rtol=1e-4, atol=1e-4)


def test_what_does_not_factorise_has_no_share_of_a_dimension() -> None:
    q = Independent(Normal(CODES, 1.0), 1)
    z = q.sample((4,))
    assert kl_terms(q, GaussianMixture(3, num_components=4)(), z)[2] is None
    assert (
        kl_terms(MultivariateNormal(CODES, torch.eye(3)), MultivariateNormal(torch.zeros(3), torch.eye(3)), z)[2]
        is None
    )
    model, marginal = linear_gaussian(diagonal=True)
    terms = elbo(model, marginal.sample((5,)))
    assert terms.kl_per_dimension is not None
    torch.testing.assert_close(terms.kl_per_dimension.sum(-1), terms.kl)


@pytest.mark.parametrize("free_bits", [0.0, 0.3])
def test_a_loss_does_not_change_with_the_batch_size(free_bits: float) -> None:
    x = torch.randn(2, 3)
    once, _ = one_turn(coded(CODES), ELBO(free_bits=free_bits), x)
    twice, _ = one_turn(coded(CODES.repeat(2, 1)), ELBO(free_bits=free_bits), x.repeat(2, 1))
    kl = [turn.loss + turn.terms["reconstruction"] for turn in (once, twice)]
    torch.testing.assert_close(*kl)


def test_out_of_range() -> None:
    with pytest.raises(JensenError, match=r"free_bits must be at least 0 nats for each latent dimension, got -0\.1"):
        ELBO(free_bits=-0.1)
