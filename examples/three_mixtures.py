"""One mixture of Gaussians, three ways to fit it, one `evaluate`: EM, mean field and Gibbs sampling.

    python examples/three_mixtures.py faithful.csv --out three.png

EM finds the likeliest parameters. The other two put a prior on them: mean field fits one q and bounds the evidence,
Gibbs sampling draws from the posterior itself, and both predict with the parameters integrated out. All three are
densities of the same x under the same measure, so `compare` may rank them, example by example. Without a file, x are
270 draws of two Gaussians; the components are two, or as many as `--components` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Dirichlet

import jensen
from jensen.data import Split
from jensen.evaluation import Evaluation

BAYESIAN = "bayesian-gaussian-mixture"
WAYS = {
    "EM": ("gaussian-mixture", {}),
    "mean field": (BAYESIAN, {"alpha0": 1.0}),
    "Gibbs": (BAYESIAN, {"alpha0": 1.0, "inference": "gibbs"}),
}


def simulated() -> np.ndarray:
    """270 draws of two Gaussians in the plane, of weights 0.35 and 0.65."""
    noise = np.random.default_rng(0)
    z = noise.random(270) < 0.35
    away, spread = np.where(z[:, None], [[-2.0, -2.0]], [[1.0, 1.0]]), np.where(z[:, None], 0.5, 0.8)
    return (away + spread * noise.standard_normal((270, 2))).astype(np.float32)


def grid_densities(models: dict[str, nn.Module], split: Split) -> tuple[Tensor, dict[str, Tensor]]:
    """A grid about all of the data (G, G, 2), scaled as they are, and each model's density there."""
    rows = split.train.to(dtype=torch.float64).all().x
    low, high = rows.amin(0) - 0.5, rows.amax(0) + 0.5
    lines = [torch.linspace(float(a), float(b), 120, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    grid = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
    with torch.no_grad():
        found = {name: model.log_prob(grid.flatten(0, 1)).exp().view(120, 120) for name, model in models.items()}  # type: ignore[operator]
    return grid, found


def draw(path: Path, models: dict[str, nn.Module], split: Split, scores: dict[str, Evaluation]) -> None:
    """Training data and what each way says their density is, side by side; x standardised."""
    from jensen.reporting.style import FIRST, INK, NEUTRAL, new_figure, png, tidy

    rows = split.train.all().x.numpy()
    grid, densities = grid_densities(models, split)
    top = max(float(density.max()) for density in densities.values())
    names = split.spec.columns or ("x₁", "x₂")
    figure = new_figure(10.2, 3.7)
    for axes, (name, density) in zip(figure.subplots(1, 3, sharey=True), densities.items(), strict=True):
        axes.scatter(*rows.T, s=7, color=NEUTRAL, linewidths=0)
        levels = [top * 2.0**-power for power in (8, 6, 4, 2, 1)]
        axes.contour(grid[:, 0, 0], grid[0, :, 1], density.T, levels=levels, colors=FIRST, linewidths=1.1)
        metric = scores[name]["log_prob"]
        title = f"{name}\nlog p(x) of test {metric.value:.3f} ± {metric.standard_error:.3f} nats"
        axes.set_title(title, fontsize=9.5, color=INK)
        axes.set_xlabel(f"{names[0]}, standardised", fontsize=9, color=INK)
        tidy(axes, grid=False)
    figure.axes[0].set_ylabel(f"{names[1]}, standardised", fontsize=9, color=INK)
    path.write_bytes(png(figure))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="a table of two columns")
    parser.add_argument("--components", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a few seconds: fewer draws")
    parser.add_argument("--out", type=Path, metavar="FILE.png", help="where the three densities are drawn")
    options = parser.parse_args()
    split = jensen.data.load(options.data or simulated(), standardize=True, validation=0, test=0.3)
    models: dict[str, nn.Module] = {}
    scores: dict[str, Evaluation] = {}
    for name, (model, settings) in WAYS.items():
        draws_kept = {"num_draws": 80 if options.tiny else 4000} if name == "Gibbs" else {}
        models[name] = jensen.create(model, split.spec, num_components=options.components, **settings, **draws_kept)
        steps = {} if name == "Gibbs" else {"steps": 1000, "tolerance": 1e-12}
        jensen.fit(models[name], split, progress=False, **steps)
        scores[name] = jensen.evaluate(models[name], split.test)
    print(f"{len(split.train)} rows to fit, {len(split.test)} to test, {options.components} components; nats a row")
    for table in jensen.compare(scores).tables.values():
        for row in table:
            behind = "" if row.behind is None else f", behind by {row.behind:.4f} ± {row.behind_standard_error:.4f}"
            print(f"{row.run:10}  log p(x) {row.metric.value:.4f} ± {row.metric.standard_error:.4f}{behind}")
    evidence = scores["mean field"]["evidence"]
    print(f"mean field also bounds the log evidence, {evidence.unit}: {evidence.value:.3f}")
    print("weights of the components, the largest first; of a posterior its mean and standard deviation")
    # A chain may have the components in any order, and another a moment later: sorted, they can be averaged.
    draws = models["Gibbs"].weights.sort(dim=1, descending=True).values
    q = Dirichlet(models["mean field"].alpha.sort(descending=True).values)
    for name, mean, spread in (
        ("EM", models["EM"].weights.sort(descending=True).values, None),
        ("mean field", q.mean, q.stddev),
        ("Gibbs", draws.mean(0), draws.std(0)),
    ):
        told = mean if spread is None else zip(mean, spread, strict=True)
        each = [f"{one:.4f}" if spread is None else f"{one[0]:.4f} ± {one[1]:.4f}" for one in told]
        print(f"{name:10}  {', '.join(each)}")
    if options.out is not None:
        draw(options.out, models, split, scores)


if __name__ == "__main__":
    main()
