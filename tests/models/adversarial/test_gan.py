from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from jensen.data.spec import Batch, Kind, Spec
from jensen.data.toy import density
from jensen.errors import JensenError
from jensen.models.adversarial.gan import GAN, build, minimax_loss, non_saturating_loss, value
from jensen.models.base import Clock, TakesTurns, kind_of
from jensen.models.latent.priors import StandardNormal
from jensen.presets.gan import PRESETS

PLANE = Spec((2,), "real")
START = Clock(torch.tensor(0), torch.tensor(0.0))

# Two distributions on five points, in twentieths: a batch of twenty points then has their expectations exactly.
P = torch.tensor([1, 2, 3, 4, 10])
Q = torch.tensor([6, 5, 4, 3, 2])
JENSEN_SHANNON = 0.5 * sum(
    (w * (2 * w / (p + q)).log()).sum().item()
    for p, q in [(P.double() / 20, Q.double() / 20)]
    for w in (p, q)
)  # fmt: skip


class Points(nn.Module):
    """Ignores z and returns the twenty points of Q, one-hot."""

    def forward(self, z: Tensor) -> Tensor:
        return one_hot(Q)


def one_hot(counts: Tensor) -> Tensor:
    return torch.eye(5, dtype=torch.float64).repeat_interleave(counts, 0)


def trained_table() -> GAN:
    """A GAN whose discriminator is a table of five logits, trained to convergence against a fixed generator."""
    table = nn.Sequential(nn.Linear(5, 1, bias=False, dtype=torch.float64), nn.Flatten(0))
    model = GAN(StandardNormal(1), Points(), table)
    optimizer = torch.optim.LBFGS(
        table.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        turn = next(model.turns(Batch(one_hot(P)), START))
        optimizer.zero_grad()
        turn.loss.backward(inputs=list(turn.parameters))
        return turn.loss.item()

    optimizer.step(closure)
    return model


def test_the_best_discriminator_on_a_finite_support_is_p_over_p_plus_q() -> None:
    d = trained_table().discriminator(torch.eye(5, dtype=torch.float64)).sigmoid()
    torch.testing.assert_close(d, (P / (P + Q)).double(), atol=1e-7, rtol=0)


def test_the_value_at_the_best_discriminator_is_jensen_shannon() -> None:
    model = trained_table()
    terms = next(model.turns(Batch(one_hot(P)), START)).terms
    assert terms["value"].item() == pytest.approx(2 * JENSEN_SHANNON - math.log(4), abs=1e-9)
    assert terms["jensen_shannon"].item() == pytest.approx(JENSEN_SHANNON, abs=1e-9)
    # D > 1/2 where p > q: at the last two points, which hold 14/20 of p and 5/20 of q.
    assert terms["accuracy"].item() == pytest.approx((14 / 20 + 15 / 20) / 2)


def test_the_value_is_below_jensen_shannon_for_any_other_discriminator() -> None:
    model = trained_table()
    table = model.discriminator[0].weight
    for _ in range(20):
        moved = table + torch.randn_like(table)
        v = value((one_hot(P) @ moved.T).flatten(), (one_hot(Q) @ moved.T).flatten())
        assert v < 2 * JENSEN_SHANNON - math.log(4) - 1e-3


@pytest.mark.parametrize(
    ("loss", "slope"),
    [(minimax_loss, lambda d: -d), (non_saturating_loss, lambda d: d - 1)],
)
def test_gradients_with_respect_to_the_logit(
    loss: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]
) -> None:
    logits = torch.linspace(-40, 40, 81, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(logits), logits)
    torch.testing.assert_close(81 * gradient, slope(logits.detach().sigmoid()), atol=1e-15, rtol=1e-12)


def test_losses_agree_with_their_formulas() -> None:
    real, fake = torch.randn(7, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    torch.testing.assert_close(value(real, fake), d_real.log().mean() + (1 - d_fake).log().mean())
    torch.testing.assert_close(minimax_loss(fake), (1 - d_fake).log().mean())
    torch.testing.assert_close(non_saturating_loss(fake), -d_fake.log().mean())


def test_the_generator_descends_the_loss_it_was_given() -> None:
    for name, loss in (("minimax", minimax_loss), ("non-saturating", non_saturating_loss)):
        model = build(PLANE, latent_dim=2, hidden=(8,), loss=name)
        with Twin():
            _, turn = model.turns(Batch(torch.randn(6, 2)), START)
        with Twin():
            torch.testing.assert_close(turn.loss, loss(model.discriminator(model.rsample(6))))


class Twin(TorchDispatchMode):
    """Draws of 2n rows are n rows twice over, from a generator of its own: a batch and its double see one noise."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        drawn = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            half = torch.randn(3, *drawn.shape[1:], generator=torch.Generator().manual_seed(1)).to(drawn.dtype)
            drawn.copy_(half.repeat(len(drawn) // 3, *[1] * (drawn.ndim - 1)))
        return drawn


def test_no_loss_depends_on_the_batch_size() -> None:
    model = build(PLANE, latent_dim=3, hidden=(16,)).double()
    x = torch.randn(3, 2, dtype=torch.float64)
    with Twin():
        once = list(model.turns(Batch(x), START))
        twice = list(model.turns(Batch(x.repeat(2, 1)), START))
    for a, b in zip(once, twice, strict=True):
        torch.testing.assert_close(a.loss, b.loss)
        torch.testing.assert_close(a.terms, b.terms)


@pytest.mark.parametrize("loss", ["non-saturating", "minimax"])
def test_a_turn_reaches_all_and_only_its_players_parameters(loss: Any) -> None:
    model = build(PLANE, latent_dim=3, hidden=(16, 16), loss=loss)
    players = {"discriminator": model.discriminator, "generator": model.generator}
    seen = []
    for turn in model.turns(Batch(torch.randn(10, 2)), START):
        model.zero_grad()
        turn.loss.backward(inputs=list(turn.parameters))
        own = set(players[turn.player].parameters())
        assert set(turn.parameters) == own
        for parameter in model.parameters():
            assert (parameter.grad is not None and bool(parameter.grad.any())) == (parameter in own)
        for term in turn.terms.values():
            assert term.shape == ()
            assert not term.requires_grad
        seen.append(turn.player)
    assert seen == ["discriminator", "generator"]
    assert set(model.parameters()) == {p for net in players.values() for p in net.parameters()}


def test_the_discriminators_turn_does_not_depend_on_the_generators_parameters() -> None:
    model = build(PLANE, latent_dim=3, hidden=(16,))
    turn = next(model.turns(Batch(torch.randn(10, 2)), START))
    gradients = torch.autograd.grad(turn.loss, list(model.generator.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_the_generator_meets_the_discriminator_that_has_moved() -> None:
    model = build(PLANE, latent_dim=3, hidden=(16,))
    turns = model.turns(Batch(torch.randn(10, 2)), START)
    next(turns)
    with torch.no_grad():
        for parameter in model.discriminator.parameters():
            parameter.zero_()
    assert next(turns).loss.item() == pytest.approx(math.log(2))  # -log D at D = 1/2


def test_the_generator_is_judged_on_fresh_samples() -> None:
    model = build(PLANE, latent_dim=3, hidden=(16,))
    seen: list[Tensor] = []
    model.generator.register_forward_hook(lambda module, args, output: seen.append(output))
    list(model.turns(Batch(torch.randn(10, 2)), START))
    assert len(seen) == 2
    assert not torch.equal(seen[0], seen[1])


def test_losses_are_float32_under_mixed_precision() -> None:
    model = build(PLANE, latent_dim=3, hidden=(16,))
    with torch.autocast("cpu", torch.bfloat16):
        turns = list(model.turns(Batch(torch.randn(10, 2)), START))
    figures = [figure for turn in turns for figure in (turn.loss, *turn.terms.values())]
    assert {figure.dtype for figure in figures} == {torch.float32}


def test_is_an_implicit_model_that_takes_turns() -> None:
    model = build(PLANE)
    assert kind_of(model) == "implicit"
    assert isinstance(model, TakesTurns)


@pytest.mark.parametrize(("kind", "event_shape"), [("unit", (1, 4, 4)), ("real", (3,)), ("real", (1,))])
def test_samples(kind: Kind, event_shape: tuple[int, ...]) -> None:
    model = build(Spec(event_shape, kind), latent_dim=3, hidden=(16,))
    x = model.sample(40)
    assert x.shape == (40, *event_shape)
    assert not x.requires_grad
    assert model.rsample(2).requires_grad
    assert model.discriminator(x).shape == (40,)
    if kind == "unit":
        assert 0 <= x.min() < x.max() <= 1


def test_temperature_scales_z() -> None:
    model = GAN(StandardNormal(2), nn.Identity(), nn.Flatten(0))
    torch.manual_seed(1)
    x = model.sample(5)
    torch.manual_seed(1)
    torch.testing.assert_close(model.sample(5, temperature=0.5), 0.5 * x)


@pytest.mark.parametrize("kind", ["binary", "8-bit", "categorical"])
def test_refuses_data_that_take_separate_values(kind: Kind) -> None:
    with pytest.raises(JensenError, match="needs real or unit data") as caught:
        build(Spec((4,), kind, levels=2))
    assert "\n" not in str(caught.value)


def test_refuses_an_unknown_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the suite's own checks would see it first
    unchecked: Any = "non_saturating"
    with pytest.raises(JensenError, match="did you mean 'non-saturating'"):
        GAN(nn.Identity(), nn.Identity(), nn.Identity(), unchecked)


def test_ring_covers_all_eight_modes() -> None:
    """The preset `ring` at half its steps; docs/models/gan.md says what whole runs reach."""
    preset = PRESETS["ring"]
    training = {**preset.training, "steps": preset.training["steps"] // 2}
    data = density("eight-gaussians").sample(10_000).float()
    model = build(PLANE, **preset.model)
    players = {"discriminator": model.discriminator, "generator": model.generator}
    rate, betas = training["learning_rate"], training["betas"]
    adam = {name: torch.optim.Adam(net.parameters(), rate, betas, fused=True) for name, net in players.items()}
    for step in range(training["steps"]):
        for optimizer in adam.values():
            optimizer.param_groups[0]["lr"] = rate * (1 - step / training["steps"])
        batch = Batch(data[torch.randint(len(data), (training["batch_size"],))])
        for turn in model.turns(batch, START):
            optimizer = adam[turn.player]
            optimizer.zero_grad()
            turn.loss.backward(inputs=list(turn.parameters))
            optimizer.step()

    angles = torch.arange(8) * math.pi / 4
    distance, mode = torch.cdist(model.sample(10_000), 2 * torch.stack([angles.cos(), angles.sin()], 1)).min(1)
    near = distance < 4 * 0.1
    assert near.float().mean() > 0.8
    assert mode[near].bincount(minlength=8).min() > 0.05 * 10_000
