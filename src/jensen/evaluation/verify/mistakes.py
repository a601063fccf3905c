"""What each usual mistake makes of a bound: the figures by which it is recognised."""

from __future__ import annotations

import math

from torch import Tensor

from jensen.evaluation.verify.oracles import Oracle, kl_to_standard_normal
from jensen.objectives.importance import log_weights

SIMULATIONS = 500


def in_elbo(oracle: Oracle, num_samples: int) -> list[tuple[str, Tensor]]:
    """Mistakes of an ELBO of K draws, or of the mean log weight, and the (B,) nats that each gives in expectation."""
    q_z = oracle.posterior(oracle.x)
    loc, scale, entries = q_z.mean, q_z.stddev, oracle.x.shape[1]
    fit, kl = oracle.reconstruction(loc, scale), kl_to_standard_normal(loc, scale)
    right = fit - kl.sum(-1)
    reverse = scale.log() + 0.5 * ((1 + loc.square()) / scale.square() - 1)
    scale_for_variance = 0.5 * (loc.square() + scale - 1 - scale.log())
    wide = oracle.reconstruction(loc, scale.square())
    wide_ratio = oracle.expectation(lambda z: oracle.prior().log_prob(z) - q_z.log_prob(z), loc, scale.square())
    log_prior = oracle.expectation(oracle.prior().log_prob, loc, scale)
    drawn = "z is drawn as mean + variance * noise instead of mean + scale * noise"
    found = [
        ("the sign: it is a loss, minus the bound", -right),
        ("the KL is added instead of subtracted", fit + kl.sum(-1)),
        ("the KL is averaged over the latent dimensions instead of summed", fit - kl.mean(-1)),
        ("the KL is reversed: KL(p || q) instead of KL(q || p)", fit - reverse.sum(-1)),
        ("the KL takes the scale for the variance", fit - scale_for_variance.sum(-1)),
        ("the KL lacks its factor 1/2", fit - 2 * kl.sum(-1)),
        ("the KL, or log p(z) - log q(z | x), is left out", fit),
        ("log p(x | z) is left out", -kl.sum(-1)),
        ("log q(z | x) is left out", fit + log_prior),
        ("log p(z) is left out", right - log_prior),
        (drawn, wide - kl.sum(-1)),
        (drawn, wide + wide_ratio),
        ("z is the mean of q: nothing is drawn", oracle.likelihood(loc).log_prob(oracle.x) - kl.sum(-1)),
        ("the weights' logarithm is not taken", oracle.evidence.exp()),
        ("log p(x | z) is averaged over the entries of x instead of summed", fit / entries - kl.sum(-1)),
        ("log p(x | z) is summed over the draws instead of averaged", num_samples * fit - kl.sum(-1)),
        ("log weights are summed over the draws instead of averaged", num_samples * right),
    ]
    if oracle.noise is not None:
        two_pi = 0.5 * entries * math.log(2 * math.pi)
        constant = two_pi + entries * math.log(oracle.noise)
        squares = -2 * oracle.noise**2 * (fit + constant)
        found += [
            ("the Gaussian's -1/2 log 2 pi of each entry of x is left out", right + two_pi),
            ("the Gaussian's constant -1/2 log 2 pi scale^2 of each entry of x is left out", right + constant),
            ("the squared error stands for -log p(x | z): its scale and constant are left out", -squares - kl.sum(-1)),
            ("half the squared error stands for -log p(x | z)", -squares / 2 - kl.sum(-1)),
        ]
    return found


def in_iwae(oracle: Oracle, num_samples: int) -> list[tuple[str, Tensor]]:
    """Mistakes of the bound of K weights, and the (B,) nats that each gives in expectation, by simulation."""
    log_w = log_weights(oracle, oracle.x, SIMULATIONS * num_samples).unflatten(0, (SIMULATIONS, num_samples))
    right, log_k = (log_w.logsumexp(1) - math.log(num_samples)).mean(0), math.log(num_samples)
    return [
        ("log K is not subtracted: that is the sum of the weights, not their mean", right + log_k),
        ("log K is subtracted twice", right - log_k),
        ("the logarithm is not taken: that is the mean of the weights", oracle.evidence.exp()),
        ("the largest weight stands for their mean", log_w.amax(1).mean(0)),
        ("the mean of the log weights, which is the ELBO, stands for the log of their mean", oracle.elbo),
        (
            "sum w~ log w, w~ = w / sum w, has the gradient of the bound, not its value",
            (log_w.softmax(1) * log_w).sum(1).mean(0),
        ),
        ("the sign: it is a loss, minus the bound", -right),
    ]
