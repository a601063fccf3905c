"""The one list of models: a name, where it is built, its presets, what kind of number it gives, and its source.

Nothing is imported before a model is asked for, so that listing them is instant.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from jensen.errors import JensenError, unknown

if TYPE_CHECKING:
    from torch import nn

    from jensen.data.spec import Spec
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
    kind: str  # exact, bounded, implicit or reconstruction
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


MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "autoencoder",
            "encoder, bottleneck, decoder, plain or denoising: it reconstructs, without a density",
            "reconstruction",
            "latent",
            "Hinton & Salakhutdinov (2006); Vincent et al. (2008, 2010)",
            "jensen.models.latent.autoencoder:build",
            "jensen.presets.autoencoder:PRESETS",
            objective="squared error or Bernoulli",
        ),
        Entry(
            "vae",
            "variational autoencoder: prior, posterior, likelihood and networks by their words",
            "bounded",
            "latent",
            "Kingma & Welling (2014); Rezende, Mohamed & Wierstra (2014)",
            "jensen.models.latent.compose:build",
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
            "jensen.models.latent.compose:build",
            "jensen.presets.gmvae:PRESETS",
            objective="elbo",
            prior="mixture of Gaussians",
            kl="monte carlo",
            samples="p(x | z), z ~ p(z)",
            defaults={"prior": "mixture"},
        ),
        Entry(
            "vamp-vae",
            "variational autoencoder whose prior is its posteriors at learned pseudo-inputs, mixed",
            "bounded",
            "latent",
            "Tomczak & Welling (2018)",
            "jensen.models.latent.compose:build",
            "jensen.presets.vamp_vae:PRESETS",
            objective="elbo",
            prior="mixture of posteriors",
            kl="monte carlo",
            samples="p(x | z), z ~ p(z)",
            defaults={"prior": "vamp"},
        ),
        Entry(
            "beta-vae",
            "variational autoencoder whose KL is weighted by beta",
            "bounded",
            "latent",
            "Higgins et al. (2017)",
            "jensen.models.latent.compose:build",
            "jensen.presets.beta_vae:PRESETS",
            objective="elbo",
            prior="N(0, I)",
            kl="closed form",
            samples="p(x | z), z ~ p(z)",
            objective_defaults={"beta": 4.0},
        ),
        Entry(
            "iwae",
            "importance-weighted autoencoder: the same model under a tighter bound",
            "bounded",
            "latent",
            "Burda, Grosse & Salakhutdinov (2016)",
            "jensen.models.latent.compose:build",
            "jensen.presets.iwae:PRESETS",
            objective="iwae",
            prior="N(0, I)",
            kl="in the weights",
            samples="p(x | z), z ~ p(z)",
        ),
        Entry(
            "hierarchical",
            "two layers of latent variables, each Gaussian given the next",
            "bounded",
            "latent",
            "Burda, Grosse & Salakhutdinov (2016)",
            "jensen.models.latent.hierarchical:build",
            "jensen.presets.hierarchical:PRESETS",
            objective="iwae",
            prior="N(0, I) at the top, learned below",
            kl="in the weights",
            samples="p(x | z1), z1 ~ p(z1 | z2), z2 ~ p(z2)",
        ),
        Entry(
            "two-stage-vae",
            "variational autoencoder with a learned scale, and a second one of its latents",
            "bounded",
            "latent",
            "Dai & Wipf (2019)",
            "jensen.models.latent.two_stage:build",
            "jensen.presets.two_stage_vae:PRESETS",
            objective="the elbo of each stage",
            prior="p(z | u), u ~ N(0, I)",
            kl="monte carlo",
            samples="p(x | z), z ~ p(z | u), u ~ N(0, I)",
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
