"""The mixture of Gaussians, fitted by expectation maximisation.

Source: Dempster, Laird and Rubin (1977); Bishop (2006), Pattern Recognition and Machine Learning, section 9.2; with
missing entries: Ghahramani and Jordan (1994), Supervised learning from incomplete data via an EM approach.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.models.mixture.base import Assignment, FiniteMixture, check_choices, check_rows, clusters, has_missing
from jensen.models.mixture.missing import completed_moments, log_density_of_observed
from jensen.models.mixture.quadratic import squared_distances, weighted_moments, weighted_moments_by_entry

Covariance = Literal["full", "diagonal", "tied", "spherical"]
_LOG_TWO_PI = math.log(2 * math.pi)


class GaussianMixture(FiniteMixture):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k) over the flattened event of D entries, a density in the units of x.

    The parameters are buffers in float64, since EM sets them and no gradient does:
    `weights` π (K,), `means` μ (K, D), and `covariances` Σ, whose shape is that of what is free in it:
    full (K, D, D); tied, one for all components, (D, D); diagonal (K, D); spherical, one variance each, (K,).

    The likelihood of a mixture has no maximum: it grows without bound where one component closes in on one point.
    So the M-step keeps Σ_k - ε S positive semi-definite, where S is the diagonal matrix of the variances of x and ε
    the floor: eigenvalues of S^(-1/2) Σ_k S^(-1/2) below ε are raised to it, and nothing else changes. That is the
    maximiser under the constraint, and the constraint stays the same while x does, so the likelihood never falls,
    whether the floor is reached or not. (Spherical: S is the mean variance. An entry that never varies counts as 1.)

    Entries that are NaN are missing: densities are of the others, and EM treats the missing ones as latent too.

    Args:
        spec: what x is.
        num_components: K.
        covariance: what is free in Σ.
        covariance_floor: ε, the least variance of a component as a fraction of that of x.
        assignment: the q(z) of the E-step, see `FiniteMixture`.
    """

    means: Tensor
    covariances: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        num_components: int,
        covariance: Covariance,
        covariance_floor: float = 1e-6,
        assignment: Assignment = "soft",
    ) -> None:
        super().__init__(spec, num_components, assignment)
        self.covariance, self.covariance_floor = covariance, covariance_floor
        components, dims = num_components, spec.num_dims
        unit = {
            "full": torch.eye(dims, dtype=torch.float64).repeat(components, 1, 1),
            "tied": torch.eye(dims, dtype=torch.float64),
            "diagonal": torch.ones(components, dims, dtype=torch.float64),
            "spherical": torch.ones(components, dtype=torch.float64),
        }
        self.register_buffer("means", torch.zeros(components, dims, dtype=torch.float64))
        self.register_buffer("covariances", unit[covariance])

    @property
    def num_free_parameters(self) -> int:
        """K - 1 weights, K D means, and the distinct entries of Σ."""
        components, dims = self.means.shape
        shared = {"full": components, "tied": 1}.get(self.covariance)
        of_covariances = self.covariances.numel() if shared is None else shared * dims * (dims + 1) // 2
        return components - 1 + self.means.numel() + of_covariances

    def log_joint(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log p(x, z = k) = log π_k + log N(x; μ_k, Σ_k), (N, K): -inf where a component has lost all weight."""
        rows = x.flatten(1).double()
        return self.weights.log() + self._log_density(rows)

    def m_step(self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]) -> None:
        """Sets the parameters to the maximisers of Σ_n Σ_k r_nk log p(x_n, z_n = k), with r the responsibilities.

        With N_k = Σ_n r_nk: π_k = N_k / N, μ_k = Σ_n r_nk x_n / N_k, Σ_k = Σ_n r_nk (x_n - μ_k)(x_n - μ_k)' / N_k.
        A component with N_k = 0 gets weight 0 and keeps its place, on which nothing depends any more. Of missing
        entries the sums take the expectation given the others, under the parameters that the step starts from.
        """
        with torch.no_grad():
            rows = x.flatten(1).double()
            # About the centre of x the squares below hardly cancel, wherever the origin lies.
            missing = has_missing(rows)
            centre = rows.nanmean(0).nan_to_num() if missing else rows.mean(0)
            rows = rows - centre
            floor = self.covariance_floor * _variances(rows, missing)
            if self.covariance in ("full", "tied"):
                log_counts, means, covariances = self._with_correlations(rows, log_responsibilities, centre)
                covariances = _raised(covariances, floor)
            else:
                log_counts, means, covariances = self._entry_by_entry(rows, log_responsibilities, centre)
                covariances = covariances.maximum(floor if self.covariance == "diagonal" else floor.mean())
            lost = log_counts.isneginf()
            if self.covariance != "tied":
                covariances[lost] = self.covariances[lost]
            self.weights.copy_(log_counts.softmax(0))
            self.means.copy_(torch.where(lost[:, None], self.means, means + centre))
            self.covariances.copy_(covariances)

    def _with_correlations(
        self, rows: Tensor, log_responsibilities: Tensor, centre: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log N_k, μ_k about the centre, and Σ, full or tied."""
        if has_missing(rows):
            log_counts, means, moments = completed_moments(
                rows, log_responsibilities, self.means - centre, self.covariances
            )
        elif self.covariance == "full":
            log_counts, means, moments = weighted_moments(rows, log_responsibilities)
        else:
            log_counts, _, means, _ = weighted_moments_by_entry(rows, log_responsibilities)
            moments = (rows.T @ rows / len(rows)).expand(len(means), -1, -1)
        if self.covariance == "full":
            return log_counts, means, moments - means[:, :, None] * means[:, None, :]
        weights = log_counts.softmax(0)
        return log_counts, means, torch.tensordot(weights, moments, dims=1) - (weights * means.T) @ means

    def _entry_by_entry(
        self, rows: Tensor, log_responsibilities: Tensor, centre: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log N_k, μ_k about the centre, and Σ, diagonal or spherical: moments over the entries that are there."""
        log_counts, share, means, squares = weighted_moments_by_entry(rows, log_responsibilities)
        variances = squares - means.square()
        means = torch.where(share > 0, means, self.means - centre)
        if self.covariance == "spherical":
            variances, share = (share * variances).sum(1) / share.sum(1), share.sum(1)
        return log_counts, means, torch.where(share > 0, variances, self.covariances)

    @torch.no_grad()
    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts from k-means: an M-step in which every x belongs to its cluster alone.

        Ten starts of k-means, seeded from torch's global generator. What is missing counts as the mean of its entry.

        Raises:
            JensenError: where x has fewer distinct rows than there are components, or an entry that no row has.
        """
        rows = x.flatten(1).double()
        check_rows(rows, self.num_components)
        rows = torch.where(rows.isnan(), rows.nanmean(0), rows)
        self.m_step(rows, clusters(rows, self.num_components))

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """Draws z from π, then x from N(μ_z, Σ_z): (N, *event), in the default floating point type, as data is."""
        components = self.draw_components(num_samples)
        noise = torch.randn(num_samples, self.means.shape[1], dtype=torch.float64, device=self.means.device)
        if self.covariance == "full":
            scale = torch.linalg.cholesky(self.covariances)
            for k in range(self.num_components):
                mine = components == k
                noise[mine] = noise[mine] @ scale[k].mT
        elif self.covariance == "tied":
            noise = noise @ torch.linalg.cholesky(self.covariances).mT
        else:
            noise = noise * self.covariances.sqrt().view(self.num_components, -1)[components]
        x = self.means[components] + noise
        return x.to(torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)

    def _log_density(self, rows: Tensor) -> Tensor:
        """log N(x_n; μ_k, Σ_k) of the entries of x_n that are there, (N, K)."""
        if self.covariance in ("diagonal", "spherical"):
            return self._log_density_entry_by_entry(rows)
        if has_missing(rows):
            return log_density_of_observed(rows, self.means, self.covariances)
        scale = torch.linalg.cholesky(self.covariances)
        log_det = 2 * scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        if self.covariance == "full":
            distance = squared_distances(rows, self.means, scale)
        else:
            centre = self.means.mean(0)
            rows, means = (
                torch.linalg.solve_triangular(scale, (side - centre).T, upper=False).T for side in (rows, self.means)
            )
            distance = _expanded_squares(rows, means, torch.ones_like(means))
        return distance.add_(rows.shape[1] * _LOG_TWO_PI + log_det).mul_(-0.5)

    def _log_density_entry_by_entry(self, rows: Tensor) -> Tensor:
        """The same of independent entries: a sum over those that are there."""
        centre = self.means.mean(0)
        rows, means = rows - centre, self.means - centre
        variances = self.covariances.view(self.num_components, -1).expand_as(means)
        log_scales = _LOG_TWO_PI + variances.log()
        if not has_missing(rows):
            return _expanded_squares(rows, means, 1 / variances).add_(log_scales.sum(1)).mul_(-0.5)
        missing = rows.isnan()
        there = (~missing).double()
        rows = rows.nan_to_num(nan=0.0)
        # Σ_d (x_d - μ_d)² / v_d over the entries that are there: where x_d is not, μ_d is taken out again.
        absent = missing.double() @ (means.square() / variances).T
        return -0.5 * (there @ log_scales.T + _expanded_squares(rows, means, 1 / variances) - absent)


def build(
    spec: Spec,
    *,
    num_components: int = 2,
    covariance: Covariance = "full",
    covariance_floor: float = 1e-6,
    assignment: Assignment = "soft",
) -> GaussianMixture:
    """A mixture of Gaussians for real-valued x.

    Args:
        spec: what x is.
        num_components: K.
        covariance: "full", "tied" (one full matrix for all components), "diagonal" or "spherical".
        covariance_floor: the least variance of a component as a fraction of that of x.
        assignment: "soft" is EM; "hard" gives each x wholly to its most probable component, which is no longer
            maximum likelihood.

    Raises:
        JensenError: where x is not real-valued, or a number is out of range.

    >>> model = build(Spec((2,), "real"), num_components=3)
    >>> model.log_prob(model.sample(5)).shape
    torch.Size([5])
    """
    if spec.kind not in ("real", "unit"):
        raise JensenError(
            f"gaussian-mixture needs real-valued x, got kind '{spec.kind}': choose a model of discrete x, such as made"
        )
    if covariance not in get_args(Covariance):
        raise unknown("covariance", covariance, get_args(Covariance))
    check_choices(num_components, assignment)
    if not covariance_floor > 0:
        raise JensenError(
            f"covariance_floor must be above 0, got {covariance_floor}: without it the likelihood is unbounded"
        )
    return GaussianMixture(
        spec,
        num_components=num_components,
        covariance=covariance,
        covariance_floor=covariance_floor,
        assignment=assignment,
    )


def _variances(centred: Tensor, missing: bool) -> Tensor:
    """The variance of each entry over the rows that have it, (D,); 1 where it never varies."""
    if not missing:
        return torch.where(centred.amax(0) > centred.amin(0), centred.square().mean(0), 1.0)
    highest = centred.nan_to_num(nan=-torch.inf).amax(0)
    lowest = centred.nan_to_num(nan=torch.inf).amin(0)
    variances = centred.square().nansum(0) / (~centred.isnan()).sum(0)
    return torch.where(highest > lowest, variances, 1.0)


def _expanded_squares(rows: Tensor, means: Tensor, precisions: Tensor) -> Tensor:
    """Σ_d p_kd (x_nd - μ_kd)², (N, K), multiplied out into matrix products."""
    squares = torch.addmm((precisions * means.square()).sum(1), rows.square(), precisions.T)
    return squares.addmm_(rows, (precisions * means).T, alpha=-2).clamp_(min=0)


def _raised(covariances: Tensor, floor: Tensor) -> Tensor:
    """The covariances (..., D, D), raised so that subtracting diag(floor) leaves them positive semi-definite."""
    scale = floor.sqrt()
    relative = covariances / (scale[:, None] * scale)
    # A Cholesky factor exists just where all eigenvalues are above the floor, and is cheaper than they are.
    if not torch.linalg.cholesky_ex(relative - torch.eye(len(floor)).to(relative)).info.any():
        return covariances
    values, vectors = torch.linalg.eigh(relative)
    root = scale[:, None] * vectors * values.clamp(min=1.0).sqrt()[..., None, :]
    return root @ root.mT
