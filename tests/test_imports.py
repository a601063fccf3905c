"""The rule of the house: imports point only left along the line that the data go, and importing jensen is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "jensen"

# A package may import itself and what stands before it. `inference` stands beside `objectives`; what the registry
# and the settings need of the packages they name, they import when asked.
LINE = [
    {"errors"},
    {"data"},
    {"nets", "distributions", "presets"},
    {"graphs"},
    {"models"},
    {"objectives", "inference"},
    {"registry"},
    {"training"},
    {"settings", "evaluation"},
    {"reporting"},
    {"cli", "__init__"},
]
PLACE = {package: place for place, packages in enumerate(LINE) for package in packages}
FILES = sorted(SOURCE.rglob("*.py"))


def package_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" if node.module == "jensen" else node.module for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("jensen.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_left(path: Path) -> None:
    here = package_of(path)
    for other in imported(path):
        assert other in PLACE, f"{other} has no place on the line"
        if here in ("__init__", "registry"):
            continue
        assert other == here or PLACE[other] < PLACE[here], f"{here} must not import {other}"


def test_every_package_has_a_place() -> None:
    assert {package_of(path) for path in FILES} <= PLACE.keys()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import jensen", ["torch"]),
        ("import jensen.cli", ["torch", "numpy"]),
        (
            "import jensen; jensen.fit, jensen.evaluate, jensen.data",
            ["polars", "sklearn", "matplotlib", "zuko", "scipy"],
        ),
    ],
)
def test_what_is_not_needed_is_not_imported(statement: str, absent: list[str]) -> None:
    code = f"import sys; {statement}; print([name for name in {absent} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_importing_changes_no_global_state() -> None:
    code = (
        "import torch; before = (torch.get_rng_state().sum(), torch.get_num_threads(), "
        "torch.get_default_dtype(), torch.distributions.Distribution._validate_args);"
        "import jensen; jensen.fit, jensen.evaluate, jensen.report, jensen.data, jensen.create;"
        "after = (torch.get_rng_state().sum(), torch.get_num_threads(), torch.get_default_dtype(), "
        "torch.distributions.Distribution._validate_args); print(before == after)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True"
