"""parti: p(codes | caption), its bound, guidance, and drawing with keys and values kept."""

from __future__ import annotations

import inspect
import math
from types import MethodType
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import jensen
from jensen.data.captions import decoded, encoded
from jensen.data.spec import Batch, Spec
from jensen.errors import JensenError
from jensen.evaluation.likelihood import bounds
from jensen.models.autoregressive.base import Autoregressive
from jensen.models.base import Clock, bound_to, kind_of
from jensen.models.latent.caption_prior import CaptionedCodes, Guided
from jensen.models.latent.parti import Parti, build

BITS = Spec((1, 3, 3), "binary", caption_length=6)
CLOCK = Clock(torch.tensor(0), torch.tensor(0.0))
SMALL = {"num_codes": 3, "code_width": 2, "hidden": (4,), "width": 8, "encoder_depth": 1, "depth": 2, "heads": 2}
CAPTIONS = torch.from_numpy(encoded(["red", "green", "", "yellow"], 6))


def far_from_the_start(model: Any) -> Any:
    """In float64 and evaluation mode, its weights far from where they start."""
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.7 * torch.randn(parameter.shape, generator=generator)
    return model.double().eval()


def prior_of(map_shape: tuple[int, int] = (2, 2), num_codes: int = 3) -> CaptionedCodes:
    net = CaptionedCodes(map_shape, num_codes, 6, width=8, encoder_depth=2, depth=2, heads=2)
    return far_from_the_start(net)


def model_of(**settings: object) -> Parti:
    return far_from_the_start(inspect.unwrap(build)(BITS, **{**SMALL, **settings}))


def every_map() -> Tensor:
    return torch.cartesian_prod(*[torch.arange(3)] * 4).view(-1, 2, 2)


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_the_probabilities_of_all_maps_sum_to_one_given_any_caption(guidance: float) -> None:
    net = prior_of()
    net = Guided(net, guidance) if guidance else net
    tables = []
    for caption in CAPTIONS:
        tables.append(net.log_prob(every_map(), caption.expand(81, -1)))
        assert tables[-1].logsumexp(0).item() == pytest.approx(0.0, abs=1e-6)
    assert (tables[0] - tables[1]).abs().max() > 0.01
    assert (tables[0] - tables[2]).abs().max() > 0.01
    if not guidance:
        torch.testing.assert_close(tables[2], net.log_prob(every_map()))  # no caption is one of no bytes


def test_each_conditional_depends_on_the_codes_before_it_and_on_the_whole_caption() -> None:
    net = prior_of((2, 3), 4)
    units = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    read = torch.randn(1, 7, 8, dtype=torch.float64, requires_grad=True)
    there = torch.tensor([True] * 4 + [False] * 3)[None, None, None]
    outputs = net.network(units, net.network.read(read, there))[0]
    gradients = [torch.autograd.grad(one.square().sum(), (units, read), retain_graph=True) for one in outputs]
    of_codes = torch.stack([codes[0].abs().sum(-1) for codes, _ in gradients])
    allowed = torch.ones(6, 6).tril().bool()  # unit i is the code before i
    assert of_codes[~allowed].eq(0).all()
    assert of_codes[allowed].gt(0).all()
    of_caption = torch.stack([caption[0].abs().sum(-1) for _, caption in gradients])
    assert of_caption[:, :4].gt(0).all()
    assert of_caption[:, 4:].eq(0).all()


def test_a_caption_means_the_same_however_far_it_is_padded() -> None:
    short = prior_of()
    long = CaptionedCodes((2, 2), 3, 9, width=8, encoder_depth=2, depth=2, heads=2).double().eval()
    state = short.state_dict()
    places = state["network.read_places"]
    long.load_state_dict({**state, "network.read_places": torch.cat([places, torch.randn(3, 8)])})
    again = torch.from_numpy(encoded(decoded(CAPTIONS), 9))
    codes = every_map()[:4]
    torch.testing.assert_close(long.log_prob(codes, again), short.log_prob(codes, CAPTIONS))


@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_with_keys_and_values_kept_the_same_is_drawn(guidance: float) -> None:
    net: Any = prior_of((3, 3), 5)
    net = Guided(net, guidance) if guidance else net
    y = CAPTIONS.repeat(15, 1)
    torch.manual_seed(5)
    fast = net.sample(60, y=y)
    walk, pass_by_pass = net.walk(60, y), Autoregressive.walk(net, 60, y)
    logits = [next(walk).logits, next(pass_by_pass).logits]
    for i in range(8):
        torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-9)
        logits = [each.send(fast.flatten(1)[:, i]).logits for each in (walk, pass_by_pass)]
    torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-9)
    net.walk = MethodType(Autoregressive.walk, net)
    torch.manual_seed(5)
    assert net.sample(60, y=y).equal(fast)


def test_guided_conditionals_are_pushed_from_those_without_a_caption() -> None:
    net = prior_of()
    codes, y = every_map()[:4], CAPTIONS
    given, without = (net.conditionals(codes, caption).probs for caption in (y, None))
    pushed = given**3 / without**2
    pushed = pushed / pushed.sum(-1, keepdim=True)
    torch.testing.assert_close(Guided(net, 2.0).conditionals(codes, y).probs, pushed)
    torch.testing.assert_close(Guided(net, 0.0).conditionals(codes, y).probs, given)


def test_draws_of_a_caption_have_its_frequencies() -> None:
    model = model_of()
    torch.manual_seed(1)
    for guidance in (0.0, 1.0):
        prior = model.given("red", guidance).prior()
        draws = prior.sample((4000,)).flatten(1) @ torch.tensor([27, 9, 3, 1])
        expected = prior.log_prob(every_map()).exp().detach().numpy() * 4000
        likely = expected > 5  # as the test of chi-square wants
        counts = draws.bincount(minlength=81).numpy()
        counts, expected = ([*each[likely], each[~likely].sum() + 1e-9] for each in (counts, expected))
        assert stats.chisquare(counts, expected, sum_check=False).pvalue > 1e-4


def test_the_bound_is_below_log_p_of_x_given_its_caption() -> None:
    model = model_of()
    assert kind_of(model) == "bounded"
    x = torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * 9).view(-1, 1, 3, 3)[::37]
    y = CAPTIONS.repeat(4, 1)[: len(x)]
    of_x = bound_to(model, Batch(x, y))
    codes = every_map()[:, None].expand(-1, len(x), -1, -1)
    joint = of_x.likelihood(codes).log_prob(x) + of_x.prior().log_prob(codes)
    found = bounds(of_x, x, 3, (1, 3))
    assert (found.elbo.value < joint.logsumexp(0)).all()
    place = (codes == model.posterior(x).value).flatten(2).all(-1).double().argmax(0)
    torch.testing.assert_close(found.elbo.value, joint[place, torch.arange(len(x))].detach())
    (turn,) = model.turns(Batch(x, y), CLOCK)
    torch.testing.assert_close(turn.terms["elbo"], found.elbo.value.mean())


def test_training_leaves_captions_out_and_so_learns_to_do_without() -> None:
    model = model_of(caption_dropout=0.5)
    x, y = torch.ones(4000, 1, 3, 3, dtype=torch.float64), CAPTIONS[1].expand(4000, -1)
    model.train()
    left_out = (model.prior_of(Batch(x, y)).y == 0).all(1)
    assert left_out.double().mean().item() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 4000))
    model.eval()
    assert model.prior_of(Batch(x, y)).y.equal(y)


def test_shapes_of_draws() -> None:
    model = model_of()
    assert model.sample(5).shape == (5, 1, 3, 3)
    assert model.given("red").sample(5).shape == (5, 1, 3, 3)
    assert model.given(CAPTIONS, 2.0).sample_mean(5).shape == (5, 4, 1, 3, 3)
    assert model.given(CAPTIONS[:, :6]).reconstruct(torch.ones(4, 1, 3, 3).double()).shape == (4, 1, 3, 3)
    torch.testing.assert_close(
        model.given(CAPTIONS[0, :3]).prior().log_prob(every_map()), model.given("red").prior().log_prob(every_map())
    )


def test_bad_input() -> None:
    model = model_of()
    with pytest.raises(JensenError, match=r"a caption of 9 bytes, 'turquoise\.\.\.', and the model's have up to 6"):
        model.given("turquoise")
    with pytest.raises(JensenError, match=r"captions of up to 9 bytes, the model's have 6: shorten them"):
        model.given(torch.ones(2, 9, dtype=torch.int64))
    for guidance in (-1.0, math.nan, math.inf):
        with pytest.raises(JensenError, match="guidance must be a number from 0 up"):
            model.given("red", guidance)
    with pytest.raises(JensenError, match="given a caption, and these data have none"):
        model.condition_of(Batch(torch.ones(2, 1, 3, 3), torch.tensor([0, 1])))
    with pytest.raises(JensenError, match="parti needs images with captions, and these data have none"):
        jensen.create("parti", Spec((1, 3, 3), "binary", num_classes=2))
    with pytest.raises(JensenError, match="caption_dropout is a chance between 0 and 1"):
        model_of(caption_dropout=0.0)
    with pytest.raises(JensenError, match="width=8 cannot be shared by 3 heads"):
        model_of(heads=3)
    with pytest.raises(JensenError, match="holds a byte 0"):
        encoded(["a\0b"])
