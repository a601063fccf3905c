"""What torch.distributions lacks, and the heads that turn a network's output into a Distribution."""

from jensen.distributions.heads import PositiveMap, diagonal_gaussian, positive_scale

__all__ = ["PositiveMap", "diagonal_gaussian", "positive_scale"]
