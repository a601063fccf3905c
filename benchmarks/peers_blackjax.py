"""Eight schools, non-centred, by blackjax's NUTS as its documentation runs it: window adaptation, a compiled loop.

Where there was a choice, the one that is faster for blackjax was made: one chain is adapted and the others start where
it ends, so that there is one warm-up for all; both loops are `lax.scan`s, and draws leave the device once.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import schools

EFFECTS, ERRORS = jnp.array(schools.EFFECTS), jnp.array(schools.ERRORS)


class Run(NamedTuple):
    """draws: (chain, draw, 10). compiling: processor seconds of tracing and compiling, out of `seconds` in all."""

    draws: np.ndarray
    seconds: float
    compiling: float


def non_centred(z: Any) -> Any:
    """log p(z, y) for z = (mu, log tau, eta) (10,), up to a constant."""
    mu, log_tau, eta = z[0], z[1], z[2:]
    theta = mu + jnp.exp(log_tau) * eta
    prior = log_tau - (mu / 5) ** 2 / 2 - jnp.log1p((jnp.exp(log_tau) / 5) ** 2)
    return prior - 0.5 * (eta**2 + ((EFFECTS - theta) / ERRORS) ** 2).sum()


def sample(num_chains: int, num_draws: int, num_warmup: int, seed: int) -> Run:
    """Everything from a density to draws in numpy; nothing that was compiled before is used again."""
    jax.clear_caches()
    start = time.process_time()
    warm_key, key = jax.random.split(jax.random.key(seed))
    adaptation = blackjax.window_adaptation(blackjax.nuts, non_centred)
    warm_up = jax.jit(lambda key: adaptation.run(key, jnp.zeros(schools.DIMS), num_steps=num_warmup)[0])
    compiled = warm_up.lower(warm_key).compile()
    compiling = time.process_time() - start
    state, parameters = compiled(warm_key)

    def loop(key: Any, state: Any, parameters: Any) -> Any:
        kernel = blackjax.nuts(non_centred, **parameters)
        states = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_chains, *leaf.shape)), state)

        def step(states: Any, key: Any) -> Any:
            states, _ = jax.vmap(kernel.step)(jax.random.split(key, num_chains), states)
            return states, states.position

        return jax.lax.scan(step, states, jax.random.split(key, num_draws))[1]

    before = time.process_time()
    compiled = jax.jit(loop).lower(key, state, parameters).compile()
    compiling += time.process_time() - before
    draws = np.asarray(compiled(key, state, parameters)).swapaxes(0, 1)
    return Run(draws, time.process_time() - start, compiling)
