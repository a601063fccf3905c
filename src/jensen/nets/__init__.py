"""Plain networks without probability."""

from jensen.nets.inputs import Inputs
from jensen.nets.mlp import MLP, Activation, activation
from jensen.nets.networks import Net, Squashed, decoder, encoder, scale_weights

__all__ = ["MLP", "Activation", "Inputs", "Net", "Squashed", "activation", "decoder", "encoder", "scale_weights"]
