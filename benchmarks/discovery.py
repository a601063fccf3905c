"""The PC algorithm on samples of a known network against causal-learn's: time, and distance to the true class.

    python -m benchmarks.discovery --threads 1

Both get the same rows, test and level, and run their order-independent version: causal-learn by its default rule,
sepset, and by max-p, jensen by each of its three. They take turns, in reversed order every other sample. Timed is the
CPU time of this one thread, the encoding of the columns included. SHD, the distance to the true class, counts each pair
of nodes that the two graphs join differently once. causal-learn is in the extra "bench"; without it, --alone.
JENSEN_DATA names a folder that has bif/NETWORK.bif in it.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import statistics
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import harness
from jensen.errors import JensenError
from jensen.graphs import DiscreteNetwork, read_bif
from jensen.graphs.discovery import RULES, pc
from jensen.graphs.equivalence import PartiallyDirected, cpdag, structural_hamming_distance
from jensen.graphs.independence import ChiSquare, GSquared

TESTS = {"chi-square": (ChiSquare, "chisq"), "g-squared": (GSquared, "gsq")}
THEIR_RULES = {"sepset": 0, "max-p": 1}


@dataclass(frozen=True)
class Run:
    """One run on one sample: the distance to the true class, the pairs joined in one skeleton only, CPU seconds."""

    num_rows: int
    test: str
    alpha: float
    who: str
    seed: int
    distance: int
    skeleton: int
    seconds: float


def ours(rows: np.ndarray, nodes: tuple[str, ...], test: str, alpha: float, rule: str) -> PartiallyDirected:
    return pc(TESTS[test][0](dict(zip(nodes, rows.T, strict=True))), alpha, rule).graph


def theirs(rows: np.ndarray, nodes: tuple[str, ...], test: str, alpha: float, rule: str) -> PartiallyDirected:
    from causallearn.search.ConstraintBased.PC import pc as their_pc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = their_pc(rows, alpha, TESTS[test][1], uc_rule=THEIR_RULES[rule], show_progress=False)
    ends = found.G.graph  # [i, j] is the mark at i of the edge to j: -1 a tail, 1 an arrow's head
    directed, undirected = set(), set()
    for i, j in zip(*np.nonzero(ends), strict=True):
        if ends[i, j] == -1 and ends[j, i] == 1:
            directed.add((nodes[i], nodes[j]))
        elif ends[i, j] == ends[j, i]:  # a - b, or a <-> b, which no true edge is
            undirected.add(frozenset((nodes[i], nodes[j])))
    return PartiallyDirected(nodes, frozenset(directed), frozenset(undirected))


def table(runs: list[Run]) -> str:
    lines = ["| rows, test, alpha | | median SHD | of each sample | median, skeleton | median CPU s | times jensen's |"]
    lines.append("|---" * 7 + "|")
    groups: dict[tuple[int, str, float, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.num_rows, run.test, run.alpha, run.who), []).append(run)
    for (num_rows, test, alpha, who), group in groups.items():
        mine = groups[num_rows, test, alpha, who.replace("causal-learn", "jensen")]
        ratio = statistics.median(run.seconds / own.seconds for run, own in zip(group, mine, strict=True))
        distances = [run.distance for run in group]
        lines.append(
            f"| {num_rows:,}, {test}, {alpha:g} | {who} | {statistics.median(distances):g} | "
            f"{', '.join(map(str, distances))} | {statistics.median(run.skeleton for run in group):g} | "
            f"{statistics.median(run.seconds for run in group):.2f} | {ratio:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--network", default="alarm")
    parser.add_argument("--test", choices=TESTS, nargs="+", default=list(TESTS))
    parser.add_argument("--alpha", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--rows", type=int, nargs="+", default=[5000, 10_000])
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without causal-learn")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    options = parser.parse_args()
    if options.quick:
        options.network, options.rows, options.samples = "asia", [1000], 1
    torch.set_num_threads(options.threads)
    network = load(options.network)
    true, runs = cpdag(network.graph), []
    contenders = {f"jensen, {rule}": (ours, rule) for rule in RULES}
    if not options.alone:
        importlib.import_module("causallearn.search.ConstraintBased.PC")  # which takes seconds, and is not timed
        contenders |= {f"causal-learn, {rule}": (theirs, rule) for rule in THEIR_RULES}
    for num_rows, test, alpha in itertools.product(options.rows, options.test, options.alpha):
        for seed in range(options.samples):
            torch.manual_seed(seed)
            rows = network.sample(num_rows)
            changing = np.ptp(rows, axis=0) > 0  # a constant column cannot be tested
            rows, nodes = np.ascontiguousarray(rows[:, changing]), tuple(np.array(network.nodes)[changing].tolist())
            for who in list(contenders)[:: 1 if seed % 2 == 0 else -1]:
                find, rule = contenders[who]
                start = time.process_time()
                found = find(rows, nodes, test, alpha, rule)
                seconds = time.process_time() - start
                found = PartiallyDirected(true.nodes, found.directed, found.undirected)
                distance = structural_hamming_distance(found, true)
                differing = len(found.skeleton ^ true.skeleton)
                runs.append(Run(num_rows, test, alpha, who, seed, distance, differing, seconds))
                print(runs[-1], flush=True)
    order = list(contenders)
    runs.sort(key=lambda run: (run.num_rows, run.test, run.alpha, order.index(run.who), run.seed))
    harness.publish(
        f"discovery-{options.network}",
        f"PC on {options.samples} samples of {options.network}, {len(true.nodes)} nodes, {len(true.skeleton)} edges",
        [table(runs)],
        {"network": options.network, "runs": [asdict(run) for run in runs]},
        options.quick,
    )


def load(name: str) -> DiscreteNetwork:
    folder = os.environ.get("JENSEN_DATA")
    if not folder:
        raise SystemExit(f"set JENSEN_DATA to a folder that has bif/{name}.bif in it")
    try:
        return read_bif(Path(folder) / "bif" / f"{name}.bif")
    except JensenError as error:
        raise SystemExit(f"jensen: {error}") from None


if __name__ == "__main__":
    main()
