"""Inference that is not a gradient step on one loss: expectation maximisation, and Monte Carlo."""
