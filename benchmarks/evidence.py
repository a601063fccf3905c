"""The evidence by sampling the prior: how many draws it takes, and why.

    python -m benchmarks.evidence prior-sampling   # linear-Gaussian models, whose evidence is known
    python -m benchmarks.evidence cropped-digit    # the nearer in pixels is the wrong one (Doersch 2016)

`prior-sampling` averages p(x | z) over S draws from the prior, and beside it p(x, z) / q(z | x) over S draws from an
encoder's q that is slightly wrong, for Z latent dimensions: the error in nats against the exact log p(x), the
effective sample size that the weights show, and the one that their exact moments give.

`cropped-digit` saves a figure of an MNIST digit, the same with a part erased, the same shifted, and the nearest of the
60,000 training images, with their squared distances in pixels.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from benchmarks import harness, mnist
from jensen.evaluation.likelihood import importance_sampling
from jensen.evaluation.prior_sampling import prior_sampling
from jensen.models.latent.vae import VAE

DIMENSIONS = (2, 10, 50)
SCALE = 0.5  # of the noise: the posterior's standard deviation is .45 of the prior's in every direction
OFFSET, WIDEN = 0.2, 1.1  # of the encoder, in units of the posterior's standard deviation
ROWS_ERASED, PIXELS_SHIFTED = slice(18, 28), 2


def linear_gaussian(latent_dim: int) -> tuple[VAE, Tensor]:
    """z ~ N(0, I), x ~ N(W z, s^2 I) with W'W = I, in R^(2 Z), double precision; and W.

    The posterior is N(W'x / (1 + s^2), s^2 / (1 + s^2) I), and the encoder has it slightly wrong.
    """
    weight = torch.linalg.qr(torch.randn(2 * latent_dim, latent_dim, dtype=torch.float64)).Q
    scale = SCALE / math.sqrt(1 + SCALE**2)
    zero, one = torch.zeros(latent_dim, dtype=torch.float64), torch.ones(latent_dim, dtype=torch.float64)

    def posterior(x: Tensor) -> Distribution:
        mean = x @ weight / (1 + SCALE**2) + OFFSET * scale
        return Independent(Normal(mean, WIDEN * scale), 1)

    def likelihood(z: Tensor) -> Distribution:
        return Independent(Normal(z @ weight.T, SCALE), 1)

    return VAE(lambda: Independent(Normal(zero, one), 1), posterior, likelihood), weight


def marginal(weight: Tensor, variance: float) -> MultivariateNormal:
    """N(0, W W' + variance I)."""
    zero = torch.zeros(len(weight), dtype=weight.dtype)
    return MultivariateNormal(zero, weight @ weight.T + variance * torch.eye(len(weight), dtype=weight.dtype))


def expected_share(weight: Tensor, x: Tensor) -> Tensor:
    """(E w)^2 / E w^2 of w = p(x | z), z ~ p(z): the effective sample size of one draw, (B,).

    p(x | z)^2 is N(x; W z, s^2 / 2) over (4 pi s^2)^(D / 2), so that both moments are Gaussian densities.
    """
    second = marginal(weight, SCALE**2 / 2).log_prob(x) - 0.5 * len(weight) * math.log(4 * math.pi * SCALE**2)
    return (2 * marginal(weight, SCALE**2).log_prob(x) - second).exp()


def sampled_prior() -> None:
    """The table of errors and effective sample sizes."""
    options = harness.arguments(__doc__, examples=20, largest_power=6, quick={"largest_power": 3})
    header = (
        "| Z | S | prior: error, nats | says of itself | effective S | exact effective S "
        "| encoder: error, nats | says of itself | effective S |"
    )
    lines, values = [header, "|---" * 9 + "|"], []
    for latent_dim in DIMENSIONS:
        torch.manual_seed(latent_dim)
        model, weight = linear_gaussian(latent_dim)
        x = marginal(weight, SCALE**2).sample((options.examples,))
        exact, share = marginal(weight, SCALE**2).log_prob(x), expected_share(weight, x).mean().item()
        for power in range(2, options.largest_power + 1):
            cells = [str(latent_dim), f"1e{power}"]
            row: dict[str, float] = {"latent_dim": latent_dim, "num_samples": 10**power}
            for name, sample in (("prior", prior_sampling), ("encoder", importance_sampling)):
                total = sample(model, x, 10**power)
                estimate, size = total.estimate(), total.effective_sample_size().mean().item()
                error = (estimate.value - exact).mean().item()
                said = estimate.standard_error.square().mean().sqrt().item()
                cells += [f"{error:+.3f}", f"{said:.3f}", f"{size:.3g}"]
                row |= {f"{name}_error": error, f"{name}_standard_error": said, f"{name}_effective_sample_size": size}
                if name == "prior":
                    cells.append(f"{10**power * share:.2g}")
                    row["exact_effective_sample_size"] = 10**power * share
            lines.append("| " + " | ".join(cells) + " |")
            values.append(row)
            print(lines[-1], flush=True)
    note = (
        f"Means over {options.examples} x drawn from the model. Error: estimate - log p(x). Says of itself: the delta "
        "method's standard error, root mean square. Exact effective S: S (E w)^2 / E w^2; below 1 the weights' own "
        "effective sample size and standard error cannot be believed, for the draws that matter have not come."
    )
    title = "log p(x) by sampling the prior and by sampling the encoder, linear-Gaussian models"
    harness.publish("prior-sampling", title, [note, "\n".join(lines)], {"rows": values}, options.quick)


def cropped_digit() -> None:
    """The figure, and its distances on the standard output."""
    from jensen.reporting.style import NEUTRAL, new_figure, png

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("cropped-digit.png"))
    parser.add_argument("--image", type=int, default=15, help="which of the test images")
    options = parser.parse_args()
    train, test = mnist.images()
    digit = test[options.image].view(28, 28)
    cropped, shifted = digit.clone(), digit.roll(PIXELS_SHIFTED, 1)
    cropped[ROWS_ERASED] = 0
    distances = (train - digit.flatten()).square().sum(1)
    nearest = train[distances.argmin()].view(28, 28)
    panels = {
        "x": digit,
        "a part erased": cropped,
        "nearest of 60,000": nearest,
        f"shifted by {PIXELS_SHIFTED} pixels": shifted,
    }
    figure = new_figure(9, 2.7)
    for axes, (name, image) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        distance = float((image - digit).square().sum())
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(name if image is digit else f"{name}\nsquared distance {distance:.1f}", fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(NEUTRAL)
        print(f"{name}: squared distance {distance:.2f}")
    options.out.write_bytes(png(figure))
    print(f"written to {options.out}")


COMMANDS = {"prior-sampling": sampled_prior, "cropped-digit": cropped_digit}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        raise SystemExit(f"usage: python -m benchmarks.evidence {{{','.join(COMMANDS)}}}")
    COMMANDS[sys.argv.pop(1)]()


if __name__ == "__main__":
    main()
