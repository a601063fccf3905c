"""The mixture of Gaussians, fitted by expectation maximisation.

Source: Dempster, Laird and Rubin (1977); Bishop (2006), Pattern Recognition and Machine Learning, section 9.2.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown

Covariance = Literal["full", "diagonal", "tied", "spherical"]


class GaussianMixture(nn.Module):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k) over the flattened event of D entries, a density in the units of x.

    The parameters are buffers in float64, since EM sets them and no gradient does:
    `weights` π (K,), `means` μ (K, D), and `covariances` Σ, whose shape is that of what is free in it:
    full (K, D, D); tied, one for all components, (D, D); diagonal (K, D); spherical, one variance each, (K,).

    The likelihood of a mixture has no maximum: it grows without bound where one component closes in on one point.
    So the M-step keeps Σ_k - ε S positive semi-definite, where S is the diagonal matrix of the variances of x and ε
    the floor: eigenvalues of S^(-1/2) Σ_k S^(-1/2) below ε are raised to it, and nothing else changes. That is the
    maximiser under the constraint, and the constraint stays the same while x does, so the likelihood never falls,
    whether the floor is reached or not. (Spherical: S is the mean variance. An entry that never varies counts as 1.)

    Args:
        spec: what x is.
        num_components: K.
        covariance: what is free in Σ.
        covariance_floor: ε, the least variance of a component as a fraction of that of x.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(
        self, spec: Spec, *, num_components: int, covariance: Covariance, covariance_floor: float = 1e-6
    ) -> None:
        super().__init__()
        self.spec, self.covariance, self.covariance_floor = spec, covariance, covariance_floor
        components, dims = num_components, spec.num_dims
        unit = {
            "full": torch.eye(dims, dtype=torch.float64).repeat(components, 1, 1),
            "tied": torch.eye(dims, dtype=torch.float64),
            "diagonal": torch.ones(components, dims, dtype=torch.float64),
            "spherical": torch.ones(components, dtype=torch.float64),
        }
        self.register_buffer("weights", torch.full((components,), 1 / components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(components, dims, dtype=torch.float64))
        self.register_buffer("covariances", unit[covariance])

    @property
    def num_components(self) -> int:
        """K."""
        return len(self.weights)

    def log_joint(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log p(x, z = k) = log π_k + log N(x; μ_k, Σ_k), (N, K): -inf where a component has lost all weight."""
        squared_distance = self._squared_distance(x.flatten(1).double())
        log_two_pi = self.means.shape[1] * math.log(2 * math.pi)
        return self.weights.log() - 0.5 * (log_two_pi + self._log_det() + squared_distance)

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, (N, *event) -> (N,), in float64."""
        return self.log_joint(x).logsumexp(1)

    def e_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch components"]:
        """log p(z = k | x), the log-responsibilities (N, K)."""
        return self.log_joint(x).log_softmax(1)

    @torch.no_grad()
    def m_step(self, x: Float[Tensor, "batch *event"], log_responsibilities: Float[Tensor, "batch components"]) -> None:
        """Sets the parameters to the maximisers of Σ_n Σ_k r_nk log p(x_n, z_n = k), with r the responsibilities.

        With N_k = Σ_n r_nk: π_k = N_k / N, μ_k = Σ_n r_nk x_n / N_k, Σ_k = Σ_n r_nk (x_n - μ_k)(x_n - μ_k)' / N_k.
        A component with N_k = 0 gets weight 0 and keeps its place, on which nothing depends any more.
        """
        rows = x.flatten(1).double()
        # About the centre of x the squares below hardly cancel, wherever the origin lies.
        centre = rows.mean(0)
        varies = rows.amax(0) > rows.amin(0)
        rows = rows - centre
        floor = self.covariance_floor * torch.where(varies, rows.square().mean(0), 1.0)
        log_counts = log_responsibilities.logsumexp(0)
        lost = log_counts.isneginf()
        # r_nk / N_k without dividing by N_k, which may be too small for it.
        shares = (log_responsibilities - log_counts.masked_fill(lost, 0.0)).exp().T
        weights = log_counts.softmax(0)
        means = shares @ rows
        if self.covariance == "full":
            covariances = _raised(self._scatter(rows, means, shares), floor)
        elif self.covariance == "tied":
            covariances = _raised(rows.T @ rows / len(rows) - (weights * means.T) @ means, floor)
        else:
            variances = shares @ rows.square() - means.square()
            if self.covariance == "spherical":
                variances, floor = variances.mean(1), floor.mean()
            covariances = variances.maximum(floor)
        if self.covariance != "tied":
            covariances[lost] = self.covariances[lost]
        self.weights.copy_(weights)
        self.means.copy_(torch.where(lost[:, None], self.means, means + centre))
        self.covariances.copy_(covariances)

    @torch.no_grad()
    def initialize(self, x: Float[Tensor, "batch *event"]) -> None:
        """Starts from k-means: an M-step in which every x belongs to its cluster alone.

        Ten starts of k-means, seeded from torch's global generator.

        Raises:
            JensenError: where x has fewer distinct rows than there are components.
        """
        from sklearn.cluster import KMeans

        rows = x.flatten(1).double()
        distinct = len(rows.unique(dim=0))
        if distinct < self.num_components:
            raise JensenError(
                f"a mixture of {self.num_components} components needs as many distinct rows, got {distinct}: "
                f"lower num_components"
            )
        seed = int(torch.randint(2**31, ()))
        labels = KMeans(self.num_components, n_init=10, random_state=seed).fit_predict(rows.cpu().numpy())
        clusters = torch.from_numpy(labels).to(rows.device, torch.int64)
        self.m_step(x, nn.functional.one_hot(clusters, self.num_components).double().log())

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """Draws z from π, then x from N(μ_z, Σ_z): (N, *event), in the default floating point type, as data is."""
        components = torch.multinomial(self.weights, num_samples, replacement=True)
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

    def _log_det(self) -> Tensor:
        """log det Σ_k, (K,), or () where it is one for all."""
        if self.covariance in ("full", "tied"):
            return 2 * torch.linalg.cholesky(self.covariances).diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self.covariances.view(self.num_components, -1).log().expand_as(self.means).sum(1)

    def _squared_distance(self, rows: Tensor) -> Tensor:
        """(x - μ_k)' Σ_k^-1 (x - μ_k), (N, K), by matrix products."""
        components, dims = self.means.shape
        if self.covariance == "full":
            scale = torch.linalg.cholesky(self.covariances)
            whitening = torch.linalg.solve_triangular(scale, torch.eye(dims).to(scale), upper=False)
            offset = (whitening @ self.means[:, :, None]).flatten()
            matrix = whitening.flatten(0, 1).T
            whitened = (torch.addmm(offset, block, matrix, beta=-1) for block in rows.split(self._block))
            return torch.cat([block.view(-1, components, dims).square_().sum(-1) for block in whitened])
        centre = self.means.mean(0)
        rows, means = rows - centre, self.means - centre
        if self.covariance == "tied":
            scale = torch.linalg.cholesky(self.covariances)
            rows, means = (torch.linalg.solve_triangular(scale, side.T, upper=False).T for side in (rows, means))
            precisions = torch.ones_like(means)
        else:
            precisions = self.covariances.reciprocal().view(components, -1).expand_as(means)
        squares = rows.square() @ precisions.T + (precisions * means.square()).sum(1)
        return (squares - 2 * rows @ (precisions * means).T).clamp(min=0)

    def _scatter(self, rows: Tensor, means: Tensor, shares: Tensor) -> Tensor:
        """Σ_n shares_kn (x_n - μ_k)(x_n - μ_k)', (K, D, D)."""
        scatter = torch.zeros_like(self.covariances)
        for block, part in zip(rows.split(self._block), shares.split(self._block, dim=1), strict=True):
            deviations = part.sqrt()[:, :, None] * (block - means[:, None, :])
            scatter.baddbmm_(deviations.mT, deviations)
        return scatter

    @property
    def _block(self) -> int:
        """Rows whose (rows, K, D) numbers fit into a processor's cache, a megabyte: several times faster than all."""
        return max(1, 2**17 // self.means.numel())


def build(
    spec: Spec, *, num_components: int = 2, covariance: Covariance = "full", covariance_floor: float = 1e-6
) -> GaussianMixture:
    """A mixture of Gaussians for real-valued x.

    Args:
        spec: what x is.
        num_components: K.
        covariance: "full", "tied" (one full matrix for all components), "diagonal" or "spherical".
        covariance_floor: the least variance of a component as a fraction of that of x.

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
    if num_components < 1:
        raise JensenError(f"num_components must be at least 1, got {num_components}: 1 is a single Gaussian")
    if not covariance_floor > 0:
        raise JensenError(
            f"covariance_floor must be above 0, got {covariance_floor}: without it the likelihood is unbounded"
        )
    return GaussianMixture(
        spec, num_components=num_components, covariance=covariance, covariance_floor=covariance_floor
    )


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
