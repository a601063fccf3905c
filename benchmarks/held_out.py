"""Held-out log p(x) of a preset against a baseline in which every column or pixel is independent of the rest.

    python -m benchmarks.held_out wine --data winequality-white.csv
    python -m benchmarks.held_out exchange-rate
    python -m benchmarks.held_out freyfaces
    python -m benchmarks.held_out fashion-mnist --seeds 0 --num-samples 20

A command fits one preset, one run for each seed, takes the importance-weighted bound of every test example at K draws
of z, and prints how far it is above the baseline on the same examples, under the same measure: the paired mean
difference in nats and its standard error. The baseline's log p(x) is exact, the model's is a lower bound.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import jensen
from benchmarks import harness
from jensen.data import Split
from jensen.evaluation.results import paired_difference
from jensen.presets.base import Preset
from jensen.registry import create, entry
from jensen.training import Training


@dataclass(frozen=True)
class Found:
    """One model on one test set: per-example log p(x) of model and baseline, nats, and what they are."""

    name: str
    split: str
    measure: str
    model: list[float]
    baseline: list[float]
    seconds: float

    def row(self) -> str:
        """A line of the table."""
        difference, error = paired_difference(self.model, self.baseline)
        ours, theirs = (sum(values) / len(values) for values in (self.model, self.baseline))
        return (
            f"| {self.name} | {self.split}, {len(self.model):,} examples | {ours:.3f} | {theirs:.3f} "
            f"| {difference:.3f} ± {error:.3f} | {difference / error:.1f} | {self.measure} | {self.seconds:.0f} |"
        )


HEADER = (
    "| model | data | bound on log p(x) | baseline | above it | standard errors | measure | training, s |\n"
    "|---|---|---|---|---|---|---|---|"
)


def wine(options: argparse.Namespace) -> list[Found]:
    """Dense VAEs of a table's real columns, and of the same with `quality` as a category."""
    if options.data is None:
        raise SystemExit("wine needs --data winequality-white.csv, or the red one")
    return [against_baseline("vae", preset, options, source=options.data) for preset in ("wine", "wine-mixed")]


def fashion_mnist(options: argparse.Namespace) -> list[Found]:
    """Convolutional VAEs of Fashion-MNIST, as bits and at 256 levels."""
    return [against_baseline("vae", preset, options) for preset in ("fashion-mnist", "fashion-mnist-8bit")]


def freyfaces(options: argparse.Namespace) -> list[Found]:
    """A convolutional VAE of Frey's face; the test frames are the video's last, and near copies of one another."""
    return [against_baseline("vae", "freyfaces", options)]


def exchange_rate(options: argparse.Namespace) -> list[Found]:
    """A recurrent VAE of windows of exchange rates; the test windows are the last years', end to end."""
    return [against_baseline("vae", "exchange-rate", options)]


COMMANDS: dict[str, Callable[[argparse.Namespace], list[Found]]] = {
    "wine": wine,
    "fashion-mnist": fashion_mnist,
    "freyfaces": freyfaces,
    "exchange-rate": exchange_rate,
}


def against_baseline(name: str, preset: str, options: argparse.Namespace, **data: object) -> Found:
    """Fits the preset (`data` goes over its own) once for each seed; the bound is averaged over the seeds' models."""
    chosen: Preset = entry(name).preset(preset)
    split = jensen.data.load(**{**chosen.data, **data})
    training = {**chosen.training, **({"steps": 20} if options.quick else {})}
    values, seconds = [], 0.0
    for seed in options.seeds:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            model = create(name, split.spec, **chosen.model)
        objective = entry(name).make_objective(**chosen.objective)
        start = time.perf_counter()
        fitted = jensen.fit(model, split, objective, training=Training(**{**training, "seed": seed})).model
        seconds += time.perf_counter() - start
        found = jensen.evaluate(fitted, split.test, options.num_samples)
        values.append(torch.from_numpy(found.examples[f"iwae_{options.num_samples}"]))
        print(f"{name} {preset}, seed {seed}: {values[-1].mean():.3f} nats, {seconds:.0f} s", flush=True)
    ours = torch.stack(values).mean(0)
    theirs = baseline_log_prob(split)
    return Found(
        f"{name} `{preset}`, {len(options.seeds)} seeds",
        f"{split.test.name}/{split.test.part}",
        found.measure,
        ours.tolist(),
        theirs.tolist(),
        seconds,
    )


def baseline_log_prob(split: Split) -> Tensor:
    """log p(x) of each test example (N,), nats, under the model `independent`: every entry by itself."""
    model = jensen.fit(create("independent", split.spec), split, progress=False).model
    return torch.from_numpy(jensen.evaluate(model, split.test).examples["log_prob"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", help="the file, where the command's data have no name")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--num-samples", type=int, default=1000, help="K of the bound")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = COMMANDS[options.command](options)
    table = "\n".join([HEADER, *(one.row() for one in found)])
    said = f"K = {options.num_samples}; seeds {', '.join(map(str, options.seeds))}, the mean of their models' bounds."
    values = {"num_samples": options.num_samples, "seeds": options.seeds, "found": harness.as_json(found)}
    harness.publish(
        f"held-out-{options.command}",
        "Held-out log p(x) against independent columns",
        [table, said],
        values,
        options.quick,
    )


if __name__ == "__main__":
    main()
