"""Linear layers by oneDNN while nothing is differentiated: the same single precision, in less time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class OneDNNLinear(TorchFunctionMode):
    """A context in which single-precision `F.linear` on a CPU with AVX-512 is computed by oneDNN.

    torch sends such products to MKL, which keeps to AVX2 on processors that are not Intel's and reaches half of what
    they can do; oneDNN, which torch carries too, uses AVX-512 on all of them. Sums are taken in another order, nothing
    else differs. Where gradients are on, or oneDNN's operator is not there, `F.linear` stays what it is.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func(*args, **kwargs)`, linear layers by oneDNN."""
        if func is F.linear and not kwargs and not torch.is_grad_enabled() and _suits(args[0]):
            x, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _suits(x: torch.Tensor) -> bool:
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.numel() > 0
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and not torch.is_autocast_enabled("cpu")
    )
