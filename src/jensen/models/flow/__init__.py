"""Normalising flows: densities by change of variables."""
