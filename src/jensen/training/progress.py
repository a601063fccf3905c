"""What a person sees while a run trains: one bar with the figures that matter, and nothing where nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Progress:
    """A bar on standard error where that is a terminal; quiet elsewhere.

    Args:
        total: steps.
        done: steps made before this run.
        show: None asks the terminal.
        what: the verb before the bar.
    """

    def __init__(self, total: int, done: int = 0, show: bool | None = None, what: str = "fit") -> None:
        self._bar: Any = None
        if show or (show is None and sys.stderr.isatty()):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn(what),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}"),
                console=Console(stderr=True),
                transient=False,
            )
            self._task = self._bar.add_task(what, total=total, completed=done, figures="")

    def update(self, step: int, figures: dict[str, float], note: str = "") -> None:
        """Where the run stands: figures in nats, and what else is worth a word."""
        if self._bar is not None:
            text = "  ".join(f"{name} {value:.2f}" for name, value in figures.items() if name != "loss")
            nats = "" if not text or {"squared_error", "accuracy"} & figures.keys() else " nats"
            self._bar.update(self._task, completed=step, figures="  ".join(filter(None, (text + nats, note))))

    def say(self, line: str) -> None:
        """A line on standard error, above the bar where there is one."""
        if self._bar is None:
            print(line, file=sys.stderr)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
