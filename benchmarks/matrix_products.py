"""What share of the machine's largest matrix product the products of an importance-sampling estimate reach.

    python -m benchmarks.matrix_products

The largest is the best rate over square single-precision products, by torch's own routine and by oneDNN. Of a decoder
it prints the rate of its matrix products alone, at the sizes that evaluation gives them, and over the whole estimate of
log p(x): everything else, from the draws to the logarithm, counts as time in which no product is made. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import torch

import jensen
from benchmarks.figures.common import markdown
from jensen.evaluation.likelihood import examples_at_once, log_marginal_likelihood
from jensen.evaluation.log_mean import samples_at_once
from jensen.evaluation.onednn import OneDNNLinear

# z and the widths of the decoder, activation: the nets of `vae --preset cs236` and of `iwae --preset short`.
DECODERS = {
    "cs236": ((10, 300, 300, 784), "elu"),
    "200-200-(50)": ((50, 200, 200, 784), "tanh"),
}
SQUARES = (512, 1024, 2048, 4096)


def seconds(function: Callable[[], object], rounds: int) -> float:
    """The least of some rounds: what the machine can do when nothing else is in the way."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def product(rows: int, inward: int, outward: int, rounds: int) -> float:
    """Seconds of one linear layer, by the routine that evaluation uses."""
    layer, x = torch.nn.Linear(inward, outward), torch.randn(rows, inward)
    with OneDNNLinear():
        return seconds(lambda: layer(x), rounds)


def largest(rounds: int) -> float:
    """Floating-point operations a second."""
    rates = []
    for n in SQUARES:
        a = torch.randn(n, n)
        rates += [2 * n**3 / seconds(lambda a=a: a @ a, rounds), 2 * n**3 / product(n, n, n, rounds)]
    return max(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--num-samples", type=int, default=1000, help="K")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, and nothing else")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(rounds=1, images=4, num_samples=10)
    torch.set_num_threads(1)
    split = jensen.data.load("mnist", binarize="dynamic")
    x = split.test.batch(torch.arange(options.images)).x
    rows = []
    with torch.no_grad():
        top = largest(options.rounds)
        for name, (widths, activation) in DECODERS.items():
            settings = {"latent_dim": widths[0], "hidden": widths[-2:0:-1], "activation": activation}
            model = jensen.create("vae", split.spec, **settings).eval()
            parts = x.split(examples_at_once(options.num_samples))
            pairs = list(itertools.pairwise(widths))
            at_once = samples_at_once(parts[0]) * len(parts[0])
            alone = sum(product(at_once, *pair, options.rounds) for pair in pairs) / at_once
            whole = seconds(
                lambda model=model, parts=parts: [
                    log_marginal_likelihood(model, part, options.num_samples) for part in parts
                ],
                options.rounds,
            ) / (len(x) * options.num_samples)
            operations = 2 * sum(a * b for a, b in pairs)
            shares = (f"{operations / each / top:.0%}" for each in (alone, whole))
            rows.append((name, *shares))
    print(f"largest product: {top / 1e9:.0f} GFLOP/s; {options.images} images, K = {options.num_samples}\n")
    print(markdown(("decoder", "its products alone", "over the whole estimate"), rows))


if __name__ == "__main__":
    main()
