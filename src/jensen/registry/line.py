"""What the registry says of one model."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from jensen.errors import unknown

if TYPE_CHECKING:
    from torch import nn

    from jensen.objectives import Objective
    from jensen.presets.base import Preset


@dataclass(frozen=True)
class Entry:
    """One model: a graph, its default settings and its objective.

    `build` and `presets` are "module:attribute"; `defaults` and `objective_defaults` are what is set otherwise than in
    the builder and in the objective; the rest is what `jensen models --compare` shows.
    """

    name: str
    summary: str
    kind: str  # exact, bounded, implicit, reconstruction or classifier
    family: str
    source: str
    build: str
    presets: str
    objective: str
    prior: str = "-"
    kl: str = "-"
    samples: str = "-"
    defaults: dict[str, Any] = field(default_factory=dict)
    objective_defaults: dict[str, Any] = field(default_factory=dict)

    def builder(self) -> Callable[..., nn.Module]:
        """build(spec, **hyperparameters) -> model."""
        return _resolve(self.build)

    def all_presets(self) -> dict[str, Preset]:
        """The model's presets by name; one is called `tiny`."""
        return _resolve(self.presets)

    def preset(self, name: str) -> Preset:
        """One preset."""
        presets = self.all_presets()
        if name not in presets:
            raise unknown(f"preset of {self.name}", name, presets)
        return presets[name]

    def objective_settings(self) -> dict[str, tuple[Any, Any]]:
        """Each of the objective's settings: (type, default); none where the model brings its own way of training."""
        from jensen.objectives.base import OBJECTIVES

        if self.objective not in OBJECTIVES:
            return {}
        kind = OBJECTIVES[self.objective]
        hints = get_type_hints(kind)
        return {
            item.name: (hints[item.name], self.objective_defaults.get(item.name, item.default))
            for item in dataclasses.fields(kind)
        }

    def make_objective(self, **settings: Any) -> Objective | None:
        """The model's objective under these settings, None where the model brings its own way of training."""
        from jensen.objectives.base import OBJECTIVES, named_objective

        name = settings.pop("name", self.objective)
        if name not in OBJECTIVES:
            return None
        defaults = self.objective_defaults if name == self.objective else {}
        return named_objective(name, **{**defaults, **settings})

    def hyperparameters(self) -> dict[str, tuple[Any, Any]]:
        """Each of the builder's keyword arguments: (type, default)."""
        builder = self.builder()
        hints = get_type_hints(builder)
        return {
            name: (hints[name], self.defaults.get(name, parameter.default))
            for name, parameter in inspect.signature(builder).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }


def _resolve(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(importlib.import_module(module), attribute)
