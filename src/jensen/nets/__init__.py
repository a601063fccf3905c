"""Plain networks without probability."""

from jensen.nets.mlp import MLP, Activation, activation

__all__ = ["MLP", "Activation", "activation"]
