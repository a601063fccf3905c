"""One Gaussian with a full covariance, fitted by maximum likelihood: the best that is linear in everything.

Source: Anderson (2003), An Introduction to Multivariate Statistical Analysis, third edition, sections 2.5 and 3.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from jensen.data.spec import Spec
from jensen.errors import JensenError
from jensen.models.baseline.fitting import covariance_factor, needs_real


class Gaussian(nn.Module):
    """p(x) = N(x; μ, Σ) over the flattened event of D entries, a density in the units of x.

    μ = (1/N) Σ_n x_n and Σ = (1/N) Σ_n (x_n - μ)(x_n - μ)' are the maximum of the likelihood. Entries of x that are
    missing (NaN) are integrated out, which leaves the Gaussian of the others.

    Args:
        spec: what x is.
    """

    sums_out_missing = True
    mean: Tensor
    covariance: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        # float64, since no gradient sets them and rounding would show in a covariance that is nearly singular.
        self.register_buffer("mean", torch.zeros(spec.num_dims, dtype=torch.float64))
        self.register_buffer("covariance", torch.eye(spec.num_dims, dtype=torch.float64))

    def marginal(self, there: Tensor) -> MultivariateNormal:
        """Of the entries where `there` (D,) is true."""
        covariance = self.covariance[there][:, there]
        return MultivariateNormal(self.mean[there], scale_tril=torch.linalg.cholesky(covariance), validate_args=False)

    def completion(self, x: Float[Tensor, " dims"]) -> MultivariateNormal:
        """p(the entries of x that are NaN | those that are not), for one flattened x (D,), in their order.

        μ_a + Σ_ab Σ_bb^-1 (x_b - μ_b), and Σ_aa - Σ_ab Σ_bb^-1 Σ_ba.
        """
        there = ~x.isnan()
        cross = self.covariance[~there][:, there]
        gain = torch.cholesky_solve(cross.T, torch.linalg.cholesky(self.covariance[there][:, there])).T
        mean = self.mean[~there] + gain @ (x[there].double() - self.mean[there])
        covariance = self.covariance[~there][:, ~there] - gain @ cross.T
        return MultivariateNormal(mean, scale_tril=torch.linalg.cholesky(covariance), validate_args=False)

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, of the entries that are there: (N, *event) -> (N,), in float64."""
        rows = x.flatten(1).double()
        found = torch.zeros(len(rows), dtype=torch.float64, device=x.device)
        patterns, pattern = (~rows.isnan()).unique(dim=0, return_inverse=True)
        for number, there in enumerate(patterns):
            mine = pattern == number
            if there.any():
                found[mine] = self.marginal(there).log_prob(rows[mine][:, there])
        return found

    @torch.no_grad()
    def sample(
        self, num_samples: int, *, given: Float[Tensor, "*given"] | None = None
    ) -> Float[Tensor, "num_samples *event"]:
        """(N, *event), in the default floating point type, as data is.

        Args:
            num_samples: N.
            given: the known entries of x, (*event), the same for every draw; NaN where x is to be drawn.
        """
        known = torch.full_like(self.mean, torch.nan) if given is None else given.flatten().to(self.mean)
        rows = known.repeat(num_samples, 1)
        rows[:, known.isnan()] = self.completion(known).sample(torch.Size([num_samples]))
        return rows.to(torch.get_default_dtype()).view(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def fit_to(self, x: Float[Tensor, "batch *event"], validation: Float[Tensor, "_ *event"]) -> dict[str, Tensor]:
        """Mean and covariance of x.

        Raises:
            JensenError: where the covariance is singular, or an entry is missing.
        """
        rows = x.flatten(1).double()
        if len(rows) <= self.spec.num_dims:
            raise JensenError(
                f"a full covariance of {self.spec.num_dims} entries needs more rows than that, got {len(rows)}: give "
                "more rows, or choose independent"
            )
        if rows.isnan().any():
            raise JensenError("gaussian is fitted to whole rows: drop those with gaps, or choose gaussian-mixture")
        mean = rows.mean(0)
        covariance = (rows - mean).T @ (rows - mean) / len(rows)
        covariance_factor(covariance, self.spec)
        self.mean.copy_(mean)
        self.covariance.copy_(covariance)
        return {"log_prob": self.log_prob(x).mean()}


def build(spec: Spec) -> Gaussian:
    """One Gaussian with a full covariance, for real-valued x.

    Raises:
        JensenError: where x is not real-valued.

    >>> model = build(Spec((2,), "real"))
    >>> model.log_prob(torch.zeros(1, 2))
    tensor([-1.8379], dtype=torch.float64)
    """
    needs_real("gaussian", spec, "independent")
    return Gaussian(spec)
