"""Linear layers by oneDNN while no weight is differentiated: the same single precision, in less time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode


class OneDNNLinear(TorchFunctionMode):
    """A context in which single-precision `F.linear` on a CPU with AVX-512 is computed by oneDNN.

    torch sends such products to MKL, which keeps to AVX2 on processors that are not Intel's and reaches half of what
    they can do; oneDNN, which torch carries too, uses AVX-512 on all of them. Sums are taken in another order, nothing
    else differs. Where gradients are on, or oneDNN's operator is not there, `F.linear` stays what it is.

    With `constant_weights` gradients may be on and flow to inputs, by oneDNN too; weights are held to be constants.
    """

    def __init__(self, constant_weights: bool = False) -> None:
        super().__init__()
        self.constant_weights = constant_weights

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func(*args, **kwargs)`, linear layers by oneDNN."""
        if func is F.linear and not kwargs and _suits(args[0]):
            x, weight, bias = (*args, None)[:3]
            if not torch.is_grad_enabled():
                return _linear(x, weight, bias)
            if self.constant_weights:
                return _OfInput.apply(x, weight, bias)
        return func(*args, **(kwargs or {}))


class _OfInput(torch.autograd.Function):
    """x W' + b as a function of x alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return _linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _linear(gradient, weight.t(), None), None, None


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _suits(x: torch.Tensor) -> bool:
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.numel() > 0
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and not torch.is_autocast_enabled("cpu")
    )
