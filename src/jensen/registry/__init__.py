"""The one list of models: a name, where it is built, its presets, what kind of number it gives, and its source.

Nothing is imported before a model is asked for, so that listing them is instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jensen.errors import JensenError, unknown
from jensen.registry import adversarial, autoregressive, baseline, discriminative, flow, graph, latent, mixture, topic
from jensen.registry.line import Entry

if TYPE_CHECKING:
    from torch import nn

    from jensen.data.spec import Spec

FAMILIES = (latent, autoregressive, flow, adversarial, mixture, baseline, graph, topic, discriminative)
MODELS: dict[str, Entry] = {entry.name: entry for family in FAMILIES for entry in family.ENTRIES}


def entry(name: str) -> Entry:
    """The registry's line for a model."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def create(name: str, spec: Spec, **hyperparameters: Any) -> nn.Module:
    """A model of that name for data of that spec, untrained.

    The model carries its `recipe`, from which a run rebuilds it. Initial weights come from torch's random state.

    Args:
        name: see `jensen models`.
        spec: of the data, as in `split.spec`.
        **hyperparameters: see `jensen describe NAME`.
    """
    chosen = entry(name)
    valid = chosen.hyperparameters()
    for key in hyperparameters:
        if key not in valid:
            raise unknown(f"setting of {name}", key, valid)
    settings = {**chosen.defaults, **hyperparameters}
    model = chosen.builder()(spec, **settings)
    recipe = {"name": name, "settings": settings, "spec": spec.to_json()}
    model.recipe = recipe  # type: ignore[assignment]
    return model


def rebuild(recipe: dict[str, Any]) -> nn.Module:
    """The model that a recipe, read from JSON, describes; its weights are fresh."""
    from jensen.data.spec import Spec

    if recipe.get("name") is None:
        raise JensenError(
            f"the run holds a model of your own ({recipe.get('class')}): build it and pass it, jensen.load(run, model)"
        )
    return create(recipe["name"], Spec.from_json(recipe["spec"]), **hyperparameters_of(recipe))


def hyperparameters_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe's settings as `create` takes them: JSON has lists where they had tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in recipe["settings"].items()}
