"""Eight schools, non-centred: effective draws per second of jensen's HMC against blackjax's NUTS, compile time counted.

    python -m benchmarks.eight_schools

From the density to draws in memory, on one thread: warm-up, compiling, and 1,000 draws of each chain. Seconds are of
processor time, which another process on the machine does not lengthen. An effective draw is one of the variable (mu,
log tau, tau or theta_j) that has fewest, by arviz's bulk effective sample size. Means of both are held to quadrature.
The floor is the gradients alone that HMC asked for, called in a bare loop.
"""

from __future__ import annotations

import os
import statistics
import time
from importlib.metadata import version
from typing import NamedTuple

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false --xla_cpu_parallel_codegen_split_count=1"

import numpy as np
import torch
from torch import Tensor

from benchmarks import harness, schools
from jensen.inference import hmc, sample_chains
from jensen.inference.mcmc.diagnostics import inference_data, summary
from jensen.inference.mcmc.hmc import value_and_gradient

CHAINS = (4, 64, 256)
EXACT = schools.posterior()


class Result(NamedTuple):
    """One run.

    effective: draws. overhead: of the seconds, those compiling (blackjax) or beside the gradients (jensen). error: the
    largest |mean - quadrature| over its Monte Carlo standard error.
    """

    effective: float
    seconds: float
    overhead: float
    error: float

    @property
    def rate(self) -> float:
        return self.effective / self.seconds


def judged(draws: Tensor, seconds: float, overhead: float) -> Result:
    found = summary(inference_data(schools.variables(draws), {}))
    error = (np.abs(found["mean"] - EXACT.mean) / found["mcse_mean"]).max()
    return Result(float(found["ess_bulk"].min()), seconds, overhead, float(error))


def run_jensen(num_chains: int, num_draws: int, seed: int) -> Result:
    torch.manual_seed(seed)
    calls = 0

    def counted(z: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return schools.non_centred(z)

    start = time.process_time()
    z = torch.randn(num_chains, schools.DIMS)
    chains = sample_chains(hmc(counted), z, num_draws, num_warmup=500, progress=False)
    seconds = time.process_time() - start
    start = time.process_time()
    for _ in range(calls):
        value_and_gradient(schools.non_centred, z)
    assert isinstance(chains.draws, Tensor)
    return judged(chains.draws, seconds, seconds - (time.process_time() - start))


def run_blackjax(num_chains: int, num_draws: int, seed: int) -> Result:
    from benchmarks import peers_blackjax

    run = peers_blackjax.sample(num_chains, num_draws, 1000, seed)
    return judged(torch.from_numpy(np.array(run.draws)), run.seconds, run.compiling)


CONTENDERS = {"jensen": run_jensen, "blackjax": run_blackjax}


def main() -> None:
    options = harness.arguments(__doc__, quick={"rounds": 1, "draws": 100}, rounds=5, draws=1000)
    torch.set_num_threads(1)
    lines = [
        "| chains | | effective draws | seconds | of these | effective draws per second | largest error, in mcse |",
        "|---|---|---|---|---|---|---|",
    ]
    ratios, values = [], []
    for num_chains in CHAINS:
        rounds: dict[str, list[Result]] = {name: [] for name in CONTENDERS}
        for i in range(options.rounds):
            for name in list(CONTENDERS)[:: 1 if i % 2 == 0 else -1]:
                result = CONTENDERS[name](num_chains, options.draws, i)
                rounds[name].append(result)
                print(f"{num_chains} chains, round {i + 1}, {name}: {result.rate:.0f} a second", flush=True)
        for name, results in rounds.items():
            effective, seconds, overhead, error = (statistics.median(column) for column in zip(*results, strict=True))
            beside = f"{overhead:.2f} compiling" if name == "blackjax" else f"{seconds - overhead:.2f} gradients"
            rate = statistics.median(result.rate for result in results)
            lines.append(
                f"| {num_chains:,} | {name} | {effective:,.0f} | {seconds:.2f} | {beside} | {rate:,.0f} | {error:.1f} |"
            )
        # Seconds of an effective draw, so that the ratio is that of the rates.
        pairs = [[1 / result.rate for result in rounds[name]] for name in ("blackjax", "jensen")]
        ratios.append(harness.ratio_of(*pairs, f"blackjax, {num_chains:,} chains", "jensen"))
        values.append({"chains": num_chains, **{n: [r._asdict() for r in results] for n, results in rounds.items()}})
    note = (
        f"Medians of {options.rounds} interleaved rounds of {options.draws:,} draws a chain; one thread, seconds of "
        f"processor time. Ratios are of the seconds that an effective draw takes. blackjax {version('blackjax')}, jax "
        f"{version('jax')}."
    )
    tables = [note, "\n".join(lines), harness.ratios_table(ratios)]
    title = "Eight schools: effective draws per second, compile time counted"
    harness.publish("eight-schools", title, tables, {"cases": values}, options.quick)


if __name__ == "__main__":
    main()
