"""Bounds and estimators, one a file; each trains through `turns(model, batch, clock)`."""

from jensen.objectives.base import Objective, default_objective
from jensen.objectives.elbo import ELBO
from jensen.objectives.importance import IWAE, iwae_bound, log_weights
from jensen.objectives.maximum_likelihood import MaximumLikelihood

__all__ = ["ELBO", "IWAE", "MaximumLikelihood", "Objective", "default_objective", "iwae_bound", "log_weights"]
