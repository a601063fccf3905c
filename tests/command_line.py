"""The command line, called as its user calls it but in this process, for importing torch takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from jensen.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def jensen(line: str, *more: str | Path) -> Said:
    """Runs `jensen line more...` through the entry point of the package."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    arguments = ["jensen", *shlex.split(line), *map(str, more)]
    with patch.object(sys, "argv", arguments), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def done(line: str, *more: str | Path) -> str:
    """What a command that succeeds prints; it is quiet on standard error, which is no terminal."""
    said = jensen(line, *more)
    assert said.code == 0, said.err
    assert said.err == ""
    return said.out


def refusal(line: str, *more: str | Path) -> str:
    """The one line of a command that is refused with exit code 2."""
    said = jensen(line, *more)
    assert said.code == 2, f"exit code {said.code}: {said.out}{said.err}"
    assert said.out == ""
    assert said.err.startswith("jensen: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err.removeprefix("jensen: ").strip()


def contents(folder: Path) -> dict[str, str]:
    """Every file under a folder, hidden ones and empty folders too, by the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }
