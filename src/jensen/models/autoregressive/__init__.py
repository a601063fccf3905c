"""Autoregressive models: p(x) = ∏ p(x_i | x_<i), an exact likelihood."""
