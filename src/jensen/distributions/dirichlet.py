"""What torch's Dirichlet does not say of itself: the mean of its logarithms, and its covariance.

Source: Minka (2000), Estimating a Dirichlet distribution. Mean, variance, entropy and KL are torch's.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Dirichlet


def expected_log(law: Dirichlet) -> Float[Tensor, "*batch outcomes"]:
    """E log theta_k = psi(alpha_k) - psi(sum alpha), nats, (*batch, K).

    >>> import torch
    >>> expected_log(Dirichlet(torch.tensor([2.0, 3.0, 5.0])))
    tensor([-1.8290, -1.3290, -0.7456])
    """
    alpha = law.concentration
    return alpha.digamma() - alpha.sum(-1, keepdim=True).digamma()


def covariance(law: Dirichlet) -> Float[Tensor, "*batch outcomes outcomes"]:
    """(m_k [k = l] - m_k m_l) / (sum alpha + 1), m the mean, (*batch, K, K)."""
    mean, total = law.mean, law.concentration.sum(-1)
    return (mean.diag_embed() - mean[..., :, None] * mean[..., None, :]) / (total + 1)[..., None, None]
