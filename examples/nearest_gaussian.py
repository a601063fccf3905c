"""A correlated Gaussian, N(0, [[1, r], [r, 1]]) with r = 0.9, by every kind of variational inference there is here.

A q of independent entries has variance 1 - r^2 where KL(q || p) is least, and misses p by -log(1 - r^2) / 2 nats; where
KL(p || q) is least it has the variances of p. A q of full covariance is p. To each method p is a log-density as a user
would write it, without its constant.
"""

from __future__ import annotations

import argparse
import math

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from jensen.inference import coordinate_ascent, fit_forward_kl, fit_vi

R = 0.9
LOG_NORMALISER = math.log(2 * math.pi) + 0.5 * math.log(1 - R**2)  # of exp(log_density) over the plane


def log_density(z: Tensor) -> Tensor:
    """(N, 2) -> (N,)."""
    first, second = z.unbind(-1)
    return -0.5 * (first**2 - 2 * R * first * second + second**2) / (1 - R**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="fewer draws, and less exact")
    draws, samples = (20, 1000) if parser.parse_args().tiny else (100, 100_000)
    torch.manual_seed(0)
    zero = torch.zeros(2, dtype=torch.float64)
    p = MultivariateNormal(zero, torch.tensor([[1, R], [R, 1]], dtype=torch.float64))
    print(f"log of the normalising constant {LOG_NORMALISER:.4f}; the least KL(q || p) of independent entries "
          f"{-0.5 * math.log(1 - R**2):.4f} nats")  # fmt: skip
    for family in ("diagonal", "full"):
        found = fit_vi(log_density, 2, family, start=zero + 1, num_samples=draws)
        q = MultivariateNormal(found.q.mean, torch.diag(found.q.variance)) if family == "diagonal" else found.q
        print(
            f"fit_vi, {family}: variances {_list(found.q.variance)}; "
            f"ELBO {found.elbo.value:.4f} ± {found.elbo.standard_error:.4f}; KL(q || p) {kl_divergence(q, p):.4f}"
        )
    line = torch.linspace(-6, 6, 241, dtype=torch.float64)
    cells = log_density(torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)) + 2 * (line[1] - line[0]).log()
    start = [(-0.5 * (line - 2) ** 2).softmax(0)] * 2
    table = coordinate_ascent(cells, start)
    variances = torch.stack([(q * line**2).sum() - (q * line).sum() ** 2 for q in table.factors])
    print(
        f"coordinate_ascent on {cells.shape[0]} x {cells.shape[1]} cells: variances {_list(variances)}; "
        f"ELBO {table.history[0]:.4f} at the start, {table.elbo:.4f} after {len(table.history) - 1} updates"
    )
    wide = Independent(Normal(zero, 3 + zero), 1)
    for family in ("diagonal", "full"):
        forward = fit_forward_kl(log_density, wide, family, num_samples=samples)
        print(
            f"fit_forward_kl, {family}: variances {_list(forward.q.variance)}; EUBO {forward.eubo.value:.4f} ± "
            f"{forward.eubo.standard_error:.4f}; {samples:,} draws are worth {forward.effective_sample_size:,.0f}"
        )


def _list(values: Tensor) -> str:
    return ", ".join(f"{value:.4f}" for value in values.tolist())


if __name__ == "__main__":
    main()
