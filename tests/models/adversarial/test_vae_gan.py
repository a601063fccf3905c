"""VAE/GAN: who moves by what, with both adversarial signs, against gradients derived by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import logsigmoid

import jensen
from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.adversarial.vae_gan import VAEGAN, Discriminator, build
from jensen.models.base import Clock, Reconstructing, TakesTurns, Turn, kind_of
from jensen.models.latent.priors import StandardNormal
from jensen.objectives.base import OwnTurns
from jensen.presets.vae_gan import PRESETS
from jensen.training import Training
from jensen.training.engine import GradientEngine

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
GREY = Spec((1, 8, 8), "unit")
A, S, W, U, V = 0.6, 0.5, 1.7, 0.8, -1.3  # of encoder, decoder and discriminator below


class Times(nn.Module):
    """x -> k x."""

    def __init__(self, k: float) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(k, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.k * x


class Posterior(Times):
    """q(z | x) = N(a x, s^2), s fixed."""

    def forward(self, x: Tensor) -> Independent:
        return Independent(Normal(self.k * x, torch.tensor(S, dtype=torch.float64)), 1)


def line(gamma: float = 0.3) -> VAEGAN:
    """z = a x + s e, G(z) = w z, f(x) = u x, and the logit v f(x), all of one number."""
    prior = StandardNormal(1).double()
    return VAEGAN(prior, Posterior(A), Times(W), Discriminator(Times(U), Times(V)), gamma)


def game(model: VAEGAN, x: Tensor, seed: int = 3) -> dict[str, Turn]:
    torch.manual_seed(seed)
    (together,) = model.turns(Batch(x), CLOCK)
    return {turn.player: turn for turn in together}


def draws(x: Tensor, seed: int = 3) -> tuple[Tensor, Tensor]:
    """The noise of q and of p(z) that `game` sees."""
    torch.manual_seed(seed)
    return torch.randn_like(x), torch.randn_like(x)


def sigmoid(a: Tensor) -> Tensor:
    return 1 / (1 + (-a).exp())


@pytest.mark.parametrize("gamma", [0.0, 0.3, 5.0])
def test_gradients_are_those_derived_by_hand(gamma: float) -> None:
    model, x = line(gamma), torch.randn(7, 1, dtype=torch.float64) + 1
    turns = game(model, x)
    e, z_p = draws(x)
    z = A * x + S * e
    again, drawn = W * z, W * z_p
    gap = (x - again) / x.var(correction=0)  # so that R = (x - again) gap / 2, whatever u is
    by_hand = {
        # d KL / da = a x^2;  dR / da = -gap w x.
        "encoder": [(A * x**2 - gap * W * x).mean()],
        # gamma dR / dw = -gamma gap z;  d(-log D) / dw = -(1 - D) v u z, at reconstructions and at samples.
        "decoder": [
            (
                -gamma * gap * z
                - (1 - sigmoid(U * V * again)) * U * V * z
                - (1 - sigmoid(U * V * drawn)) * U * V * z_p
            ).mean()
        ],
        # dV: (1 - D) da at data, -D da at the others; the discriminator descends -V.
        "discriminator": [
            -other
            * (
                (1 - sigmoid(U * V * x)) * x
                - sigmoid(U * V * again) * again
                - sigmoid(U * V * drawn) * drawn
            ).mean()
            for other in (V, U)
        ],
    }  # fmt: skip
    for player, expected in by_hand.items():
        turn = turns[player]
        found = torch.autograd.grad(turn.loss, list(turn.parameters), retain_graph=True)
        torch.testing.assert_close(torch.stack(found), torch.stack(expected), rtol=1e-6, atol=1e-7)


def test_no_player_has_a_gradient_but_its_own() -> None:
    model = build(GREY, latent_dim=3, hidden=(16, 16))
    players = {"encoder": model.posterior, "decoder": model.decoder, "discriminator": model.discriminator}
    turns = game(model, torch.rand(10, 1, 8, 8))
    assert set(turns) == set(players)
    reached: list[nn.Parameter] = []
    for name, turn in turns.items():
        assert set(turn.parameters) == set(players[name].parameters())
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)
        reached += turn.parameters
    assert len(reached) == len(set(reached)) == len(list(model.parameters()))


def test_a_step_of_training_moves_each_player_down_its_own_loss_and_no_other() -> None:
    """Had the decoder's gradient the discriminator's in it, as summed backward passes have it, it would move up."""
    model, x = line(gamma=0.0), torch.randn(64, 1, dtype=torch.float64) + 1
    split = jensen.data.load(x.numpy(), validation=0, test=0)
    settings = Training(steps=1, batch_size=64, learning_rate=1e-3, device="cpu", precision="32", compile="no")
    engine = GradientEngine(model, split.train.to(dtype=torch.float64), OwnTurns(), settings)
    seen = split.train.to(dtype=torch.float64).batch(engine.order(0)).x
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    gradients = {}
    for turn in game(model, seen).values():
        found = torch.autograd.grad(turn.loss, list(turn.parameters), retain_graph=True)
        gradients |= dict(zip(map(id, turn.parameters), found, strict=True))
    torch.manual_seed(3)
    engine.step(0)
    for name, parameter in model.named_parameters():
        # Adam's first step is one learning rate against the sign of the gradient.
        moved = (parameter - before[name]).item()
        assert moved == pytest.approx(-1e-3 * math.copysign(1, gradients[id(parameter)].item()), rel=1e-3)


def test_the_decoder_raises_d_at_what_it_makes_and_the_discriminator_raises_v() -> None:
    x = torch.randn(50, 1, dtype=torch.float64) + 1
    model = line(gamma=0.0)
    turns = game(model, x)
    for player in ("decoder", "discriminator"):
        moved = line(gamma=0.0)
        turn = game(moved, x)[player]
        gradients = torch.autograd.grad(turn.loss, list(turn.parameters))
        with torch.no_grad():
            for parameter, gradient in zip(turn.parameters, gradients, strict=True):
                parameter -= 1e-3 * gradient
        after = game(moved, x)
        assert after[player].loss < turn.loss
        if player == "decoder":
            assert after["decoder"].terms["decoder_adversarial"] < turns["decoder"].terms["decoder_adversarial"]
        else:
            assert after["discriminator"].terms["value"] > turns["discriminator"].terms["value"]


def test_losses_and_figures_are_their_formulas() -> None:
    model, x = (
        build(GREY, latent_dim=3, hidden=(16, 12), gamma=0.7, feature_scale=3.0).double(),
        torch.rand(5, 1, 8, 8).double(),
    )
    turns = game(model, x)
    torch.manual_seed(3)
    q_z, p_z = model.posterior(x), model.prior()
    again = model.decoder(q_z.rsample())
    drawn = model.decoder(p_z.sample((5,)))
    features = model.discriminator.below(x)
    error = (features - model.discriminator.below(again)).square().sum(1).mean() / 2
    error = error / (9 * (features - features.mean(0)).square().mean())
    kl = kl_divergence(q_z, p_z).mean()
    a, b, c = (model.discriminator(one)[1] for one in (x, again, drawn))
    v = logsigmoid(a).mean() + (1 - b.sigmoid()).log().mean() + (1 - c.sigmoid()).log().mean()
    torch.testing.assert_close(turns["encoder"].loss, kl + error, rtol=1e-5, atol=0)
    torch.testing.assert_close(turns["discriminator"].loss, -v)
    deceiving = -b.sigmoid().log().mean() - c.sigmoid().log().mean()
    torch.testing.assert_close(turns["decoder"].loss, 0.7 * error + deceiving, rtol=1e-5, atol=0)
    torch.testing.assert_close(turns["encoder"].terms["feature_error"], error, rtol=1e-5, atol=0)
    torch.testing.assert_close(turns["discriminator"].terms["value"], v)


@pytest.mark.parametrize(("net", "hidden", "width"), [("dense", (20, 16), 20), ("convolutional", (4, 8), 8 * 2 * 2)])
def test_features_are_a_middle_layer_of_the_discriminator(net: Any, hidden: tuple[int, ...], width: int) -> None:
    model = build(GREY, latent_dim=3, net=net, hidden=hidden)
    features, logits = model.discriminator(torch.rand(6, 1, 8, 8))
    assert features.shape == (6, width)
    assert logits.shape == (6,)
    torch.testing.assert_close(model.discriminator.above(features)[:, 0], logits)
    assert len([m for m in model.discriminator.above.modules() if isinstance(m, nn.Linear)]) == 2
    assert model.sample(4).shape == (4, 1, 8, 8)


def test_codes_reconstructs_and_samples_and_has_no_density() -> None:
    model, x = build(GREY, latent_dim=3, hidden=(16,)), torch.rand(6, 1, 8, 8)
    assert kind_of(model) == "implicit"
    assert isinstance(model, TakesTurns)
    assert isinstance(model, Reconstructing)
    assert model.encode(x).shape == (6, 3)
    errors = model.reconstruction_errors(x)
    torch.testing.assert_close(errors["squared_error"], (x - model.reconstruct(x)).square().sum((1, 2, 3)))
    assert 0 <= model.sample(50).min() < model.sample(50).max() <= 1


def test_evaluation_has_reconstruction_errors_beside_the_kernel_test() -> None:
    split = jensen.data.load("digits")
    model = build(GREY, latent_dim=3, hidden=(16,))
    found = jensen.evaluate(model, split.test)
    assert [metric.name for metric in found.metrics] == ["mmd2", "mmd2_p_value", "squared_error"]
    expected = model.reconstruction_errors(split.test.all().x)["squared_error"].double()
    assert found["squared_error"].value == pytest.approx(expected.mean().item(), rel=1e-5)
    assert found["squared_error"].standard_error is not None
    assert found.measure == "none: the model has no density"
    refused = jensen.evaluation.compare({"run": found}).refused["run"]
    assert "has no density" in refused


def test_training_brings_reconstructions_nearer() -> None:
    split = jensen.data.load("digits")
    torch.manual_seed(0)
    model = jensen.create("vae-gan", split.spec, **PRESETS["tiny"].model)
    mean = split.train.all().x.mean(0)
    jensen.fit(model, split, threads=1, **PRESETS["tiny"].training)
    found = jensen.evaluate(model, split.test)["squared_error"]
    at_the_mean = (split.test.all().x - mean).square().flatten(1).sum(1).mean().item()
    assert found.standard_error is not None
    assert found.value < at_the_mean - 4 * found.standard_error


def test_a_discriminator_that_has_won_is_told_of() -> None:
    model = build(GREY, discriminator_rate=2.0)
    assert model.warning({"accuracy": 0.8, "value": -1.2}) is None
    assert "lower discriminator_rate from 2" in (model.warning({"accuracy": 0.999, "value": -0.01}) or "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": ()}, "hidden needs at least one layer"),
        ({"gamma": -1.0}, "gamma must be at least 0"),
        ({"feature_scale": 0.0}, "feature_scale must be above 0"),
        ({"discriminator_rate": 0.0}, "discriminator_rate must be above 0"),
    ],
)
def test_refuses_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        build(GREY, **settings)
    with pytest.raises(JensenError, match="needs real or unit data"):
        build(Spec((4,), "binary", levels=2))


def test_losses_are_float32_under_mixed_precision() -> None:
    model = build(GREY, latent_dim=3, hidden=(16,))
    with torch.autocast("cpu", torch.bfloat16):
        turns = game(model, torch.rand(6, 1, 8, 8))
    assert {turn.loss.dtype for turn in turns.values()} == {torch.float32}
