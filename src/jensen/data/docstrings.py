"""A text that every Python has with it: the docstrings of its standard library."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jensen.data.download import cache
from jensen.data.raw import Raw

_NAME = "python-docstrings"
# Bytes of training, validation and test, of Python 3.11.
SIZES = (1_478_110, 122_737, 204_116)
# Not of the library: what tests it, and what others have installed beside it.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages"}
# One file in twelve is held out for validation, another for the test.
_SHARE = 12


def python_docstrings(seed: int) -> Raw:
    """The docstrings of each file of the standard library, indentation cleaned, in the order in which they stand.

    Which part a file is of depends on its name alone: on the sha256 of its path, modulo 12. The text is that of the
    Python that runs; it is read once and then kept in the cache.
    """
    kept = cache() / f"{_NAME}-{platform.python_implementation().lower()}-{platform.python_version()}.json"
    if kept.exists():
        documents = json.loads(kept.read_text())
    else:
        documents = dict(_documents(Path(sysconfig.get_path("stdlib"))))
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{id(documents)}")
        partial.write_text(json.dumps(documents))
        partial.replace(kept)
    parts: list[list[bytes]] = [[], [], []]
    for name, text in documents.items():
        parts[{0: 1, 1: 2}.get(int(hashlib.sha256(name.encode()).hexdigest(), 16) % _SHARE, 0)].append(text.encode())
    ends = np.cumsum([len(text) for part in parts for text in part])
    train, validation, test = np.split(
        np.arange(ends[-1]), np.cumsum([sum(len(text) for text in part) for part in parts])[:2]
    )
    stream = np.frombuffer(b"".join(text for part in parts for text in part), dtype=np.uint8)
    return Raw(stream[:, None], _NAME, form="levels", top=255, parts=(train, validation, test), ends=ends)


def _documents(root: Path) -> Iterator[tuple[str, str]]:
    """(path, docstrings) of each file that has any, in the order of the paths."""
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        place = path.relative_to(root)
        if _LEFT_OUT & set(place.parts):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                module = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # some are there to be wrong
            continue
        text = "\n\n".join(_docstrings(module))
        if text:
            yield place.as_posix(), text + "\n\n"


def _docstrings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        found = ast.get_docstring(node)
        if found:
            yield found.encode(errors="replace").decode()
    for below in ast.iter_child_nodes(node):
        if isinstance(below, ast.stmt | ast.ExceptHandler):  # no definition is inside an expression
            yield from _docstrings(below)
