"""The VQ-VAE: its bound, its losses, its codebook, and its prior over codes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import jensen
import jensen.evaluation.subset
from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.models.base import Clock, Turn, kind_of
from jensen.models.latent.code_prior import MaskedCodes
from jensen.models.latent.vq import VQVAE, Codebook, build
from jensen.objectives.elbo import elbo

CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
BITS = Spec((1, 3, 3), "binary")


def model_of(seed: int = 0, **settings: object) -> VQVAE:
    torch.manual_seed(seed)
    made = build(BITS, **{"num_codes": 3, "code_width": 2, "hidden": (4,), "prior_hidden": (16,), **settings})
    for parameter in made.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return made.double()


def turn_of(model: VQVAE, x: Tensor) -> Turn:
    (turn,) = model.turns(Batch(x), CLOCK)
    return turn


def every_map(num_codes: int, shape: tuple[int, int]) -> Tensor:
    places = shape[0] * shape[1]
    return torch.cartesian_prod(*[torch.arange(num_codes)] * places).view(-1, *shape)


def every_x() -> Tensor:
    return torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * 9).view(-1, 1, 3, 3)


def test_the_bound_is_below_log_p_of_x_by_enumeration_of_all_maps() -> None:
    model, x = model_of(), every_x()
    assert kind_of(model) == "bounded"
    codes = every_map(3, (2, 2))
    with torch.no_grad():
        joint = model.likelihood(codes[:, None]).log_prob(x) + model.prior().log_prob(codes)[:, None]
        log_prob = joint.logsumexp(0)
        bound = elbo(model, x).elbo
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert (bound < log_prob).all()
    place = (codes[:, None] == model.posterior(x).value).flatten(2).all(-1).double().argmax(0)
    torch.testing.assert_close(bound, joint[place, torch.arange(len(x))])


def test_training_logs_the_bound_that_evaluation_finds() -> None:
    model, x = model_of().eval(), every_x()[::37]
    turn = turn_of(model, x)
    torch.testing.assert_close(turn.terms["elbo"], elbo(model, x).elbo.mean().detach())
    distance = turn.terms["commitment"]
    torch.testing.assert_close(turn.loss.detach(), -turn.terms["elbo"] + model.commitment * distance)
    torch.testing.assert_close(turn.terms["bits_per_code"] * 4 * math.log(2), turn.terms["kl"])
    by_loss = model_of(codebook="loss").eval()
    turn = turn_of(by_loss, x)
    weight = by_loss.commitment + 1
    torch.testing.assert_close(turn.loss.detach(), -turn.terms["elbo"] + weight * turn.terms["commitment"])


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_a_batch_of_8_and_one_of_512_have_the_same_loss(codebook: str) -> None:
    x = every_x()[::60][:8]
    small, large = (turn_of(model_of(codebook=codebook), x.repeat(times, 1, 1, 1)) for times in (1, 64))
    assert small.loss.item() == pytest.approx(large.loss.item(), rel=1e-12)
    for name, term in small.terms.items():
        assert term.item() == pytest.approx(large.terms[name].item(), rel=1e-12), name


def test_gradients_pass_straight_through_and_no_further() -> None:
    model, x = model_of(codebook="loss", commitment=0.0), every_x()[::37]
    vectors = model.encoder(x).detach()
    codes = model.codebook.nearest(vectors)
    coded = model.codebook.vectors[codes].detach().requires_grad_()
    (at_codes,) = torch.autograd.grad(-model.decoder(coded).log_prob(x).mean(), coded)
    through = model.encoder(x)
    (wanted,) = torch.autograd.grad(through, model.encoder.stages[-1].weight, at_codes)
    turn = turn_of(model, x)
    weights = [model.encoder.stages[-1].weight, model.codebook.vectors]
    encoder, codebook = torch.autograd.grad(turn.loss, weights)
    torch.testing.assert_close(encoder, wanted)
    # |sg v - e_c|^2 alone moves the codebook: 2 (e_k - v), summed over the places that k codes, a mean over the batch.
    distance = model.codebook.vectors[codes].detach() - vectors
    expected = torch.zeros_like(codebook).index_add_(0, codes.flatten(), 2 * distance.flatten(0, -2) / len(x))
    torch.testing.assert_close(codebook, expected)


def test_running_means_find_the_centres_of_what_they_code() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    codebook = Codebook(3, 2, "ema", restart=False)
    codebook.initialize(centres + 0.5)
    for _ in range(800):
        vectors = centres.repeat(20, 1) + 0.1 * torch.randn(60, 2)
        codebook.follow(vectors, codebook.nearest(vectors))
    # The running mean of 20 points with scale 0.1 at decay 0.99 has standard error 0.1 / sqrt(20 * 199).
    found = codebook.vectors[codebook.nearest(centres)]
    torch.testing.assert_close(found, centres, atol=4 * 0.1 / math.sqrt(20 * 199), rtol=0)


@pytest.mark.parametrize("learning", ["ema", "loss"])
def test_a_dead_code_comes_back_where_the_data_are(learning: str) -> None:
    torch.manual_seed(0)
    codebook = Codebook(4, 2, learning)
    codebook.initialize(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [90.0, 90.0]]))
    far = codebook.vectors.detach().norm(dim=1).argmax()
    for _ in range(600):
        vectors = torch.rand(40, 2)
        codebook.follow(vectors, codebook.nearest(vectors))
    assert codebook.vectors[far].norm() < 2
    assert len(codebook.nearest(torch.rand(400, 2)).unique()) == 4


def test_the_prior_over_codes_is_a_distribution_in_raster_order() -> None:
    torch.manual_seed(0)
    net = MaskedCodes((2, 2), 3, 4, (16, 16)).double()
    for parameter in net.parameters():
        parameter.data.normal_()
    codes = every_map(3, (2, 2))
    assert net().log_prob(codes).exp().sum().item() == pytest.approx(1, abs=1e-9)
    base = net.conditionals(codes[:1]).logits
    for place in range(4):
        moved = codes[:1].clone()
        moved.view(-1)[place] = 2
        changed = (net.conditionals(moved).logits != base).flatten(0, 2).any(-1)
        assert not changed[: place + 1].any()
        assert changed[place + 1 :].all()
    shares = torch.bincount((net().sample((20_000,)).flatten(1) * torch.tensor([27, 9, 3, 1])).sum(1), minlength=81)
    chances = net().log_prob(codes).exp()
    error = (chances * (1 - chances) / 20_000).sqrt().clamp_min(1e-4)
    assert ((shares / 20_000 - chances).abs() < 5 * error).all()


def test_perplexity_is_that_of_the_codes_in_the_batch() -> None:
    model, x = model_of().eval(), every_x()[::37]
    shares = torch.bincount(model.posterior(x).value.flatten(), minlength=3).double()
    shares = shares[shares > 0] / shares.sum()
    expected = math.exp(-(shares * shares.log()).sum())
    assert turn_of(model, x).terms["perplexity"].item() == pytest.approx(expected)


def test_evaluation_needs_one_draw_and_has_no_error_over_draws() -> None:
    split = jensen.data.load("digits", binarize="dynamic")
    torch.manual_seed(0)
    model = jensen.create("vq-vae", split.spec, num_codes=8, hidden=(8,), prior_hidden=(16,))
    found = jensen.evaluate(model, split.test, 100)
    assert found["elbo"].mc_standard_error == 0
    assert found["kl"].kind == "exact"
    assert found["iwae_100"].value == pytest.approx(found["elbo"].value, rel=1e-6)
    assert found["elbo"].value == pytest.approx(found["reconstruction"].value - found["kl"].value, rel=1e-6)


def test_bad_input() -> None:
    digits = jensen.data.load("digits", binarize="dynamic", validation=250)
    model = build(digits.spec, num_codes=6000, hidden=(8, 8))
    with pytest.raises(JensenError, match=r"a codebook of 6,000 is larger than the 5,188 code vectors of the data"):
        jensen.fit(model, digits, steps=1)
    with pytest.raises(JensenError, match="num_codes must be at least 2, got 1"):
        build(BITS, num_codes=1)
    with pytest.raises(JensenError, match="commitment must be at least 0"):
        build(BITS, commitment=-1.0)
    with pytest.raises(JensenError, match="needs images"):
        build(Spec((5,), "real"))
    with pytest.raises(JensenError, match=r"annealing moves continuous latents"):
        jensen.evaluation.subset.evaluate_annealed(model, digits.test, 2)


def test_a_dense_map_takes_data_of_any_shape() -> None:
    torch.manual_seed(0)
    model = build(Spec((2,), "real"), net="dense", num_places=3, num_codes=5, hidden=(8,), prior_hidden=(16,))
    assert model.sample(4).shape == (4, 2)
    assert model.posterior(torch.randn(6, 2)).event_shape == (1, 3)
