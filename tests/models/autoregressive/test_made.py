from __future__ import annotations

import inspect
import math

import pytest
import torch

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.autoregressive.made import MADE, build
from jensen.nets.masked import MaskedByDegree

BITS = Spec((2, 5), "binary", levels=2)


def test_a_narrow_hidden_layer_leaves_gaps_that_direct_connections_close() -> None:
    def reaches(direct: bool) -> int:
        model = build(Spec((12,), "binary", levels=2), hidden=(4,), activation="elu", direct=direct).double()
        for parameter in model.parameters():
            parameter.data.normal_()
        features = torch.rand(1, 12, 1).double()
        jacobian = torch.autograd.functional.jacobian(lambda x: model.raw(x, None, 0)[0, :, 0], features)
        reached = jacobian[:, 0, :, 0]
        assert reached.triu().eq(0).all()
        return int(reached.ne(0).sum())

    assert reaches(direct=False) < reaches(direct=True) == 66


def test_masks_never_touch_the_weights() -> None:
    model = build(BITS, hidden=(32, 32), direct=True, ordering="random", num_orderings=2)
    layers = [layer for layer in model.modules() if isinstance(layer, MaskedByDegree)]
    before = [layer.weight.clone() for layer in layers]
    for _ in range(4):
        model.log_prob(model.sample(4))
    assert len(layers) == 4
    for layer, weight in zip(layers, before, strict=True):
        assert layer.weight.equal(weight)


def test_a_saved_model_keeps_its_orderings() -> None:
    model = build(BITS, hidden=(16,), ordering="random", num_orderings=2, ordering_seed=1).eval()
    other = build(BITS, hidden=(16,), ordering="random", num_orderings=2, ordering_seed=2).eval()
    x = model.sample(8)
    assert not other.order.equal(model.order)
    other.load_state_dict(model.state_dict())
    assert other.log_prob(x).equal(model.log_prob(x))


def test_a_step_of_training_sees_one_ordering() -> None:
    model = build(BITS, hidden=(16,), ordering="random", num_orderings=3)
    x = model.sample(5)
    each = [model.conditionals(x, None, k).log_prob(x).flatten(1).sum(1) for k in range(3)]
    seen = set()
    for _ in range(40):
        log_prob = model.log_prob(x)
        seen |= {k for k in range(3) if torch.allclose(log_prob, each[k])}
        assert any(torch.allclose(log_prob, of) for of in each)
    assert seen == {0, 1, 2}
    mean = torch.stack(each).logsumexp(0) - math.log(3)
    torch.testing.assert_close(model.eval().log_prob(x), mean)
    assert (torch.stack(each).mean(0) < mean).all()  # Jensen's inequality: on average less


def test_dropout_is_of_training_alone() -> None:
    model = build(BITS, hidden=(64,), dropout=0.5)
    x = model.sample(5)
    assert not model.log_prob(x).equal(model.log_prob(x))
    model.eval()
    assert model.log_prob(x).equal(model.log_prob(x))


def test_training_reaches_the_entropy_of_a_chain() -> None:
    # Bits that copy the one before them with probability 0.9: a rate that no model of independent bits reaches.
    dims, keep = 8, 0.9
    flips = torch.rand(4096, dims) > keep
    flips[:, 0] = torch.rand(4096) > 0.5
    x = (flips.long().cumsum(1) % 2).float()
    rate = math.log(2) - (dims - 1) * (keep * math.log(keep) + (1 - keep) * math.log(1 - keep))
    model = build(Spec((dims,), "binary", levels=2), hidden=(32,))
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.0}, r"dropout is a share of the units in \[0, 1\), got 1.0"),
        ({"hidden": (8, 0)}, r"width of at least 1, got \(8, 0\)"),
        ({"num_orderings": 4}, "num_orderings=4 needs ordering=random, got 'natural'"),
        ({"num_orderings": 0, "ordering": "random"}, "num_orderings=0"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(JensenError, match=message):
        inspect.unwrap(build)(BITS, **settings)  # past the test suite's type checks, as a user is


def test_the_default_is_a_made() -> None:
    assert isinstance(build(BITS), MADE)
