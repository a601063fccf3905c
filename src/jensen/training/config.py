"""How a model is trained: every setting, with its default and what it means."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from jensen.data.spec import Spec
from jensen.errors import JensenError

Precision = Literal["auto", "32", "bf16"]
# What only gradient descent has a use for.
DESCENT = ("batch_size", "learning_rate", "betas", "eps", "weight_decay", "warmup", "schedule", "max_grad_norm")


@dataclass(frozen=True)
class Training:
    """Settings of one training run.

    steps: optimiser steps (iterations of EM for a mixture).
    batch_size: examples a step, over all processes together.
    learning_rate, betas, eps, weight_decay: Adam's (decay decoupled, as in AdamW, where it is not 0).
    warmup: fraction of the steps over which the rate rises linearly from 0.
    schedule: "constant", "linear" to 0 after the warm-up, or "burda": to a tenth in eight stages, each three times as
        long as the last (Burda, Grosse & Salakhutdinov 2016).
    max_grad_norm: gradients are scaled down to this norm, a player at a time; 0 leaves them.
    seed: the run is a function of it.
    device: "auto" is the GPU where there is one. devices: processes, each with a share of every batch.
    precision: "bf16" is mixed precision; "auto" takes it for images of up to 8 bits where the processor has it.
    compile: whether the step is compiled; "auto" compiles on a GPU.
    threads: CPU threads, 0 leaves torch's own choice.
    log_every, checkpoint_every, validate_every: in steps; 0 is never (a checkpoint is always written at the end).
    keep: which weights the run ends with: the "last", or the "best" on the validation data.
    tolerance: EM stops once the mean log-likelihood rises by less (nats per example).
    """

    steps: int = 10_000
    batch_size: int = 100
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup: float = 0.0
    schedule: Literal["constant", "linear", "burda"] = "constant"
    max_grad_norm: float = 0.0
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: Precision = "auto"
    compile: Literal["auto", "yes", "no"] = "auto"
    threads: int = 0
    log_every: int = 100
    checkpoint_every: int = 1000
    validate_every: int = 1000
    keep: Literal["last", "best"] = "last"
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "devices"):
            if getattr(self, name) < 1:
                raise JensenError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            "checkpoint_every",
            "validate_every",
            "max_grad_norm",
            "weight_decay",
            "threads",
            "tolerance",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise JensenError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.seed >= 2**62:
            raise JensenError(f"seed must be below 2**62, got {self.seed}")
        if not self.learning_rate > 0:
            raise JensenError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise JensenError(f"betas must be in [0, 1), got {self.betas}")
        if not 0 <= self.warmup < 1:
            raise JensenError(f"warmup is a fraction of the steps in [0, 1), got {self.warmup}")
        if self.keep == "best" and not self.validate_every:
            raise JensenError("keep=best needs validate_every of at least 1")

    def resolved(self, spec: Spec, model: torch.nn.Module) -> Training:
        """The settings with each "auto" replaced by a choice that depends on machine and data, never on a clock."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        check_device(device)
        precision = self.precision
        if precision == "auto":
            coarse = spec.kind in ("binary", "unit", "8-bit", "categorical")
            coarse = coarse and all(p.dtype == torch.float32 for p in model.parameters())
            precision = "bf16" if coarse and has_bf16(device) else "32"
        compiled = self.compile
        if compiled == "auto":
            compiled = "yes" if device.startswith("cuda") else "no"
        threads = self.threads or torch.get_num_threads()
        return replace(self, device=device, precision=precision, compile=compiled, threads=threads)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Training:
        """The inverse of `to_json`."""
        return cls(**{**values, "betas": tuple(values["betas"])})


def has_bf16(device: str) -> bool:
    """Whether matrix products in bfloat16 are done by the hardware."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and "avx512_bf16" in cpu_flags()


def cpu_flags() -> frozenset[str]:
    """The instruction sets that the processor names, where the system says."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("flags")]
    except OSError:
        return frozenset()
    return frozenset(lines[0].split(":", 1)[1].split()) if lines else frozenset()


def check_device(device: str) -> None:
    """Raises where the device does not exist."""
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise JensenError(f"unknown device '{device}': use cpu, cuda or cuda:0") from error
    if kind.type == "cuda":
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or (kind.index or 0) >= count:
            raise JensenError(f"device '{device}' is not there (torch sees {count} GPUs): use device=cpu")
    elif kind.type != "cpu":
        raise JensenError(f"device '{device}' is not supported: use cpu or cuda")
