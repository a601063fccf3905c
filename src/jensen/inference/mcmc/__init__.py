"""Markov chain Monte Carlo kernels, one a file: `init` gives a State, `step` a new State and an Info."""
