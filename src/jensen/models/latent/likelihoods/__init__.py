"""Likelihoods p(x | z): modules that return a Distribution when called with z."""

from jensen.models.latent.likelihoods.autoregressive import Autoregressive
from jensen.models.latent.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from jensen.models.latent.likelihoods.counts import NegativeBinomial, Poisson
from jensen.models.latent.likelihoods.gaussian import FullGaussian, Gaussian
from jensen.models.latent.likelihoods.levels import Categorical, DiscretisedLogistic
from jensen.models.latent.likelihoods.mixed import Mixed

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretisedLogistic",
    "FullGaussian",
    "Gaussian",
    "Mixed",
    "NegativeBinomial",
    "Poisson",
]
