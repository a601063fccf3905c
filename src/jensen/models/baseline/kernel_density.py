"""Kernel density estimation: a bump on every training row.

Sources: Rosenblatt (1956), Remarks on some nonparametric estimates of a density function; Parzen (1962), On estimation
of a probability density function and mode; the rules of thumb: Scott (1992), Multivariate Density Estimation, equation
6.42, and Silverman (1986), Density Estimation, equation 4.14; leave-one-out likelihood: Duin (1976).
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jensen.data.spec import Spec
from jensen.errors import JensenError, unknown
from jensen.models.baseline.fitting import column_name, covariance_factor, needs_real, no_spread

Kernel = Literal["gaussian", "epanechnikov", "tophat"]
Rule = Literal["scott", "silverman", "leave-one-out"]
Shape = Literal["full", "diagonal", "spherical"]

# A block of kernel values, 16 megabytes: bounds the memory, and changes no result.
_ROWS, _POINTS = 512, 4096
# Training rows, at equal distances, that the leave-one-out likelihood is taken over; the kernels are those of all rows.
_LEFT_OUT = 2000


class KernelDensity(nn.Module):
    """p(x) = (1/N) Σ_n |H|^(-1/2) K(H^(-1/2) (x - x_n)), H = h² S: one kernel K on every training row x_n.

    Kernels of u in R^D, V the volume of the unit ball: gaussian (2π)^(-D/2) exp(-|u|²/2); epanechnikov
    (D + 2) (1 - |u|²) / 2 V and tophat 1 / V where |u| <= 1. S is the covariance of the training rows ("full", with
    N - 1 in the denominator), its diagonal, or the identity ("spherical"), in which case h is in the units of x.

    The fit keeps all training rows: `points` (N, D), and `factor` the Cholesky factor of S, float64 buffers. A density
    costs O(N D) for each x, done in blocks of bounded memory.

    Args:
        spec: what x is.
        kernel: K.
        rule: how h is found where no `bandwidth` is given.
        bandwidth: h itself, a factor on the scale that S gives; None follows the rule.
        shape: S.
    """

    points: Tensor
    factor: Tensor
    log_bandwidth: Tensor

    def __init__(self, spec: Spec, *, kernel: Kernel, rule: Rule, bandwidth: float | None, shape: Shape) -> None:
        super().__init__()
        self.spec, self.kernel, self.rule, self.bandwidth, self.shape = spec, kernel, rule, bandwidth, shape
        dims = spec.num_dims
        self.register_buffer("points", torch.empty(0, dims, dtype=torch.float64))
        factor = torch.eye(dims, dtype=torch.float64) if shape == "full" else torch.ones(dims, dtype=torch.float64)
        self.register_buffer("factor", factor)
        self.register_buffer("log_bandwidth", torch.zeros((), dtype=torch.float64))

    def log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch"]:
        """log p(x) in nats, (N, *event) -> (N,), in float64; -inf where no kernel reaches."""
        if not len(self.points):
            raise JensenError("the kernel density has no points yet: fit it to data")
        rows, points = self._whitened(x.flatten(1).double()), self._whitened(self.points)
        return self._log_means(rows, points, self.log_bandwidth[None])[0]

    def leave_one_out(self, log_bandwidths: Float[Tensor, " candidates"]) -> Float[Tensor, "candidates rows"]:
        """log p of training rows under the kernels on all the others, for several log h: of up to 2,000 rows."""
        count = len(self.points)
        rows = torch.linspace(0, count - 1, min(count, _LEFT_OUT), device=self.points.device).long()
        points = self._whitened(self.points)
        return self._log_means(points[rows], points, log_bandwidths, rows)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Float[Tensor, "num_samples *event"]:
        """A training row, then a draw of its kernel: (N, *event), in the default floating point type."""
        if not len(self.points):
            raise JensenError("the kernel density has no points yet: fit it to data")
        chosen = self.points[torch.randint(len(self.points), (num_samples,), device=self.points.device)]
        u = torch.randn_like(chosen)
        dims = chosen.shape[1]
        if self.kernel != "gaussian":
            # The squared radius is Beta distributed: r^(D - 1) of the ball, and (1 - r²) of the kernel.
            tail = torch.tensor(1.0 if self.kernel == "tophat" else 2.0).to(chosen)
            squared = torch.distributions.Beta(torch.tensor(dims / 2).to(chosen), tail).sample((num_samples, 1))
            u = u / u.norm(dim=1, keepdim=True) * squared.sqrt()
        scaled = u @ self.factor.T if self.shape == "full" else u * self.factor
        x = (chosen + self.log_bandwidth.exp() * scaled).to(torch.get_default_dtype())
        return x.view(num_samples, *self.spec.event_shape)

    @torch.no_grad()
    def fit_to(self, x: Float[Tensor, "batch *event"], validation: Float[Tensor, "_ *event"]) -> dict[str, Tensor]:
        """Keeps the rows, and finds S and h.

        The logged log p is leave-one-out: a row's own kernel says nothing of it.

        Raises:
            JensenError: fewer than two rows, a column that never varies, a singular covariance, or leave-one-out
                likelihood without a bound, since every row has a copy.
        """
        rows = x.flatten(1).double()
        count, dims = rows.shape
        if count < 2:
            raise JensenError(f"a kernel density needs two rows or more, got {count}: give more")
        self.points = rows.clone()
        if self.shape == "full":
            if count <= dims:
                raise JensenError(
                    f"a full covariance of {dims} entries needs more rows than that, got {count}: set shape=diagonal"
                )
            self.factor.copy_(covariance_factor(torch.cov(rows.T).reshape(dims, dims), self.spec))
        elif self.shape == "diagonal":
            spread = rows.std(0)
            if (spread <= 0).any():
                raise no_spread(column_name(self.spec, int((spread <= 0).nonzero()[0])))
            self.factor.copy_(spread)
        self.log_bandwidth.copy_(self._chosen(count, dims))
        return {"log_prob": self.leave_one_out(self.log_bandwidth[None]).mean()}

    def _chosen(self, count: int, dims: int) -> Tensor:
        """log h."""
        if self.bandwidth is not None:
            return torch.full_like(self.log_bandwidth, math.log(self.bandwidth))
        # Spherical rules are of the units of x.
        unit = self.points.var(0).mean().sqrt() if self.shape == "spherical" else torch.ones_like(self.log_bandwidth)
        scott = (unit * count ** (-1 / (dims + 4))).log()
        if self.rule == "scott":
            return scott
        silverman = scott + math.log(4 / (dims + 2)) / (dims + 4)
        return silverman if self.rule == "silverman" else self._likeliest(silverman)

    def _likeliest(self, start: Tensor) -> Tensor:
        """The log h of the highest leave-one-out likelihood, to 1%.

        By three grids, each between the neighbours of the best of the last; all h of one share its distances.
        """
        centre, reach = start, math.log(64.0)
        for number in range(3):
            candidates = centre + torch.linspace(-reach, reach, 15).to(start)
            values = self.leave_one_out(candidates).mean(1)
            best = int(values.argmax())
            if number == 0 and (best in (0, 14) or values[best].isneginf()):
                raise JensenError(
                    "the leave-one-out likelihood has no maximum within a factor of 64 of the rule of thumb, as where "
                    "most rows have a copy: drop the copies, or set rule=silverman"
                )
            centre, reach = candidates[best], reach / 7
        return centre

    def _whitened(self, rows: Tensor) -> Tensor:
        """Rows in the coordinates in which S is the identity, about the middle of the training rows."""
        centred = rows - self.points.mean(0)
        if self.shape == "full":
            return torch.linalg.solve_triangular(self.factor, centred.T, upper=False).T
        return centred / self.factor

    def _log_means(
        self, rows: Tensor, points: Tensor, log_bandwidths: Tensor, own: Tensor | None = None
    ) -> Float[Tensor, "candidates batch"]:
        """The log of the mean kernel on `points` at each row, for each h; without the point `own` (B,) of each row."""
        dims = points.shape[1]
        found = []
        for start in range(0, len(rows), _ROWS):
            block = rows[start : start + _ROWS]
            total = torch.full((len(log_bandwidths), len(block)), -torch.inf).to(block)
            for first in range(0, len(points), _POINTS):
                squared = _squared_distances(block, points[first : first + _POINTS])
                if own is not None:
                    column = own[start : start + _ROWS] - first
                    inside = (column >= 0) & (column < squared.shape[1])
                    squared[inside, column[inside]] = torch.inf
                for place, log_bandwidth in enumerate(log_bandwidths):
                    part = _log_kernel(squared * (-2 * log_bandwidth).exp(), self.kernel).logsumexp(1)
                    total[place] = torch.logaddexp(total[place], part)
            found.append(total)
        diagonal = self.factor.diagonal() if self.shape == "full" else self.factor
        constant = _log_constant(dims, self.kernel) - dims * log_bandwidths - diagonal.log().sum()
        return torch.cat(found, 1) + constant[:, None] - math.log(len(points) - (own is not None))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # How many points there are is known to the data alone.
        self.points = torch.empty_like(state_dict[f"{prefix}points"], device=self.points.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _squared_distances(rows: Tensor, points: Tensor) -> Tensor:
    """|x - x_n|², (B, N)."""
    products = torch.addmm(points.square().sum(1).expand(len(rows), -1), rows, points.T, alpha=-2)
    return products.add_(rows.square().sum(1, keepdim=True)).clamp_(min=0)


def _log_kernel(squared: Tensor, kernel: Kernel) -> Tensor:
    """log K without its constant, of |u|²."""
    if kernel == "gaussian":
        return -0.5 * squared
    inside = squared <= 1 if kernel == "tophat" else squared < 1
    shape = torch.zeros_like(squared) if kernel == "tophat" else (-squared.clamp(max=1)).log1p()
    return shape.masked_fill(~inside, -torch.inf)


def _log_constant(dims: int, kernel: Kernel) -> float:
    """log of what makes the kernel's integral 1."""
    if kernel == "gaussian":
        return -0.5 * dims * math.log(2 * math.pi)
    log_ball = 0.5 * dims * math.log(math.pi) - math.lgamma(dims / 2 + 1)
    return -log_ball if kernel == "tophat" else math.log((dims + 2) / 2) - log_ball


def build(
    spec: Spec,
    *,
    kernel: Kernel = "gaussian",
    rule: Rule = "scott",
    bandwidth: float | None = None,
    shape: Shape = "full",
) -> KernelDensity:
    """A kernel density of real-valued x.

    Args:
        spec: what x is.
        kernel: "gaussian", "epanechnikov" or "tophat".
        rule: of the bandwidth: "scott" and "silverman" are rules of thumb, right for a Gaussian; "leave-one-out"
            maximises the likelihood of each row under the kernels on the others.
        bandwidth: h itself, a factor on the scale that `shape` gives; none follows the rule.
        shape: "full" stretches the kernel as the data's covariance is, "diagonal" as the spread of each column;
            "spherical" leaves it round, and h in the units of x.

    Raises:
        JensenError: where x is not real-valued, or the bandwidth not above 0.
    """
    needs_real("kde", spec, "independent or bernoulli-mixture")
    for name, value, options in (("kernel", kernel, Kernel), ("rule", rule, Rule), ("shape", shape, Shape)):
        if value not in get_args(options):
            raise unknown(name, value, get_args(options))
    if bandwidth is not None and not bandwidth > 0:
        raise JensenError(f"bandwidth must be above 0, got {bandwidth:g}: leave it out to follow the rule")
    return KernelDensity(spec, kernel=kernel, rule=rule, bandwidth=bandwidth, shape=shape)
