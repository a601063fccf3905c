"""Implicit models, trained against a discriminator: they can be sampled, and have no density to evaluate."""

from jensen.models.adversarial.gan import GAN, build, minimax_loss, non_saturating_loss, value

__all__ = ["GAN", "build", "minimax_loss", "non_saturating_loss", "value"]
