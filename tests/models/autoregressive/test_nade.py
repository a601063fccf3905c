from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.autoregressive import nade
from jensen.models.autoregressive.nade import NADE, build

SPECS = [Spec((9,), "binary", levels=2), Spec((5,), "categorical", levels=4), Spec((4,), "real")]


def recorded(model: NADE, features: Tensor, start: Tensor) -> Tensor:
    """Equations (7) and (8) of Larochelle and Murray (2011), a step for each entry, recorded by autograd."""
    into, raw = start, {}
    for i in model.order.tolist():
        raw[i] = into.sigmoid() @ model.outward[i].T
        into = into + features[:, i] @ model.inward[i]
    return torch.stack([raw[i] for i in range(len(raw))], 1)


@pytest.mark.parametrize("block", [2**16, 18], ids=["one block", "three rows a block"])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_the_recurrence_and_its_gradient_are_autograd_s(
    spec: Spec, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nade, "_BLOCK", block)
    model = build(spec, hidden=6, ordering="random", num_components=2).double()
    features = torch.randn(7, spec.num_dims, model.head.num_features, dtype=torch.float64, requires_grad=True)
    start = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    inputs = [start, features, model.inward, model.outward]
    ours = nade._along(start, features.transpose(0, 1), model.inward, model.outward, model.order)
    theirs = recorded(model, features, start)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    direction = torch.randn_like(theirs)
    gradients = torch.autograd.grad((ours * direction).sum(), inputs)
    expected = torch.autograd.grad((theirs * direction).sum(), inputs)
    for gradient, of_autograd in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, of_autograd, rtol=1e-11, atol=1e-12)


def test_single_precision_loses_little_on_the_way_back() -> None:
    # Going backwards the hidden layer is found again by subtraction: 784 roundings.
    model = build(Spec((784,), "binary", levels=2), hidden=40)
    model.inward.data *= 10
    x = torch.bernoulli(torch.rand(20, 784))
    single = torch.autograd.grad(model.log_prob(x).mean(), list(model.parameters()))
    exact = torch.autograd.grad(model.double().log_prob(x.double()).mean(), list(model.parameters()))
    for gradient, of_double in zip(single, exact, strict=True):
        assert (gradient - of_double).norm() < 1e-4 * of_double.norm()


def test_what_is_kept_for_the_gradient_does_not_grow_with_entries_times_units() -> None:
    model = build(Spec((100,), "binary", levels=2), hidden=50)
    kept: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.log_prob(model.sample(32))
    assert max(tensor.numel() for tensor in kept) <= 100 * 50  # the weights; a cumulative sum keeps 100 x 32 x 50


def test_it_needs_a_hidden_unit() -> None:
    with pytest.raises(JensenError, match="hidden must be at least 1, got 0"):
        build(SPECS[0], hidden=0)
