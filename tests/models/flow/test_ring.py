"""The pieces of examples/ring.py."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import pytest
import torch

from jensen.data.toy import density


@pytest.fixture(scope="module")
def ring() -> ModuleType:
    path = Path(__file__).parents[3] / "examples" / "ring.py"
    spec = importlib.util.spec_from_file_location("ring", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_entropy_is_that_of_the_density(ring: ModuleType) -> None:
    log_p = density("ring").log_prob(density("ring").sample(200_000, seed=5))
    assert ring.entropy() == pytest.approx(-log_p.mean().item(), abs=4 * log_p.std().item() / math.sqrt(len(log_p)))


def test_the_entropy_follows_by_change_of_variables(ring: ModuleType) -> None:
    z = torch.randn(2000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    jacobian = torch.vmap(torch.func.jacrev(ring.push_forward))(z)
    log_det = jacobian.slogdet()[1]
    log_z = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    assert (log_z - log_det - density("ring").log_prob(ring.push_forward(z))).abs().max() < 1e-9
    found = 1 + math.log(2 * math.pi) + log_det.mean().item()
    assert ring.entropy() == pytest.approx(found, abs=4 * log_det.std().item() / math.sqrt(len(z)))


def test_the_cross_entropy_of_the_truth_is_the_entropy(ring: ModuleType) -> None:
    class Truth(torch.nn.Module):
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return density("ring").log_prob(x)

    x = density("ring").sample(20_000, seed=1)
    found, gap, error = ring.cross_entropy(Truth(), x)
    assert gap == pytest.approx(0, abs=1e-3)
    assert error < 1e-3
    assert found == pytest.approx(-density("ring").log_prob(x).mean().item(), abs=1e-3)
