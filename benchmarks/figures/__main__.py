"""python -m benchmarks.figures NAME --out DIR: prints the numbers, and writes DIR/NAME.png."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

import torch

from benchmarks.figures import (
    blur,
    em_bound,
    explaining_away,
    funnel,
    gan_gradients,
    gan_stages,
    growing_dimension,
    kl_directions,
    markov_chains,
    narrow_normal,
    rate_distortion,
    receptive_fields,
    signal_to_noise,
    tightness,
)
from jensen.errors import JensenError
from jensen.reporting.style import png
from jensen.training.checkpoint import write_atomically

FIGURES: dict[str, ModuleType] = {
    "rate-distortion": rate_distortion,
    "tightness": tightness,
    "signal-to-noise": signal_to_noise,
    "blur": blur,
    "gan-gradients": gan_gradients,
    "gan-stages": gan_stages,
    "receptive-fields": receptive_fields,
    "narrow-normal": narrow_normal,
    "funnel": funnel,
    "kl-directions": kl_directions,
    "em-bound": em_bound,
    "growing-dimension": growing_dimension,
    "markov-chains": markov_chains,
    "explaining-away": explaining_away,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("name", choices=FIGURES, help="; ".join(f"{k}: {summary(v)}" for k, v in FIGURES.items()))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where NAME.png is written")
    parser.add_argument("--tiny", action="store_true", help="seconds; shows that everything works")
    options = parser.parse_args()
    chosen = FIGURES[options.name]
    torch.manual_seed(0)
    try:
        found = chosen.compute(options.tiny)
        print(f"{summary(chosen)}\n\n{chosen.table(found)}\n")
        path = options.out / f"{options.name}.png"
        write_atomically(path, png(chosen.draw(found)))
    except JensenError as error:
        parser.exit(2, f"jensen: {error}\n")
    print(path)


def summary(figure: ModuleType) -> str:
    assert figure.__doc__ is not None
    return figure.__doc__.partition("\n")[0]


if __name__ == "__main__":
    main()
