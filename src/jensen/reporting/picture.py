"""A figure with what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure with what is said of it. `name` is its file's, without the suffix; `section` the page's."""

    name: str
    section: str
    caption: str
    figure: Figure
