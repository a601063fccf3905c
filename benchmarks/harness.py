"""Fair timing on a machine that others use too.

Contenders take turns (A B, then B A, ...), and every figure is a ratio taken in one run. A round in which another
process took a core that the contenders needed is disturbed: it is dropped, counted, and run again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "jensen", "pythae", "causal-learn", "blackjax", "jax")  # of which versions are kept
TOLERANCE = 0.15  # cores that other processes may take from what a contender needs
ATTEMPTS = 3  # times as many rounds as were asked for, at most

Contender = Callable[[], float]  # does its work and returns seconds per unit of it


@dataclass(frozen=True)
class Load:
    """What the processors did while something ran.

    seconds: wall-clock time.
    share: this process's CPU time over wall-clock time times threads; 1 is all that it could use.
    foreign: cores that everything else took on average (other processes, interrupts, a hypervisor's steal).
    """

    seconds: float
    share: float
    foreign: float

    @property
    def disturbed(self) -> bool:
        """True where others left fewer cores than this process has threads."""
        return self.foreign > _cores() - torch.get_num_threads() + TOLERANCE


class Watch:
    """A context in which wall-clock, own and foreign CPU time are measured; `load` holds them afterwards."""

    load: Load

    def __enter__(self) -> Watch:
        self._busy, self._own, self._wall = _busy_seconds(), time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._wall
        own = time.process_time() - self._own
        busy = _busy_seconds() - self._busy
        share = own / (seconds * torch.get_num_threads())
        self.load = Load(seconds, share, max(0.0, (busy - own) / seconds))


@dataclass(frozen=True)
class Round:
    """One turn of every contender: seconds per unit and the load, by name."""

    seconds: dict[str, float]
    loads: dict[str, Load]

    @property
    def disturbed(self) -> bool:
        """True where any of the turns was."""
        return any(load.disturbed for load in self.loads.values())


@dataclass(frozen=True)
class Ratio:
    """How many times as long `slow` takes as `fast`.

    of_medians: median(slow) / median(fast); paired_*: over the rounds' own ratios.
    """

    slow: str
    fast: str
    of_medians: float
    paired_median: float
    paired_lowest: float
    paired_highest: float


def alternate(contenders: dict[str, Contender], options: argparse.Namespace) -> tuple[list[Round], int]:
    """`options.rounds` undisturbed rounds, as far as three times as many attempts give them, and the number dropped.

    One turn each comes first and is not counted. The order is reversed every other round, so that drift cancels.
    A quick run keeps disturbed rounds too, for its figures are not for use.
    """
    rounds = options.rounds
    for run in contenders.values():
        run()
    kept: list[Round] = []
    for attempt in range(ATTEMPTS * rounds):
        seconds, loads = {}, {}
        for name in list(contenders)[:: 1 if attempt % 2 == 0 else -1]:
            with Watch() as watch:
                seconds[name] = contenders[name]()
            loads[name] = watch.load
        this = Round(seconds, loads)
        print(f"round {attempt + 1}: {'dropped ' if this.disturbed else ''}{_one_line(this)}", flush=True)
        if options.quick or not this.disturbed:
            kept.append(this)
        if len(kept) == rounds:
            break
    dropped = attempt + 1 - len(kept)
    print(f"{len(kept)} rounds kept, {dropped} dropped because another process took a core")
    if not kept:
        raise SystemExit("every round was disturbed: run this again on a quiet machine, or with fewer --threads")
    return kept, dropped


def ratio(rounds: list[Round], slow: str, fast: str) -> Ratio:
    """Seconds of `slow` over seconds of `fast`."""
    return ratio_of([r.seconds[slow] for r in rounds], [r.seconds[fast] for r in rounds], slow, fast)


def ratio_of(slow: list[float], fast: list[float], slow_name: str, fast_name: str) -> Ratio:
    """The same for paired measurements."""
    pairs = [a / b for a, b in zip(slow, fast, strict=True)]
    of_medians = statistics.median(slow) / statistics.median(fast)
    return Ratio(slow_name, fast_name, of_medians, statistics.median(pairs), min(pairs), max(pairs))


def medians_table(rounds: list[Round], unit: str, scale: float = 1e3) -> str:
    """A markdown table of each contender's median, range and share of the processors."""
    lines = [f"| | median {unit} | lowest | highest | CPU share |", "|---|---|---|---|---|"]
    for name in rounds[0].seconds:
        times = [r.seconds[name] * scale for r in rounds]
        share = statistics.median(r.loads[name].share for r in rounds)
        low, high = min(times), max(times)
        lines.append(f"| {name} | {statistics.median(times):.3f} | {low:.3f} | {high:.3f} | {share:.0%} |")
    return "\n".join(lines)


def ratios_table(ratios: list[Ratio]) -> str:
    """A markdown table of ratios."""
    lines = ["| time of | over time of | ratio of medians | paired median (lowest to highest) |", "|---|---|---|---|"]
    for r in ratios:
        spread = f"{r.paired_median:.2f} ({r.paired_lowest:.2f} to {r.paired_highest:.2f})"
        lines.append(f"| {r.slow} | {r.fast} | {r.of_medians:.2f} | {spread} |")
    return "\n".join(lines)


def environment() -> dict[str, Any]:
    """Date, hardware, versions, threads and load: what a timing is worth nothing without."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": _cores(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **{n: found for n in PACKAGES if (found := _version(n))}},
    }


def publish(name: str, title: str, tables: list[str], values: dict[str, Any], quick: bool) -> None:
    """Prints the tables and, unless quick, writes results/DATE-NAME.md with them and .json with every round."""
    where = environment()
    versions = ", ".join(f"{k} {v}" for k, v in where["versions"].items())
    heading = (
        f"# {title}\n\n{where['date']}. {where['cpu']} ({where['cpu_capability']}), {where['cores']} cores, "
        f"{where['threads']} threads, load {where['load_average'][0]:.2f} at the end. {versions}."
    )
    text = "\n\n".join([heading, *tables]) + "\n"
    print("\n" + text)
    if quick:
        print("a quick run: it shows that everything works, its figures mean nothing and are not kept")
        return
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{where['date'][:19].replace(':', '')}-{name}.md"
    path.write_text(text)
    path.with_suffix(".json").write_text(json.dumps({"title": title, "environment": where, **values}, indent=1) + "\n")
    print(f"written to {path} and {path.with_suffix('.json').name}")


def as_json(items: list[Any]) -> list[dict[str, Any]]:
    """Dataclasses as JSON holds them."""
    return [asdict(item) for item in items]


def arguments(description: str | None, *, quick: dict[str, int], **defaults: int) -> argparse.Namespace:
    """The options that every command has and its own whole numbers; sets the number of threads.

    `quick` holds what --quick puts in place of the rest.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows that everything works")
    for option, default in defaults.items():
        parser.add_argument(f"--{option.replace('_', '-')}", type=int, default=default)
    chosen = parser.parse_args()
    if chosen.quick:
        vars(chosen).update(quick)
    torch.set_num_threads(chosen.threads)
    return chosen


def _one_line(this: Round) -> str:
    return ", ".join(f"{k} {s * 1e3:.2f} ms (others {this.loads[k].foreign:.2f})" for k, s in this.seconds.items())


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _busy_seconds() -> float:
    """CPU seconds spent by the whole machine: user, nice, system, irq, softirq and steal of /proc/stat."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
