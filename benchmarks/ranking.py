"""Exact and bounded models of the same data, in one table: log p(x) of the test part, under the same measure.

    python -m benchmarks.ranking
    python -m benchmarks.ranking wine
    python -m benchmarks.ranking dna

Every model is fitted once, by its preset where it has one for these data, and evaluated on the same test examples.
Printed are log p(x) in nats, exact or the importance-weighted lower bound at K draws, its standard error over the
examples, and how far it is behind the first: the paired mean difference and its standard error. Behind a bound lies
more: it can be beaten by no more than it says, for log p(x) is at least that.

Of wine 139 of 490 test rows, and of DNA 62 of 1,186, have a copy among the training rows, to the last digit, which a
model that keeps or learns rows by heart has seen. So there is a second table of the test rows that have none.

`wine` (UCI wine quality, 11 real columns, a density over their own units) needs winequality-white.csv in
$JENSEN_DATA/tabular, or --wine FILE; `dna` (180 bits, probabilities) needs uci-binary/dna.npz there.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import jensen
from benchmarks import harness
from jensen.data import Split
from jensen.errors import JensenError
from jensen.evaluation import Evaluation
from jensen.evaluation.compare import headline
from jensen.evaluation.results import mean_metric
from jensen.registry import MODELS, create, entry
from jensen.training import Training


@dataclass(frozen=True)
class Contender:
    """A model and its preset."""

    name: str
    preset: str


WINE = (
    Contender("independent", "wine"),
    Contender("gaussian", "wine"),
    Contender("gaussian-mixture", "wine"),
    Contender("kde", "wine"),
    Contender("maf", "wine"),
    Contender("nsf", "wine"),
    Contender("vae", "wine"),
)
DNA = (
    Contender("independent", "tiny"),
    Contender("bernoulli-mixture", "dna"),
    Contender("fvsbn", "dna"),
    Contender("nade", "dna"),
    Contender("made", "dna"),
    Contender("vae", "dna"),
)


@dataclass(frozen=True)
class Run:
    """One model fitted and evaluated, and the seconds that the fit took."""

    label: str
    evaluation: Evaluation
    seconds: float
    is_copy: np.ndarray

    @property
    def without_copies(self) -> Run:
        """The same, of the test rows that no training row equals."""
        metric = headline(self.evaluation)
        assert metric is not None
        values = self.evaluation.examples[metric.name][~self.is_copy]
        rest = mean_metric(metric.name, values, metric.kind, None, metric.num_samples)
        split = f"{self.evaluation.split} without copies of training rows"
        more = {"split": split, "n": len(values), "metrics": (rest,), "examples": {metric.name: values}}
        found = replace(self.evaluation, **more)
        return replace(self, evaluation=found)


def run(contender: Contender, data: dict[str, Any], options: argparse.Namespace) -> Run:
    """Fits and evaluates; prints a line."""
    chosen = entry(contender.name).preset(contender.preset)
    # Scaling is the preset's own, and is put back; the rows are the same.
    scaled = {key: value for key, value in chosen.data.items() if key == "standardize"}
    split = jensen.data.load(**{**(scaled if "target" in data else {}), **data})
    training = {**chosen.training, "seed": options.seed}
    if options.quick:
        training["steps"] = 3
    with torch.random.fork_rng([]):
        torch.manual_seed(options.seed)
        model = create(contender.name, split.spec, **chosen.model)
    start = time.perf_counter()
    objective = entry(contender.name).make_objective(**chosen.objective)
    model = jensen.fit(model, split, objective, progress=False, training=Training(**training)).model
    seconds = time.perf_counter() - start
    found = jensen.evaluate(model, split.test, options.num_samples)
    label = f"{contender.name} `{contender.preset}`"
    print(f"{label}: fitted in {seconds:.0f} s, evaluated in {time.perf_counter() - start - seconds:.0f} s", flush=True)
    return Run(label, found, seconds, copies(split))


def copies(split: Split) -> np.ndarray:
    """Which test rows are among the training rows, as they are stored (N,)."""
    assert isinstance(split.train.x, torch.Tensor)
    assert isinstance(split.test.x, torch.Tensor)
    seen = {row.tobytes() for row in split.train.x.numpy()}
    return np.array([row.tobytes() in seen for row in split.test.x.numpy()])


def ranked(contenders: tuple[Contender, ...], data: dict[str, Any], options: argparse.Namespace) -> list[Run]:
    """Those that are there."""
    runs = []
    for contender in contenders:
        if contender.name not in MODELS or contender.preset not in entry(contender.name).all_presets():
            print(f"{contender.name} is left out: there is no such model, or none with a preset {contender.preset}")
            continue
        runs.append(run(contender, data, options))
    return runs


def table(runs: list[Run]) -> str:
    """The ranking that `jensen compare` makes, as markdown: one measure, one table."""
    seconds = {one.label: one.seconds for one in runs}
    found = jensen.compare({one.label: one.evaluation for one in runs})
    lines = []
    for title, rows in found.tables.items():
        lines += [f"{title}, {runs[0].evaluation.n:,} examples", ""]
        lines += ["| model | kind | log p(x), nats | behind the first, paired | fit, s |", "|---|---|---|---|---|"]
        for row in rows:
            metric = row.metric
            kind = f"{metric.kind}, K = {metric.num_samples:,}" if metric.num_samples else metric.kind
            behind = "" if row.behind is None else f"{row.behind:.2f} ± {row.behind_standard_error:.2f}"
            lines.append(
                f"| {row.run} | {kind} | {metric.value:.2f} ± {metric.standard_error:.2f} | {behind} "
                f"| {seconds[row.run]:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    folder = Path(os.environ.get("JENSEN_DATA", "."))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("command", choices=("wine", "dna", "both"), nargs="?", default="both")
    parser.add_argument("--wine", type=Path, default=folder / "tabular" / "winequality-white.csv", metavar="FILE")
    parser.add_argument("--num-samples", type=int, default=1000, help="K of the bounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.quick:
        options.num_samples = 10
    sources: dict[str, tuple[tuple[Contender, ...], dict[str, Any]]] = {
        "wine": (WINE, {"source": str(options.wine), "target": "quality"}),
        "dna": (DNA, {"source": "dna"}),
    }
    tables, values = [], {}
    for name in sources if options.command == "both" else (options.command,):
        contenders, data = sources[name]
        try:
            runs = ranked(contenders, data, options)
        except JensenError as error:
            raise SystemExit(f"{name}: {error}") from None
        tables.append(table(runs))
        if runs[0].is_copy.any():
            tables.append(table([one.without_copies for one in runs]))
        values[name] = [{"label": r.label, "seconds": r.seconds, **r.evaluation.to_json()} for r in runs]
    said = f"K = {options.num_samples:,} draws of z for each example of a bounded model; seed {options.seed}."
    settings = [asdict(one) for one in (*WINE, *DNA)]
    harness.publish(
        "ranking",
        "Exact and bounded models on the same data",
        [*tables, said],
        {"runs": values, "contenders": settings},
        options.quick,
    )


if __name__ == "__main__":
    main()
