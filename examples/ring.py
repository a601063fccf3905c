"""A push-forward: the ring x = z / 10 + z / |z| of z ~ N(0, I) in the plane (Doersch 2016), and a flow that learns it.

The map turns one law into another, and the entropy follows by change of variables, H(x) = H(z) + E log |det dx/dz|.
In polar coordinates it stretches by 1/10 along the radius and by |x| / |z| across it, with |x| = 1 + |z| / 10. So

    H(x) = 1 + log 2 pi - log 10 - E log |z| + E log(1 + |z| / 10),    E log |z| = (log 2 - gamma) / 2,

of which the last term is an integral over the Rayleigh law of |z|. A neural spline flow is then fitted to draws of x
alone. Its cross-entropy -E log q(x) on fresh draws is the entropy plus KL(p || q), the nats that it falls short.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import jensen
from jensen.data.toy import density
from jensen.registry import entry


def push_forward(z: Tensor) -> Tensor:
    """x = z / 10 + z / |z|, (N, 2) -> (N, 2)."""
    return z / 10 + z / z.norm(dim=-1, keepdim=True)


def entropy() -> float:
    """H(x) in nats."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    s, weights = 5 * (nodes + 1), 5 * weights  # |z| > 10 has probability exp(-50)
    log_radius = float((weights * s * np.exp(-(s**2) / 2) * np.log1p(s / 10)).sum())
    mean_log_s = (math.log(2) - np.euler_gamma) / 2
    return 1 + math.log(2 * math.pi) - math.log(10) - mean_log_s + log_radius


def cross_entropy(model: torch.nn.Module, x: Tensor) -> tuple[float, float, float]:
    """-E log q(x); KL(p || q) = E log p(x) - log q(x), paired, and its standard error; nats."""
    with torch.no_grad():
        log_q = model.log_prob(x.float()).double()  # type: ignore[operator]
    gap = density("ring").log_prob(x) - log_q
    return -float(log_q.mean()), float(gap.mean()), float(gap.std()) / math.sqrt(len(gap))


def draw(path: Path) -> None:
    """z and what becomes of it, side by side, each point in the colour of its |z|."""
    from jensen.reporting.style import INK, new_figure, png, tidy

    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    figure = new_figure(8.4, 4.2)
    for axes, points, name in zip(figure.subplots(1, 2), (z, push_forward(z)), "zx", strict=True):
        axes.scatter(*points.T.numpy(), c=z.norm(dim=1).numpy(), cmap="viridis", s=8, linewidths=0)
        axes.set_aspect("equal")
        axes.set_title("z ~ N(0, I)" if name == "z" else "x = z / 10 + z / |z|", fontsize=10, color=INK)
        axes.set_xlabel(f"${name}_1$", fontsize=10, color=INK)
        axes.set_ylabel(f"${name}_2$", fontsize=10, color=INK)
        tidy(axes, grid=False)
    path.write_bytes(png(figure))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few seconds, and a coarser fit")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="where the figure of z and x is written")
    options = parser.parse_args()
    if options.out is not None:
        draw(options.out)
    split = jensen.data.load("ring")
    preset = entry("nsf").preset("tiny")
    torch.manual_seed(0)
    model = jensen.create("nsf", split.spec, **preset.model)
    steps = 100 if options.tiny else 2000
    jensen.fit(model, split, progress=False, **{**preset.training, "steps": steps})
    found, gap, error = cross_entropy(model, density("ring").sample(20_000, seed=1))
    print(f"entropy of the push-forward {entropy():.4f} nats")
    print(f"cross-entropy of the flow   {found:.4f} nats on 20,000 fresh draws")
    print(f"KL(p || q)                  {gap:.4f} ± {error:.4f} nats")


if __name__ == "__main__":
    main()
