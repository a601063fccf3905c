"""The Bayesian mixture of Gaussians, fitted by mean-field variational Bayes.

Source: Bishop (2006), Pattern Recognition and Machine Learning, section 10.2; Attias (1999), Inferring parameters and
structure of latent variable models by variational Bayes.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Dirichlet, kl_divergence

from jensen.data.spec import Spec
from jensen.distributions.wishart import log_integral, mean_log_det
from jensen.errors import JensenError, unknown
from jensen.models.mixture.base import check_choices, clusters, normalised
from jensen.models.mixture.gibbs import GibbsGaussianMixture, Prior, complete_rows
from jensen.models.mixture.quadratic import squared_distances, squared_distances_multiplied_out, weighted_moments

Inference = Literal["mean-field", "gibbs"]


class BayesianGaussianMixture(nn.Module):
    """A mixture of Gaussians whose parameters are random too, over the flattened event of D entries:

        p(π) = Dir(π; α_0),  p(μ_k | Λ_k) = N(μ_k; 0, (β_0 Λ_k)^-1),  p(Λ_k) = Wishart(Λ_k; w_0 I, ν_0)

    with mean ν_0 w_0 I. Given the training data the posterior is approximated by q(Z) q(π) ∏_k q(μ_k, Λ_k), each factor
    of the prior's family. Its parameters are buffers in float64: `alpha` (K,), `beta` (K,), `means` m (K, D),
    `inverse_scales` W^-1 (K, D, D) and `nu` (K,).

    `log_prob` is the log-density of the posterior predictive under q, ∫ p(x | π, μ, Λ) q(π, μ, Λ): a mixture of
    Student-t, exact for this q. `elbo` is the lower bound on log p(X) of all training data together, with the
    parameters integrated out; EM keeps the last one in `evidence_bound` (), and the number of rows in `num_fitted` ().

    Args:
        spec: what x is. The prior is in the units of x, so x should be standardised.
        num_components: K.
        alpha0: α_0, of each component; well below 1 it empties components that are not needed.
        beta0: β_0, how many rows the prior's mean is worth.
        w0: w_0.
        nu0: ν_0 > D - 1, degrees of freedom.
    """

    alpha: Tensor
    beta: Tensor
    means: Tensor
    inverse_scales: Tensor
    nu: Tensor
    evidence_bound: Tensor
    num_fitted: Tensor

    def __init__(self, spec: Spec, *, num_components: int, alpha0: float, beta0: float, w0: float, nu0: float) -> None:
        super().__init__()
        self.spec, self.alpha0, self.beta0, self.w0, self.nu0 = spec, alpha0, beta0, w0, nu0
        components, dims = num_components, spec.num_dims
        ones = torch.ones(components, dtype=torch.float64)
        self.register_buffer("alpha", alpha0 * ones)
        self.register_buffer("beta", beta0 * ones)
        self.register_buffer("means", torch.zeros(components, dims, dtype=torch.float64))
        inverse_scale = torch.eye(dims, dtype=torch.float64) / w0
        self.register_buffer("inverse_scales", inverse_scale.repeat(components, 1, 1))
        self.register_buffer("nu", nu0 * ones)
        self.register_buffer("evidence_bound", torch.zeros((), dtype=torch.float64))
        self.register_buffer("num_fitted", torch.zeros((), dtype=torch.int64))

    @property
    def num_components(self) -> int:
        """K."""
        return len(self.alpha)

    @property
    def weights(self) -> Float[Tensor, "components"]:
        """E[π] = α_k / Σ_j α_j, (K,)."""
        return self.alpha / self.alpha.sum()

    def log_rho(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """E_q log p(x, z = k | π, μ, Λ), (N, K), nats: ln ρ of Bishop's (10.46)."""
        rows = x.flatten(1).double()
        scale = torch.linalg.cholesky(self.inverse_scales)
        log_weights = self.alpha.digamma() - self.alpha.sum().digamma()
        dims = rows.shape[1]
        expected = mean_log_det(self.nu, _log_det_inverse(scale), dims)  # E_q log |Λ_k|
        constant = expected - dims * (math.log(2 * math.pi) + 1 / self.beta)
        # The prior keeps every W_k^-1 wide enough.
        distance = squared_distances_multiplied_out(rows, self.means, scale)
        return torch.addcmul(log_weights + 0.5 * constant, distance, self.nu, value=-0.5)

    def e_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log q(z = k) of each x, the log-responsibilities (N, K)."""
        return self.e_step_and_bound(x)[0]

    @torch.no_grad()
    def e_step_and_bound(
        self, x: Float[Tensor, "batch *event"]
    ) -> tuple[Float[Tensor, "batch components"], dict[str, Float[Tensor, ""]]]:
        """The E-step, and {"elbo"}: the bound that it reaches on log p(X), divided by the rows of X."""
        log_responsibilities, log_normaliser = normalised(self.log_rho, x, self.num_components)
        return log_responsibilities, {"elbo": (log_normaliser.sum() - self._kl()) / len(x)}

    @torch.no_grad()
    def elbo(
        self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]
    ) -> Float[Tensor, ""]:
        """The lower bound on log p(X) of all rows of x together, nats, with q(Z) as given: no term is left out.

        E_q log p(X, Z | π, μ, Λ) + H(q(Z)) - KL(q(π) || p(π)) - Σ_k KL(q(μ_k, Λ_k) || p(μ_k, Λ_k)), the sum of Bishop's
        (10.71) to (10.77). Relabelling the components gives K! posteriors that are as good: q is near one of them, and
        log K! is not added.
        """
        responsibilities = log_responsibilities.exp()
        terms = responsibilities * (self.log_rho(x) - log_responsibilities)
        return torch.where(responsibilities > 0, terms, 0.0).sum() - self._kl()

    @torch.no_grad()
    def m_step(self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]) -> None:
        """Sets q(π), q(μ, Λ) to the best given q(Z), Bishop's (10.58) to (10.63).

        With N_k = Σ_n r_nk: α_k = α_0 + N_k, β_k = β_0 + N_k, ν_k = ν_0 + N_k, m_k = Σ_n r_nk x_n / β_k and
        W_k^-1 = W_0^-1 + Σ_n r_nk x_n x_n' - β_k m_k m_k'. A component of no rows goes back to its prior.
        """
        rows = x.flatten(1).double()
        # About the centre of x, where the prior's mean is -centre, the squares hardly cancel.
        centre = rows.mean(0)
        rows = rows - centre
        log_counts, of_x, of_products = weighted_moments(rows, log_responsibilities)
        counts = log_counts.exp()
        self.alpha.copy_(self.alpha0 + counts)
        self.beta.copy_(self.beta0 + counts)
        self.nu.copy_(self.nu0 + counts)
        means = (counts[:, None] * of_x - self.beta0 * centre) / self.beta[:, None]
        prior = torch.eye(len(centre)).to(rows) / self.w0 + self.beta0 * torch.outer(centre, centre)
        spread = self.beta[:, None, None] * means[:, :, None] * means[:, None, :]
        self.inverse_scales.copy_(prior + counts[:, None, None] * of_products - spread)
        self.means.copy_(means + centre)

    @torch.no_grad()
    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts from k-means: an M-step in which every x belongs to its cluster alone.

        Ten starts of k-means, seeded from torch's global generator.

        Raises:
            JensenError: where x has fewer distinct rows than there are components, or missing entries.
        """
        rows = complete_rows(x, self.num_components)
        self.m_step(rows, clusters(rows, self.num_components))

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log ∫ p(x | π, μ, Λ) q(π, μ, Λ) = log Σ_k (α_k / Σ_j α_j) St(x; m_k, L_k, d_k), (N,), nats, float64.

        The posterior predictive under q, Bishop's (10.81): Student-t of d_k = ν_k + 1 - D degrees of freedom and
        precision L_k = d_k β_k W_k / (1 + β_k).
        """
        rows = x.flatten(1).double()
        dims = rows.shape[1]
        freedom, scale = self._predictive()
        log_det = 2 * scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        distance = squared_distances(rows, self.means, scale)
        upper = (freedom + dims) / 2
        log_constant = upper.lgamma() - (freedom / 2).lgamma() - 0.5 * (dims * (math.pi * freedom).log() + log_det)
        return (self.weights.log() + log_constant - upper * (distance / freedom).log1p()).logsumexp(1)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """Draws from the posterior predictive, (N, *event), in the default floating point type."""
        components = torch.multinomial(self.weights, num_samples, replacement=True)
        freedom, scale = self._predictive()
        noise = torch.randn(num_samples, self.means.shape[1], dtype=torch.float64, device=self.means.device)
        chi_squared = torch.distributions.Chi2(freedom[components]).sample()
        noise = noise * (freedom[components] / chi_squared).sqrt()[:, None]
        for k in range(self.num_components):
            mine = components == k
            noise[mine] = noise[mine] @ scale[k].mT
        x = self.means[components] + noise
        return x.to(torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)

    def _predictive(self) -> tuple[Tensor, Tensor]:
        """Of each Student-t the degrees of freedom (K,) and the Cholesky factor of its scale matrix (K, D, D)."""
        freedom = self.nu + 1 - self.means.shape[1]
        factor = (1 + self.beta) / (freedom * self.beta)
        return freedom, torch.linalg.cholesky(self.inverse_scales) * factor.sqrt()[:, None, None]

    def _kl(self) -> Tensor:
        """KL(q(π, μ, Λ) || p(π, μ, Λ)), ()."""
        dims = self.means.shape[1]
        scale = torch.linalg.cholesky(self.inverse_scales)
        log_det = _log_det_inverse(scale)
        scales = torch.cholesky_inverse(scale)
        ratio = self.beta0 / self.beta
        distance = (scales @ self.means[:, :, None]).squeeze(-1).mul(self.means).sum(1)
        of_mean = 0.5 * (dims * (ratio - 1 - ratio.log()) + self.beta0 * self.nu * distance)
        trace = scales.diagonal(dim1=-2, dim2=-1).sum(-1) / self.w0
        of_precision = (
            self._log_prior_normaliser
            - log_integral(self.nu, log_det, dims)
            + 0.5 * ((self.nu - self.nu0) * mean_log_det(self.nu, log_det, dims) - self.nu * dims + self.nu * trace)
        )
        prior = Dirichlet(torch.full_like(self.alpha, self.alpha0))
        return kl_divergence(Dirichlet(self.alpha), prior) + of_mean.sum() + of_precision.sum()

    @property
    def _log_prior_normaliser(self) -> Tensor:
        """That of p(Λ_k), ()."""
        dims = self.means.shape[1]
        return log_integral(self.nu.new_tensor(self.nu0), self.nu.new_tensor(dims * math.log(self.w0)), dims)


def build(
    spec: Spec,
    *,
    num_components: int = 10,
    alpha0: float = 1e-3,
    beta0: float = 1.0,
    w0: float = 1.0,
    nu0: float | None = None,
    inference: Inference = "mean-field",
    num_draws: int = 1000,
) -> BayesianGaussianMixture | GibbsGaussianMixture:
    """A Bayesian mixture of Gaussians for standardised real x.

    Args:
        spec: what x is.
        num_components: K, the most that there can be: those that are not needed end up empty.
        alpha0: concentration of the Dirichlet prior of the weights.
        beta0: how many rows the prior's mean, 0, is worth.
        w0: the Wishart prior's scale matrix is w0 times the identity.
        nu0: the Wishart prior's degrees of freedom; none is D, the number of entries of x.
        inference: "mean-field" fits one q and bounds the evidence; "gibbs" draws from the posterior itself.
        num_draws: how many draws "gibbs" keeps.

    Raises:
        JensenError: where x is not real-valued, or a number is out of range.

    >>> model = build(Spec((2,), "real"), num_components=3)
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    if spec.kind not in ("real", "unit"):
        raise JensenError(
            f"bayesian-gaussian-mixture needs real-valued x, got kind '{spec.kind}': choose a model of discrete x, "
            "such as bernoulli-mixture"
        )
    check_choices(num_components)
    nu0 = float(spec.num_dims) if nu0 is None else nu0
    for name, value, least in (
        ("alpha0", alpha0, 0),
        ("beta0", beta0, 0),
        ("w0", w0, 0),
        ("nu0", nu0, spec.num_dims - 1),
    ):
        if not value > least:
            raise JensenError(f"{name} must be above {least}, got {value:g}: below that the prior is no distribution")
    if inference not in get_args(Inference):
        raise unknown("inference", inference, get_args(Inference))
    if inference == "gibbs":
        prior = Prior(alpha0, beta0, w0, nu0)
        return GibbsGaussianMixture(spec, num_components=num_components, prior=prior, num_draws=num_draws)
    return BayesianGaussianMixture(spec, num_components=num_components, alpha0=alpha0, beta0=beta0, w0=w0, nu0=nu0)


def _log_det_inverse(factor: Tensor) -> Tensor:
    """log |W_k|, (K,), with W_k^-1 = L_k L_k'."""
    return -2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
