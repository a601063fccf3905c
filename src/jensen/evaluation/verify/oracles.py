"""Models whose evidence and bounds are known to many digits: what `verify` holds a bound against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal

from jensen.distributions.heads import diagonal_gaussian

NODES = 48


@dataclass(frozen=True)
class Oracle:
    """p(z) = N(0, I) in two dimensions, p(x | z) with parameters linear in z, q(z | x) with a mean linear in x.

    It keeps the contract of a latent model, in double precision. `x` (B, D) are the rows asked about, and `evidence`
    (B,) is their log p(x), nats.
    """

    name: str
    weight: Tensor  # (D, 2)
    bias: Tensor  # (D,)
    gain: Tensor  # (2, D): the mean of q is gain (x - centre) + shift
    centre: Tensor  # (D,)
    shift: Tensor  # (2,)
    scale: Tensor  # (2,): of q
    noise: float | None  # of a Gaussian likelihood; None is Bernoulli
    x: Tensor
    evidence: Tensor

    def prior(self) -> Independent:
        """N(0, I): event_shape (2,)."""
        return diagonal_gaussian(torch.zeros_like(self.scale), torch.ones_like(self.scale))

    def posterior(self, x: Tensor) -> Independent:
        """q(z | x): batch_shape (B,), event_shape (2,)."""
        loc = (x - self.centre) @ self.gain.T + self.shift
        return diagonal_gaussian(loc, self.scale.expand_as(loc))

    def likelihood(self, z: Tensor) -> Independent:
        """p(x | z): batch_shape (..., B), event_shape (D,)."""
        return _likelihood(z @ self.weight.T + self.bias, self.noise)

    @property
    def elbo(self) -> Tensor:
        """The exact ELBO of each row (B,), nats."""
        q_z = self.posterior(self.x)
        return self.reconstruction(q_z.mean, q_z.stddev) - kl_to_standard_normal(q_z.mean, q_z.stddev).sum(-1)

    def reconstruction(self, loc: Tensor, scale: Tensor) -> Tensor:
        """E log p(x | z) for z ~ N(loc, diag scale^2), (B,), nats."""
        return self.expectation(lambda z: self.likelihood(z).log_prob(self.x), loc, scale)

    def expectation(self, f: Callable[[Tensor], Tensor], loc: Tensor, scale: Tensor) -> Tensor:
        """E f(z) for z ~ N(loc, diag scale^2), f: (..., B, 2) -> (..., B), by Gauss-Hermite quadrature: (B,)."""
        nodes, weights = _gauss_hermite()
        return weights @ f(loc + scale * nodes[:, None, :])


def kl_to_standard_normal(loc: Tensor, scale: Tensor) -> Tensor:
    """KL(N(loc, scale^2) || N(0, 1)) of each dimension, nats."""
    return 0.5 * (loc.square() + scale.square() - 1) - scale.log()


def gaussian(exact: bool) -> Oracle:
    """The linear-Gaussian model: p(x) = N(b, W W' + s^2 I), and a true posterior that is Gaussian.

    W has orthogonal columns, so that the true posterior is diagonal. Where q is not `exact` it is shifted, wider in one
    dimension and narrower in the other.
    """
    generator = torch.Generator().manual_seed(0)
    columns, _ = torch.linalg.qr(torch.randn(5, 2, generator=generator, dtype=torch.float64))
    norms, noise = torch.tensor([1.5, 0.6], dtype=torch.float64), 0.7
    weight, bias = columns * norms, torch.linspace(-1, 1, 5, dtype=torch.float64)
    variance = 1 / (1 + norms.square() / noise**2)
    marginal = MultivariateNormal(bias, weight @ weight.T + noise**2 * torch.eye(5, dtype=torch.float64))
    x = bias + torch.randn(8, 5, generator=generator, dtype=torch.float64) @ marginal.scale_tril.T
    wrong = torch.tensor([[0.4, -0.5], [1.6, 0.8]], dtype=torch.float64)  # shift, widening
    shift, widen = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, 2) if exact else wrong
    return Oracle(
        "Gaussian, exact q" if exact else "Gaussian, wrong q",
        weight,
        bias,
        (weight / noise**2 * variance).T,
        bias,
        shift,
        widen * variance.sqrt(),
        noise,
        x,
        marginal.log_prob(x),
    )


def bernoulli() -> Oracle:
    """Four bits, all sixteen rows of them, under two latents: p(x) is a two-dimensional integral over the prior."""
    generator = torch.Generator().manual_seed(1)
    weight = 1.5 * torch.randn(4, 2, generator=generator, dtype=torch.float64)
    bias = torch.linspace(-1, 0.5, 4, dtype=torch.float64)
    bits = torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = torch.cartesian_prod(bits, bits, bits, bits)
    nodes, weights = _gauss_hermite()
    log_prob = _likelihood(nodes[:, None, :] @ weight.T + bias, None).log_prob(x)
    half = torch.full((4,), 0.5, dtype=torch.float64)
    shift, scale = torch.tensor([[0.2, -0.3], [0.9, 0.5]], dtype=torch.float64)
    evidence = (weights @ log_prob.exp()).log()
    return Oracle("Bernoulli", weight, bias, 0.4 * weight.T, half, shift, scale, None, x, evidence)


def _likelihood(parameters: Tensor, noise: float | None) -> Independent:
    if noise is None:
        return Independent(Bernoulli(logits=parameters, validate_args=False), 1, validate_args=False)
    return Independent(
        Normal(parameters, torch.full_like(parameters, noise), validate_args=False), 1, validate_args=False
    )


def _gauss_hermite() -> tuple[Tensor, Tensor]:
    """Nodes (G, 2) and weights (G,) of an expectation under N(0, I) in the plane."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(NODES))
    weights = weights / math.sqrt(2 * math.pi)
    return torch.cartesian_prod(nodes, nodes), torch.outer(weights, weights).flatten()
