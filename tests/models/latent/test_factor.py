from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.base import Clock, TakesTurns, Turn, kind_of
from jensen.models.latent.factor import FactorVAE, build, discriminator_loss, permuted, total_correlation
from jensen.nets import MLP
from jensen.objectives.elbo import elbo

BITS = Spec((1, 4, 4), "binary", 2)
START = Clock(torch.tensor(0), torch.tensor(0.0))


def small(gamma: float = 3.0) -> FactorVAE:
    torch.manual_seed(1)
    return build(BITS, gamma=gamma, latent_dim=3, hidden=(16,), discriminator_hidden=(16, 16)).double()


def bits(count: int = 10) -> Tensor:
    return torch.randint(0, 2, (count, 1, 4, 4)).double()


def turns_of(model: FactorVAE, x: Tensor, seed: int = 0) -> list[Turn]:
    torch.manual_seed(seed)
    return [turn for turn in model.turns(Batch(x), START) if isinstance(turn, Turn)]


def test_is_a_bounded_model_that_takes_turns() -> None:
    model = small()
    assert kind_of(model) == "bounded"
    assert isinstance(model, TakesTurns)


def test_the_discriminator_finds_the_total_correlation_of_gaussians() -> None:
    """TC of a Gaussian with correlations R is -1/2 log det R; bar: within a tenth."""
    correlations = torch.eye(4)
    for (i, j), r in {(0, 1): 0.8, (1, 2): -0.4, (2, 3): 0.5}.items():
        correlations[i, j] = correlations[j, i] = r
    exact = -0.5 * correlations.logdet().item()
    factor = torch.linalg.cholesky(correlations)
    net = nn.Sequential(MLP([4, 64, 64, 1], "leaky-relu"), nn.Flatten(0))
    steps = 1500
    adam = torch.optim.Adam(net.parameters(), 3e-3, fused=True)
    for step in range(steps):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
        z = torch.randn(512, 4) @ factor.T
        adam.zero_grad()
        discriminator_loss(net(z[0::2]), net(permuted(z[1::2]))).backward()
        adam.step()
    with torch.no_grad():
        found = total_correlation(net(torch.randn(200_000, 4) @ factor.T)).item()
    assert found == pytest.approx(exact, rel=0.1)


def test_the_best_discriminators_loss_is_log_two_less_jensen_shannon() -> None:
    # q = (3/4, 1/4), independent = (1/4, 3/4) on two points: D* = q / (q + independent), counted in fourths.
    at = torch.tensor([3.0, 1.0]).double()
    logit = (at / at.flip(0)).log()
    joint, independent = logit.repeat_interleave(at.long()), logit.repeat_interleave(at.long().flip(0))
    q = at / 4
    mean = (q + q.flip(0)) / 2
    shannon = (q * (q / mean).log()).sum().item()  # the same from both sides
    assert discriminator_loss(joint, independent).item() == pytest.approx(math.log(2) - shannon, abs=1e-12)
    assert total_correlation(joint).item() == pytest.approx((q * (q / q.flip(0)).log()).sum().item(), abs=1e-12)


def test_permuted_keeps_each_dimensions_values_and_breaks_their_company() -> None:
    z = torch.randn(2000, 1).expand(-1, 3).contiguous()
    found = permuted(z)
    assert torch.equal(found.sort(0).values, z.sort(0).values)
    # Correlations of 1 become those of independent rows, whose standard error is 1 / sqrt(2000).
    apart = found.T.corrcoef() - torch.eye(3)
    assert apart.abs().max() < 5 / math.sqrt(2000)


def test_each_turn_reaches_its_players_parameters_and_no_others() -> None:
    model = small()
    players = {
        "model": [p for name, p in model.named_parameters() if not name.startswith("discriminator.")],
        "discriminator": list(model.discriminator.parameters()),
    }
    first, second = turns_of(model, bits())
    assert [turn.player for turn in (first, second)] == ["model", "discriminator"]
    for turn in (first, second):
        assert set(turn.parameters) == set(players[turn.player])
    # The discriminator's loss knows nothing of the encoder, by construction and not by who is asked to move.
    gradients = torch.autograd.grad(second.loss, players["model"], allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_the_vae_descends_minus_elbo_plus_gamma_tc_and_nothing_else() -> None:
    model, x = small(gamma=7.0), bits(11)
    first = turns_of(model, x)[0]
    gradients = torch.autograd.grad(first.loss, list(first.parameters))
    # By other means on the same noise: z = mu + sigma eps, the bound's Monte Carlo part in closed form.
    torch.manual_seed(0)
    q_z = model.posterior(x)
    z = q_z.base_dist.loc + q_z.base_dist.scale * torch.randn_like(q_z.base_dist.loc)
    loc, scale = q_z.base_dist.loc, q_z.base_dist.scale
    kl = (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(1) / 2
    d = model.discriminator(z).sigmoid()
    whole = kl - model.likelihood(z).log_prob(x) + 7.0 * (d / (1 - d)).log()
    expected = torch.autograd.grad(whole.mean(), list(first.parameters))
    torch.testing.assert_close(first.loss, whole.mean())
    for found, right in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, right)


def test_without_gamma_it_is_a_vae_on_every_row() -> None:
    model, x = small(gamma=0.0), bits(9)
    first = turns_of(model, x)[0]
    torch.manual_seed(0)
    terms = elbo(model, x)
    torch.testing.assert_close(first.loss, -terms.elbo.mean())
    # Each row of x, of even and odd number, matters to the loss.
    grey = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(turns_of(model, grey)[0].loss, grey)
    assert (slope.flatten(1).abs().sum(1) > 0).all()


def test_what_is_logged_as_elbo_has_weight_one_and_no_tc() -> None:
    model, x = small(gamma=50.0), bits()
    first, second = turns_of(model, x)
    torch.manual_seed(0)
    terms = elbo(model, x)
    torch.testing.assert_close(first.terms["elbo"], terms.elbo.mean())
    torch.testing.assert_close(first.terms["reconstruction"] - first.terms["kl"], first.terms["elbo"])
    expected = first.terms["elbo"] - 50 * first.terms["total_correlation"]
    torch.testing.assert_close(-first.loss, expected)
    assert set(second.terms) == {"discriminator_loss", "accuracy"}
    for turn in (first, second):
        assert not any(term.requires_grad for term in turn.terms.values())


def test_a_discriminator_that_knows_nothing_costs_log_two_and_estimates_no_correlation() -> None:
    model = small()
    with torch.no_grad():
        for parameter in model.discriminator.parameters():
            parameter.zero_()
    first, second = turns_of(model, bits())
    assert first.terms["total_correlation"] == 0
    assert second.loss.item() == pytest.approx(math.log(2))


def test_the_discriminator_may_move_faster_and_more_often() -> None:
    spec = {"latent_dim": 3, "hidden": (16,), "discriminator_hidden": (16,)}
    model = build(BITS, discriminator_rate=4.0, discriminator_steps=3, **spec).double()
    turns = turns_of(model, bits())
    assert [(turn.player, turn.rate) for turn in turns] == [("model", 1.0), *[("discriminator", 4.0)] * 3]
    losses = [turn.loss.item() for turn in turns[1:]]
    assert len(set(losses)) == 3, "each on draws of its own"


def test_losses_are_float32_under_mixed_precision() -> None:
    model = small().float()
    with torch.autocast("cpu", torch.bfloat16):
        turns = list(model.turns(Batch(bits().float()), START))
    assert {figure.dtype for turn in turns for figure in (turn.loss, *turn.terms.values())} == {torch.float32}


def test_refusals_are_one_line() -> None:
    with pytest.raises(JensenError, match="latent_dim at least 2"):
        build(BITS, latent_dim=1)
    with pytest.raises(JensenError, match="gamma must be at least 0"):
        build(BITS, gamma=-1.0)
    for settings in ({"discriminator_rate": 0.0}, {"discriminator_steps": 0}):
        with pytest.raises(JensenError, match=next(iter(settings))):
            build(BITS, **settings)
    with pytest.raises(JensenError, match="batch_size"):
        turns_of(small(), bits(1))


def test_says_that_a_discriminator_has_won() -> None:
    model = small(gamma=7.0)
    said = model.warning({"accuracy": 0.999, "discriminator_loss": 0.005})
    assert said is not None
    assert said.endswith("raise gamma from 7")
    assert model.warning({"accuracy": 0.8, "discriminator_loss": 0.4}) is None
