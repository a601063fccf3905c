"""What every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def jensen_data() -> Path:
    """The folder of real benchmark data; the test is skipped where there is none."""
    folder = os.environ.get("JENSEN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("JENSEN_DATA does not name a folder of benchmark data")
    return Path(folder)
