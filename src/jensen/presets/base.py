"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Data, model, objective and training of one run: the keyword arguments of each, where they are not the default.

    `data` holds `source` (a named set or a path; none where --data has to name a file) and the options of
    `jensen.data.load`.
    """

    description: str
    data: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
