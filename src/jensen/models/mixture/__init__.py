"""Mixtures fitted by expectation maximisation: p(x) = Σ_k π_k p(x | z = k), an exact likelihood."""
