"""The one list of models: a name, where it is built, its presets, what kind of number it gives, and its source.

Nothing is imported before a model is asked for, so that listing them is instant.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from jensen.errors import JensenError, unknown

if TYPE_CHECKING:
    from torch import nn

    from jensen.data.spec import Spec
    from jensen.presets.base import Preset


@dataclass(frozen=True)
class Entry:
    """One model: a graph, its default settings and its objective.

    `build` and `presets` are "module:attribute", `defaults` what is set otherwise than in the builder; the rest is
    what `jensen models --compare` shows.
    """

    name: str
    summary: str
    kind: str  # exact, bounded or implicit
    family: str
    source: str
    build: str
    presets: str
    objective: str
    prior: str = "-"
    kl: str = "-"
    samples: str = "-"
    defaults: dict[str, Any] = field(default_factory=dict)

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

    def hyperparameters(self) -> dict[str, tuple[Any, Any]]:
        """Each of the builder's keyword arguments: (type, default)."""
        builder = self.builder()
        hints = get_type_hints(builder)
        return {
            name: (hints[name], self.defaults.get(name, parameter.default))
            for name, parameter in inspect.signature(builder).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }


MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "vae",
            "variational autoencoder: Gaussian latents, dense networks",
            "bounded",
            "latent",
            "Kingma & Welling (2014); Rezende, Mohamed & Wierstra (2014)",
            "jensen.models.latent.vae:build",
            "jensen.presets.vae:PRESETS",
            objective="elbo",
            prior="N(0, I)",
            kl="closed form",
            samples="p(x | z), z ~ p(z)",
        ),
        Entry(
            "gmvae",
            "variational autoencoder whose prior is a learned mixture of Gaussians",
            "bounded",
            "latent",
            "Dilokthanakul et al. (2016); Stanford CS236 (2018)",
            "jensen.models.latent.vae:build",
            "jensen.presets.gmvae:PRESETS",
            objective="elbo",
            prior="mixture of Gaussians",
            kl="monte carlo",
            samples="p(x | z), z ~ p(z)",
            defaults={"prior": "mixture"},
        ),
        Entry(
            "iwae",
            "importance-weighted autoencoder: the same model under a tighter bound",
            "bounded",
            "latent",
            "Burda, Grosse & Salakhutdinov (2016)",
            "jensen.models.latent.vae:build",
            "jensen.presets.iwae:PRESETS",
            objective="iwae",
            prior="N(0, I)",
            kl="in the weights",
            samples="p(x | z), z ~ p(z)",
        ),
        Entry(
            "made",
            "masked autoencoder for distribution estimation: every conditional in one pass",
            "exact",
            "autoregressive",
            "Germain, Gregor, Murray & Larochelle (2015)",
            "jensen.models.autoregressive.made:build",
            "jensen.presets.made:PRESETS",
            objective="maximum likelihood",
            samples="ancestral, one pass a dimension",
        ),
        Entry(
            "gan",
            "generative adversarial network: a generator against a discriminator, no density",
            "implicit",
            "adversarial",
            "Goodfellow et al. (2014)",
            "jensen.models.adversarial.gan:build",
            "jensen.presets.gan:PRESETS",
            objective="two players: non-saturating or minimax",
            prior="N(0, I)",
            samples="G(z), z ~ p(z)",
        ),
        Entry(
            "gaussian-mixture",
            "mixture of Gaussians fitted by expectation maximisation",
            "exact",
            "mixture",
            "Dempster, Laird & Rubin (1977)",
            "jensen.models.mixture.gaussian:build",
            "jensen.presets.gaussian_mixture:PRESETS",
            objective="maximum likelihood by EM",
            prior="categorical",
            kl="0 after each E-step",
            samples="a component, then its Gaussian",
        ),
    )
}


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


def _resolve(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(importlib.import_module(module), attribute)
