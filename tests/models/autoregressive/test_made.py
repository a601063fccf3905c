from __future__ import annotations

import inspect
import itertools
import math

import pytest
import torch
from scipy import stats

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.made import MADE, build
from jensen.nets.masked import MaskedLinear

BITS = Spec((2, 5), "binary")
DIGITS = Spec((4,), "categorical", levels=4)


def every(spec: Spec, levels: int, dtype: torch.dtype) -> torch.Tensor:
    """All of the support, in lexicographic order."""
    rows = list(itertools.product(range(levels), repeat=spec.num_dims))
    return torch.tensor(rows, dtype=dtype).view(-1, *spec.event_shape)


@pytest.mark.parametrize("ordering", ["natural", "random"])
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(("spec", "levels"), [(BITS, 2), (DIGITS, 4)])
def test_the_probabilities_of_the_whole_support_sum_to_one(
    spec: Spec, levels: int, direct: bool, ordering: str
) -> None:
    model = build(spec, hidden=(12, 9), direct=direct, ordering=ordering).double()
    x = every(spec, levels, torch.float64 if spec.kind == "binary" else torch.int64)
    total = model.log_prob(x).logsumexp(0)
    assert total.item() == pytest.approx(0.0, abs=1e-6)
    assert model.log_prob(x).std() > 0.01  # a uniform table would also sum to one


@pytest.mark.parametrize("ordering", ["natural", "random"])
@pytest.mark.parametrize("hidden", [(64,), (64, 32), ()])
@pytest.mark.parametrize(
    "spec", [Spec((2, 3, 2), "binary"), Spec((12,), "categorical", levels=3), Spec((3, 4), "8-bit", levels=256)]
)
def test_each_conditional_depends_on_exactly_what_comes_before_it(
    spec: Spec, hidden: tuple[int, ...], ordering: str
) -> None:
    model = build(spec, hidden=hidden, activation="elu", ordering=ordering, ordering_seed=3).double()
    dims = spec.num_dims
    x = torch.rand(1, *spec.event_shape, dtype=torch.float64, requires_grad=True)
    # The last level, since a Categorical's normalised logits sum to no useful gradient.
    logits = model.conditionals(x).logits.reshape(dims, -1)[:, -1]
    jacobian = torch.stack([torch.autograd.grad(out, x, retain_graph=True)[0].flatten() for out in logits])
    place = model.order.argsort()
    allowed = place[None, :] < place[:, None]
    assert allowed.sum() == dims * (dims - 1) // 2
    assert jacobian[~allowed].eq(0).all()
    assert jacobian[allowed].ne(0).all()


def test_a_narrow_hidden_layer_leaves_gaps_that_direct_connections_close() -> None:
    def reaches(direct: bool) -> int:
        model = build(Spec((12,), "binary"), hidden=(4,), activation="elu", direct=direct).double()
        jacobian = torch.autograd.functional.jacobian(
            lambda x: model.conditionals(x).logits[0], torch.rand(1, 12).double()
        )
        assert jacobian[:, 0].triu().eq(0).all()
        return int(jacobian.ne(0).sum())

    assert reaches(direct=False) < reaches(direct=True) == 66


@pytest.mark.parametrize(("spec", "levels"), [(Spec((5,), "binary"), 2), (Spec((1, 3), "categorical", levels=3), 3)])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_the_model_s_frequencies(spec: Spec, levels: int, temperature: float) -> None:
    model = build(spec, hidden=(16,), ordering="random", direct=True, ordering_seed=1)
    with torch.no_grad():  # far from uniform
        for parameter in model.parameters():
            parameter.mul_(3)
    draws = model.sample(20_000, temperature)
    assert draws.shape == (20_000, *spec.event_shape)
    assert draws.dtype == (torch.float32 if spec.kind == "binary" else torch.int64)
    assert not draws.requires_grad
    support = every(spec, levels, draws.dtype)
    conditionals = model.conditionals(support)
    tempered = type(conditionals)(logits=conditionals.logits / temperature)
    expected = tempered.log_prob(support).flatten(1).sum(1).exp().double()
    powers = levels ** torch.arange(spec.num_dims).flip(0)
    observed = (draws.flatten(1).long() @ powers).bincount(minlength=len(support))
    frequencies = expected / expected.sum() * len(draws)
    assert stats.chisquare(observed.numpy(), frequencies.detach().numpy()).pvalue > 1e-4
    # And the test would see the difference between the two temperatures.
    uniform = torch.full_like(frequencies, len(draws) / len(support)).detach().numpy()
    assert stats.chisquare(observed.numpy(), uniform).pvalue < 1e-4


def test_temperature_must_be_positive() -> None:
    with pytest.raises(JensenError, match=r"temperature must be above 0, got 0\.0"):
        build(BITS).sample(1, 0.0)


def test_masks_never_touch_the_weights() -> None:
    model = build(BITS, hidden=(32, 32), direct=True)
    layers = [layer for layer in model.modules() if isinstance(layer, MaskedLinear)]
    before = [layer.weight.clone() for layer in layers]
    for _ in range(3):
        model.log_prob(model.sample(4))
    assert len(layers) == 4
    for layer, weight in zip(layers, before, strict=True):
        assert not layer.mask.all()
        assert layer.weight.equal(weight)
        assert layer.weight.ne(0).all()


def test_a_saved_model_keeps_its_ordering() -> None:
    model = build(BITS, hidden=(16,), ordering="random", ordering_seed=1)
    other = build(BITS, hidden=(16,), ordering="random", ordering_seed=2)
    x = model.sample(8)
    assert not other.order.equal(model.order)
    other.load_state_dict(model.state_dict())
    assert other.log_prob(x).equal(model.log_prob(x))


def test_training_reaches_the_entropy_of_a_chain() -> None:
    # Bits that copy the one before them with probability 0.9: a rate that no model of independent bits reaches.
    dims, keep = 8, 0.9
    flips = torch.rand(4096, dims) > keep
    flips[:, 0] = torch.rand(4096) > 0.5
    x = (flips.long().cumsum(1) % 2).float()
    rate = math.log(2) - (dims - 1) * (keep * math.log(keep) + (1 - keep) * math.log(1 - keep))
    model = build(Spec((dims,), "binary"), hidden=(32,))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for step in range(150):
        loss = -model.log_prob(x[step % 8 :: 8]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    values = -model.log_prob(x).detach()
    assert losses[0] > 5.0
    # In sample: below the rate by about parameters / 2N, here 0.03 at most.
    assert abs(values.mean().item() - rate) < 5 * values.std().item() / math.sqrt(len(x)) + 0.03
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_likelihood_is_summed_in_full_precision_under_autocast() -> None:
    model = build(DIGITS, hidden=(16,))
    x = model.sample(64)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.log_prob(x)
    assert half.dtype == torch.float32
    assert (half - model.log_prob(x)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Spec((3,), "real"), "got kind 'real'"),
        (Spec((3,), "unit"), "got kind 'unit'"),
        (Spec((3,), "categorical"), "at least 2, got None"),
        (Spec((3,), "categorical", levels=1), "at least 2, got 1"),
    ],
)
def test_data_of_another_kind_is_refused_in_one_line(spec: Spec, message: str) -> None:
    with pytest.raises(JensenError, match=message) as error:
        build(spec)
    assert "\n" not in str(error.value)


def test_an_unknown_ordering_is_answered_with_the_nearest_that_exists() -> None:
    # Past the test suite's type checks, as a user is.
    with pytest.raises(JensenError, match="did you mean 'natural'"):
        inspect.unwrap(build)(BITS, ordering="naturel")


def test_a_batch_of_another_shape_is_refused() -> None:
    with pytest.raises(JensenError, match=r"expected .* shape \(2, 5\) each, got .* shape \(3, 10\)"):
        build(BITS).log_prob(torch.zeros(3, 10))


def test_one_entry_is_a_table_of_one_number() -> None:
    model = build(Spec((1,), "binary"), hidden=(4,))
    assert isinstance(model, MADE)
    assert model.log_prob(torch.tensor([[0.0], [1.0]])).exp().sum().item() == pytest.approx(1.0, abs=1e-6)
