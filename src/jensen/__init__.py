"""jensen: generative models, and the bounds that train them.

    split = jensen.data.load("mnist", binarize="dynamic")
    model = jensen.create("vae", split.spec, latent_dim=10)
    result = jensen.fit(model, split, steps=20_000, out="runs/vae")
    scores = jensen.evaluate(model, split.test, num_samples=1000)
    x = model.sample(200)
    jensen.report("runs/vae")

Each name is imported when it is first asked for, so that the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jensen import data
    from jensen.errors import JensenError
    from jensen.evaluation import Evaluation, Metric, compare, evaluate, score
    from jensen.evaluation.classify import class_log_probs
    from jensen.evaluation.likelihood import Estimate, log_marginal_likelihood
    from jensen.objectives import iwae_bound, log_weights
    from jensen.objectives.elbo import elbo
    from jensen.registry import create
    from jensen.reporting import report
    from jensen.training import FitResult, Training, fit, load

__version__ = "0.1.0"

_HOMES = {
    "JensenError": "jensen.errors",
    "Evaluation": "jensen.evaluation",
    "Metric": "jensen.evaluation",
    "class_log_probs": "jensen.evaluation.classify",
    "compare": "jensen.evaluation",
    "evaluate": "jensen.evaluation",
    "score": "jensen.evaluation",
    "Estimate": "jensen.evaluation.likelihood",
    "log_marginal_likelihood": "jensen.evaluation.likelihood",
    "elbo": "jensen.objectives.elbo",
    "iwae_bound": "jensen.objectives",
    "log_weights": "jensen.objectives",
    "create": "jensen.registry",
    "report": "jensen.reporting",
    "FitResult": "jensen.training",
    "Training": "jensen.training",
    "fit": "jensen.training",
    "load": "jensen.training",
}

__all__ = [
    "Estimate",
    "Evaluation",
    "FitResult",
    "JensenError",
    "Metric",
    "Training",
    "class_log_probs",
    "compare",
    "create",
    "data",
    "elbo",
    "evaluate",
    "fit",
    "iwae_bound",
    "load",
    "log_marginal_likelihood",
    "log_weights",
    "report",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__ or name in ("models", "objectives", "distributions", "nets", "training", "evaluation"):
        return importlib.import_module(f"jensen.{name}")
    raise AttributeError(f"module 'jensen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
