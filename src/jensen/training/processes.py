"""The processes that train together, each with its device and precision, by Lightning Fabric."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from jensen.training.config import Training


def launcher(training: Training) -> tuple[Fabric, Callable[..., Any] | None]:
    """Fabric for these settings, and how to start its processes: None where this process is (one of) them.

    Under torchrun the processes are there already; otherwise `devices` > 1 spawns them.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        fabric = Fabric(
            accelerator=_accelerator(training),
            strategy="ddp",
            devices=local,
            num_nodes=world // local,
            plugins=_precision(training),
        )
        fabric.launch()
        return fabric, None
    if training.devices == 1:
        return single_process(training), None
    fabric = Fabric(
        accelerator=_accelerator(training),
        strategy="ddp_spawn",
        devices=training.devices,
        plugins=_precision(training),
    )
    return fabric, fabric.launch


def single_process(training: Training) -> Fabric:
    """Fabric for this process alone: the device and the precision."""
    return Fabric(
        accelerator=_accelerator(training),
        devices=[torch.device(training.device).index or 0] if training.device.startswith("cuda") else 1,
        plugins=_precision(training),
    )


def _accelerator(training: Training) -> Literal["cuda", "cpu"]:
    return "cuda" if training.device.startswith("cuda") else "cpu"


def _precision(training: Training) -> list[Any]:
    # As a plug-in, because Fabric announces a precision given by name on the user's terminal.
    return [MixedPrecision("bf16-mixed", _accelerator(training))] if training.precision == "bf16" else []


def cuda_devices(device: torch.device) -> list[int]:
    """The GPUs whose random state a computation on `device` draws from, as `torch.random.fork_rng` takes them."""
    return [device.index or 0] if device.type == "cuda" else []
