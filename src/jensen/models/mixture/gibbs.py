"""The Bayesian mixture of Gaussians by Gibbs sampling: draws of the posterior, where mean field has one q.

Source: Diebolt and Robert (1994), Estimation of finite mixture distributions through Bayesian sampling; the conjugate
draws: Bishop (2006), Pattern Recognition and Machine Learning, section 10.2, Gelman et al. (2013), chapters 3 and 22.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.mixture.base import check_rows, clusters, has_missing
from jensen.models.mixture.quadratic import squared_distances

CHAINS = 4
BLOCK = 2**21  # numbers of 8 bytes that are scored at once


class Prior(NamedTuple):
    """π ~ Dir(alpha0, ..., alpha0), Λ_k ~ Wishart(w0 I, nu0), μ_k | Λ_k ~ N(0, (beta0 Λ_k)^-1)."""

    alpha0: float
    beta0: float
    w0: float
    nu0: float


def complete_rows(x: Float[Tensor, "batch *event"], num_components: int) -> Float64[Tensor, "batch dims"]:
    """x as rows (B, D), float64; raises where entries are missing, or too few rows distinct for K components."""
    rows = x.flatten(1).double()
    if has_missing(rows):
        raise JensenError(
            "bayesian-gaussian-mixture needs every entry of x, got NaN: fill them in, or choose gaussian-mixture"
        )
    check_rows(rows, num_components)
    return rows


class State(NamedTuple):
    """Where C chains stand, float64.

    weights: π (C, K). means: μ (C, K, D). scale_trils: L (C, K, D, D) with Λ^-1 = L L'. components: z (C, N).
    """

    weights: Tensor
    means: Tensor
    scale_trils: Tensor
    components: Tensor


def init(
    prior: Prior,
    x: Float64[Tensor, "rows dims"],
    components: Int64[Tensor, "chains rows"],
    num_components: int,
) -> State:
    """Chains that stand at z, with parameters drawn given it."""
    return State(*_draw_parameters(prior, x, components, num_components), components)


def step(prior: Prior, x: Float64[Tensor, "rows dims"], state: State) -> State:
    """A sweep of each chain: z given the parameters, every row at once, then the parameters given z. Exact draws.

    p(z_n = k | x, π, μ, Λ) ∝ π_k N(x_n; μ_k, Λ_k^-1); π | z is Dirichlet and (μ_k, Λ_k) | x, z Normal-Wishart, with the
    updates of mean field, where shares are now 0 or 1.
    """
    chains, components, _ = state.means.shape
    distance = squared_distances(x, state.means.flatten(0, 1), state.scale_trils.flatten(0, 1)).T
    log_det = 2 * state.scale_trils.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_joint = (state.weights.log() - 0.5 * log_det)[:, :, None] - 0.5 * distance.view(chains, components, len(x))
    # The largest of log p + Gumbel noise is a draw in proportion to p.
    z = (log_joint - torch.empty_like(log_joint).exponential_().log()).argmax(1)
    return State(*_draw_parameters(prior, x, z, components), z)


def _draw_parameters(prior: Prior, x: Tensor, z: Tensor, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """π, μ and L given z: with N_k = #{n: z_n = k}, Bishop's (10.58) to (10.63)."""
    dims = x.shape[1]
    shares = nn.functional.one_hot(z, components).to(x)  # (C, N, K)
    counts = shares.sum(1)
    sums = shares.mT @ x
    products = (shares.mT @ (x[:, :, None] * x[:, None, :]).flatten(1)).view(*counts.shape, dims, dims)
    weights = torch.distributions.Dirichlet(prior.alpha0 + counts, validate_args=False).sample()
    beta, nu = prior.beta0 + counts, prior.nu0 + counts
    means = sums / beta[..., None]
    inverse_scales = products - beta[..., None, None] * means[..., :, None] * means[..., None, :]
    inverse_scales = inverse_scales + torch.eye(dims).to(x) / prior.w0
    # Bartlett (1933): with W^-1 = R R' and A triangular, A_ii^2 chi-squared of ν - i degrees of freedom from i = 0 on,
    # Λ = R^-T A A' R^-1. So Λ^-1 = S'S with S = A^-1 R', of which a QR decomposition makes L L'.
    factor = torch.randn(*counts.shape, dims, dims, dtype=x.dtype, device=x.device).tril(-1)
    freedom = nu[..., None] - torch.arange(dims, device=x.device)
    factor = factor + torch.distributions.Chi2(freedom, validate_args=False).sample().sqrt().diag_embed()
    root = torch.linalg.cholesky(inverse_scales)
    spread = torch.linalg.solve_triangular(factor, root.mT, upper=False)
    scale_trils = torch.linalg.qr(spread).R.mT
    scale_trils = scale_trils * scale_trils.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
    noise = torch.randn_like(means)
    means = means + (scale_trils @ noise[..., None]).squeeze(-1) / beta[..., None].sqrt()
    return weights, means, scale_trils


class GibbsGaussianMixture(nn.Module):
    """The model of `BayesianGaussianMixture`, its posterior told by S draws of π, μ and Λ.

    `log_prob` is the log of the posterior predictive density, averaged over the draws,

        p(x | X) ≈ (1/S) Σ_s Σ_k π_sk N(x; μ_sk, Λ_sk^-1),

    a mixture of S K Gaussians, which is a density whatever S is. The posterior is the same for all K! orders of the
    components, and a chain may go from one to another (label switching), so a mean of μ_k over draws says nothing;
    densities, and the chance that two rows share a component, do not depend on the order.

    The draws are buffers in float64: `weights` (S, K), `means` (S, K, D) and `scale_trils` (S, K, D, D), Cholesky
    factors of the covariances. Four chains, each from a k-means of its own, make S / 4 sweeps that are forgotten, and
    S / 4 that are kept.

    Args:
        spec: what x is. The prior is in the units of x, so x should be standardised.
        num_components: K.
        prior: as of the mean-field model.
        num_draws: S, a multiple of 4.
    """

    weights: Tensor
    means: Tensor
    scale_trils: Tensor

    def __init__(self, spec: Spec, *, num_components: int, prior: Prior, num_draws: int) -> None:
        super().__init__()
        if num_draws < CHAINS or num_draws % CHAINS:
            raise JensenError(f"num_draws must be a multiple of {CHAINS}, the number of chains; got {num_draws}")
        self.spec, self.prior = spec, prior
        shape, dims = (num_draws, num_components), spec.num_dims
        self.register_buffer("weights", torch.full(shape, 1 / num_components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(*shape, dims, dtype=torch.float64))
        self.register_buffer("scale_trils", torch.eye(dims, dtype=torch.float64).repeat(*shape, 1, 1))

    @torch.no_grad()
    def fit_to(self, x: Float[Tensor, "batch *event"], validation: Tensor) -> dict[str, Tensor]:
        """Draws the posterior given x, from torch's global generator; logs the mean log predictive density of x.

        Raises:
            JensenError: where x has fewer distinct rows than there are components, or missing entries.
        """
        components = self.weights.shape[1]
        rows = complete_rows(x, components)
        starts = torch.stack([clusters(rows, components).argmax(1) for _ in range(CHAINS)])
        state = init(self.prior, rows, starts, components)
        kept = len(self.weights) // CHAINS
        for sweep in range(-kept, kept):
            state = step(self.prior, rows, state)
            if sweep >= 0:
                for name in ("weights", "means", "scale_trils"):
                    buffer, value = getattr(self, name), getattr(state, name)
                    buffer.view(CHAINS, kept, *buffer.shape[1:])[:, sweep] = value
        return {"log_prob": self.log_prob(rows).mean()}

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """The log posterior predictive density, averaged over the draws, (N,), nats, float64."""
        rows = x.flatten(1).double()
        scale_trils = self.scale_trils.flatten(0, 1)
        log_det = 2 * scale_trils.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_weights = self.weights.flatten().log() - math.log(len(self.weights))
        constant = log_weights - 0.5 * (log_det + rows.shape[1] * math.log(2 * math.pi))
        parts = rows.split(max(1, BLOCK // len(constant)))
        means = self.means.flatten(0, 1)
        return torch.cat(
            [(constant - 0.5 * squared_distances(part, means, scale_trils)).logsumexp(1) for part in parts]
        )

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """A draw of the posterior, a component of it, its Gaussian: (N, *event), in the default floating point type."""
        draw = torch.randint(len(self.weights), (num_samples,), device=self.weights.device)
        k = torch.multinomial(self.weights[draw], 1).squeeze(1)
        noise = torch.randn(num_samples, self.means.shape[-1], 1, dtype=torch.float64, device=self.weights.device)
        x = self.means[draw, k] + (self.scale_trils[draw, k] @ noise).squeeze(-1)
        return x.to(torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)
