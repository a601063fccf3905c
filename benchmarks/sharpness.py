"""Is a VAE/GAN sharper than a VAE of the same nets, data and number of steps, and what does it cost in reconstruction?

    python -m benchmarks.sharpness --classifier DIR [--seeds 0,1,2] [--steps N] [--quick]

DIR is a run of `jensen fit classifier --preset mnist`. Of each model: the variance of the Laplacian of its samples (of
the VAE E[x | z], for its draws have pixel noise), beside that of the test data; the squared Frechet distance of samples
and test data in the classifier's features; the squared error of reconstructions. Means over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import jensen
from benchmarks.figures.common import markdown
from jensen.evaluation.frechet import frechet_distance
from jensen.evaluation.sharpness import laplacian_variance
from jensen.models.classifier import Classifier
from jensen.registry import entry

SAMPLES = 5000
FIGURES = ("variance of the Laplacian", "squared Frechet distance", "squared error of reconstructions")


def trained(name: str, split: jensen.data.Split, seed: int, steps: int | None) -> nn.Module:
    """A run of the preset `mnist` of vae-gan, or a VAE with its nets, latents, steps and batches."""
    preset = entry("vae-gan").preset("mnist")
    settings, training = dict(preset.model), {**preset.training, "seed": seed, "threads": 1}
    if steps is not None:
        training["steps"] = steps
    if name == "vae":
        settings = {key: settings[key] for key in ("latent_dim", "net", "hidden")}
        settings |= {"activation": "leaky-relu", "likelihood": "gaussian", "likelihood_scale": "learned"}
        training["betas"] = (0.9, 0.999)  # those of the game would slow it down
    torch.manual_seed(seed)
    return jensen.fit(jensen.create(name, split.spec, **settings), split, **training).model


@torch.no_grad()
def measure(model: nn.Module, split: jensen.data.Split, classifier: Classifier) -> tuple[float, float, float]:
    """The figures, in the order of FIGURES."""
    count = min(SAMPLES, len(split.test))
    torch.manual_seed(0)
    samples = getattr(model, "sample_mean", model.sample)(count)  # type: ignore[operator]
    x = split.test.batch(torch.arange(count)).x
    error = torch.cat([(some - model.reconstruct(some)).square().flatten(1).sum(1) for some in x.split(500)])  # type: ignore[operator]
    distance = frechet_distance(features(classifier, x), features(classifier, samples)).squared
    return float(laplacian_variance(samples).mean()), distance, float(error.mean())


def features(classifier: Classifier, x: Tensor) -> Tensor:
    return torch.cat([classifier.features(some) for some in x.split(500)])


def table(found: dict[str, np.ndarray], of_data: float) -> str:
    """`found` holds (seeds, figures) of each model."""
    gain = found["vae-gan"] - found["vae"]
    rows = []
    for place, figure in enumerate(FIGURES):
        cells = [plus_minus(found[name][:, place]) for name in ("vae", "vae-gan")]
        rows.append((figure, *cells, plus_minus(gain[:, place]), f"{of_data:.4f}" if place == 0 else ""))
    return markdown(("figure", "vae", "vae-gan", "vae-gan less vae, by seed", "test data"), rows)


def plus_minus(values: np.ndarray) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean():.4f} ± {error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharpness", description=__doc__)
    parser.add_argument("--classifier", type=Path, required=True, metavar="DIR", help="whose features are compared")
    parser.add_argument("--seeds", default="0,1,2", help="each a run of both models")
    parser.add_argument("--steps", type=int, help="of both, instead of the preset's")
    parser.add_argument("--quick", action="store_true", help="30 steps: shows that everything works")
    options = parser.parse_args()
    classifier = jensen.load(options.classifier)
    if not isinstance(classifier, Classifier):
        parser.exit(2, f"jensen: {options.classifier} is no run of a classifier\n")
    split = jensen.data.load(**entry("vae-gan").preset("mnist").data)
    steps = 30 if options.quick else options.steps
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = {
        name: np.array([measure(trained(name, split, seed, steps), split, classifier) for seed in seeds])
        for name in ("vae", "vae-gan")
    }
    of_data = float(laplacian_variance(split.test.batch(torch.arange(min(SAMPLES, len(split.test)))).x).mean())
    print(f"features: {options.classifier.resolve().name}; {SAMPLES:,} samples; seeds {options.seeds}\n")
    print(table(found, of_data))


if __name__ == "__main__":
    main()
