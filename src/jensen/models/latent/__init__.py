"""Latent-variable models: p(z), p(x | z), and q(z | x) to bound log p(x)."""
