"""Baselines, fitted in closed form: independent columns, one Gaussian, a linear autoregression, a kernel density."""
