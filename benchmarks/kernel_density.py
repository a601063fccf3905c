"""Kernel densities against scikit-learn's: how exact, and how fast, on Gaussian points.

    python -m benchmarks.kernel_density

Both put a round Gaussian kernel of width h on the same N points of N(0, I) in D dimensions and score the same others.
The error is the largest |log p(x) - direct|, where direct is the sum as it is written, difference by difference.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from sklearn.neighbors import KernelDensity as Peer
from torch import Tensor

from benchmarks import harness
from jensen.data import Spec
from jensen.models.baseline.kernel_density import build

WIDTH = 0.3
CASES = ((2, 10_000, 2000), (11, 4000, 500), (64, 1000, 200), (784, 10_000, 200))  # D, N, points that are scored


def direct(points: Tensor, x: Tensor) -> Tensor:
    """log p(x), (B,)."""
    squares = torch.stack([(points - one).square().sum(1) for one in x]) / WIDTH**2
    dims = points.shape[1]
    return (-squares / 2).logsumexp(1) - math.log(len(points)) - dims * math.log(WIDTH * math.sqrt(2 * math.pi))


def timed(score: Callable[[], object]) -> Callable[[], float]:
    """A contender: the seconds that one scoring takes."""

    def run() -> float:
        start = time.perf_counter()
        score()
        return time.perf_counter() - start

    return run


def main() -> None:
    options = harness.arguments(__doc__, quick={"rounds": 1}, rounds=5)
    lines = [
        "| D | points | scored | time of scikit-learn over ours | error of scikit-learn, nats | of ours |",
        "|---|---|---|---|---|---|",
    ]
    values = []
    for dims, count, scored in CASES:
        points, x = (torch.randn(n, dims, dtype=torch.float64, generator=GENERATOR) for n in (count, scored))
        ours = build(Spec((dims,), "real"), bandwidth=WIDTH, shape="spherical")
        ours.fit_to(points, points[:0])
        peer = Peer(bandwidth=WIDTH).fit(points.numpy())
        truth = direct(points, x)
        errors = [
            float((found - truth).abs().max())
            for found in (ours.log_prob(x), torch.from_numpy(peer.score_samples(x.numpy())))
        ]
        contenders = {
            "jensen": timed(lambda m=ours, x=x: m.log_prob(x)),  # type: ignore[misc]
            "scikit-learn": timed(lambda m=peer, x=x: m.score_samples(x.numpy())),  # type: ignore[misc]
        }
        rounds, dropped = harness.alternate(contenders, options)
        ratio = harness.ratio(rounds, "scikit-learn", "jensen")
        spread = f"{ratio.of_medians:.1f} ({ratio.paired_lowest:.1f} to {ratio.paired_highest:.1f})"
        lines.append(f"| {dims} | {count:,} | {scored:,} | {spread} | {errors[1]:.1e} | {errors[0]:.1e} |")
        values.append({"dims": dims, "dropped": dropped, "errors": errors, "rounds": harness.as_json(rounds)})
    title = "Kernel densities: time and error against scikit-learn's"
    harness.publish("kernel-density", title, ["\n".join(lines)], {"cases": values}, options.quick)


GENERATOR = torch.Generator().manual_seed(0)

if __name__ == "__main__":
    main()
