"""verify: a user's own bounds, priors, posteriors and likelihoods, held against cases whose answer is known."""

from __future__ import annotations

from typing import Any

import torch

from jensen.errors import JensenError
from jensen.evaluation.verify import bounds, parts
from jensen.evaluation.verify.bounds import Bound
from jensen.evaluation.verify.question import Check, answers

BOUNDS = {"elbo": bounds.of_elbo, "log_weights": bounds.of_log_weights, "iwae_bound": bounds.of_iwae_bound}
PARTS = ("prior", "posterior", "likelihood")


def verify(
    *,
    elbo: Bound | None = None,
    log_weights: Bound | None = None,
    iwae_bound: Bound | None = None,
    model: Any = None,
    seed: int = 0,
) -> tuple[Check, ...]:
    """Whether bounds are bounds, and densities densities: every check, passed or failed.

    Bounds are called as f(model, x, num_samples), in double precision, with models of two kinds: a linear-Gaussian one,
    whose log p(x) and posterior are known, and one of bits whose evidence is a sum over a grid. Each has
    `model.prior()`, N(0, I) in two dimensions; `model.posterior(x)`, a diagonal Gaussian; and `model.likelihood(z)`.
    What is drawn is compared within 5 standard errors.

    Args:
        elbo: -> (B,), or anything with such an `elbo`: E_q log p(x | z) - KL(q(z | x) || p(z)).
        log_weights: -> (K, B): log p(x, z_k) - log q(z_k | x).
        iwae_bound: -> (B,): the log-mean-exp of K weights.
        model: with prior(), likelihood(z) and perhaps posterior(x), each of which returns a Distribution.
        seed: of the draws.

    >>> from jensen.objectives import log_weights
    >>> all(check.passed for check in verify(log_weights=log_weights))
    True
    """
    given = {"elbo": elbo, "log_weights": log_weights, "iwae_bound": iwae_bound}
    groups = {name: BOUNDS[name](function) for name, function in given.items() if function is not None}
    if model is not None:
        if not (hasattr(model, "prior") and hasattr(model, "likelihood")):
            raise JensenError("a model to verify has prior() and likelihood(z), which say what z and x are: add them")
        groups |= {part: parts.of_part(model, part) for part in PARTS if hasattr(model, part)}
    if not groups:
        raise JensenError("nothing to verify: give elbo, log_weights, iwae_bound, or a model")
    with torch.random.fork_rng([]):
        return tuple(check for of, questions in groups.items() for check in answers(of, questions, seed))
