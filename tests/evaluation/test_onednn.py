from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from jensen.evaluation.onednn import OneDNNLinear


class Called(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("shape", [(7, 30), (3, 5, 30), (30,), (1, 30), (0, 30)])
@pytest.mark.parametrize("bias", [True, False])
def test_gives_the_same_products(shape: tuple[int, ...], bias: bool) -> None:
    x, weight = torch.randn(shape), torch.randn(20, 30)
    b = torch.randn(20) if bias else None
    with torch.no_grad(), OneDNNLinear():
        found = F.linear(x, weight, b)
    exact = F.linear(x.double(), weight.double(), None if b is None else b.double())
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_takes_transposed_operands() -> None:
    x, weight = torch.randn(30, 7).t(), torch.randn(30, 20).t()
    with torch.no_grad(), OneDNNLinear():
        found = F.linear(x, weight)
    torch.testing.assert_close(found, x @ weight.t(), rtol=1e-5, atol=1e-5)


def test_leaves_gradients_and_double_precision_to_torch() -> None:
    x, weight = torch.randn(7, 30), torch.randn(20, 30, requires_grad=True)
    with Called() as called, OneDNNLinear():
        (gradient,) = torch.autograd.grad(F.linear(x, weight).sum(), weight)
        with torch.no_grad():
            double = F.linear(x.double(), weight.double())
    assert not any("mkldnn" in name for name in called.names)
    assert double.dtype == torch.float64
    torch.testing.assert_close(gradient, x.sum(0).expand(20, 30))


@pytest.mark.parametrize("shape", [(7, 30), (3, 5, 30)])
@pytest.mark.parametrize("bias", [True, False])
def test_constant_weights_let_gradients_through_to_the_input(shape: tuple[int, ...], bias: bool) -> None:
    x, weight = torch.randn(shape, requires_grad=True), torch.randn(20, 30, requires_grad=True)
    b = torch.randn(20) if bias else None
    with OneDNNLinear(constant_weights=True):
        found = F.linear(x, weight, b)
    slope = torch.randn_like(found)
    (gradient,) = torch.autograd.grad(found, x, slope)
    torch.testing.assert_close(found, F.linear(x, weight, b), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, slope @ weight, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX512"), reason="the processor has no AVX-512"
)
def test_is_used_where_it_suits() -> None:
    with torch.no_grad(), Called() as called, OneDNNLinear():
        torch.nn.Linear(30, 20)(torch.randn(7, 30))
    assert any("mkldnn" in name for name in called.names)
