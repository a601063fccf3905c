"""Inference that is not a gradient step on one loss: expectation maximisation, and Monte Carlo."""

from jensen.distributions import dirichlet, wishart
from jensen.inference import divergences
from jensen.inference.coordinate_ascent import MeanField, coordinate_ascent
from jensen.inference.em import EM, EMResult, em
from jensen.inference.estimate import Estimate
from jensen.inference.fit_vi import VariationalFit, fit_vi
from jensen.inference.forward_kl import ForwardFit, fit_forward_kl, match_moments
from jensen.inference.importance import (
    ImportanceEstimate,
    best_proposal,
    best_proposal_on_grid,
    importance_estimate,
    importance_variance,
    pareto_k,
)
from jensen.inference.inverse_transform import inverse_transform_sample, numeric_quantile, quantile_function
from jensen.inference.markov_chain import MarkovChain
from jensen.inference.mcmc.chains import Chains, sample_chains
from jensen.inference.mcmc.gibbs import gibbs
from jensen.inference.mcmc.hmc import hmc
from jensen.inference.mcmc.metropolis_hastings import metropolis_hastings
from jensen.inference.mcmc.random_walk import random_walk
from jensen.inference.monte_carlo import expectation
from jensen.inference.rejection import RejectionSamples, rejection_sample

__all__ = [
    "EM",
    "Chains",
    "EMResult",
    "Estimate",
    "ForwardFit",
    "ImportanceEstimate",
    "MarkovChain",
    "MeanField",
    "RejectionSamples",
    "VariationalFit",
    "best_proposal",
    "best_proposal_on_grid",
    "coordinate_ascent",
    "dirichlet",
    "divergences",
    "em",
    "expectation",
    "fit_forward_kl",
    "fit_vi",
    "gibbs",
    "hmc",
    "importance_estimate",
    "importance_variance",
    "inverse_transform_sample",
    "match_moments",
    "metropolis_hastings",
    "numeric_quantile",
    "pareto_k",
    "quantile_function",
    "random_walk",
    "rejection_sample",
    "sample_chains",
    "wishart",
]
