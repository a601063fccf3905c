"""Laws of Markov chains, right and wrong: one that is printed and is not stationary, and one that is never approached.

P = [[.5, .3, .2], [.2, .7, .1], [.3, .3, .4]] has the stationary law (5/16, 1/2, 3/16). Lecture notes print
(0.301, 0.547, 0.152): one step moves it. Who takes the right eigenvector for the left one finds (1/3, 1/3, 1/3). The
table of a homogeneous chain is the same at every step; the chain is stationary only if it starts in the stationary law.

And a chain that hardly ever changes, of which general solvers keep five digits and the elimination of states all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from benchmarks.figures.common import markdown
from jensen.errors import JensenError
from jensen.inference import MarkovChain, divergences
from jensen.reporting.style import CLASS_COLORS, FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THREE = MarkovChain([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]], states="abc")
LAWS = {"stationary": [5 / 16, 1 / 2, 3 / 16], "printed": [0.301, 0.547, 0.152], "right eigenvector": [1 / 3] * 3}
# By their ways back to the first state: of 2 steps; of 2 and of 3 steps, without a self-loop; of 1 step or 2.
PERIODS = {
    "a b a": MarkovChain([[0, 1], [1, 0]], states="ab"),
    "a b a, a b c a": MarkovChain([[0, 1, 0], [0.5, 0, 0.5], [1, 0, 0]], states="abc"),
    "a a, a b a": MarkovChain([[0.5, 0.5], [1, 0]], states="ab"),
}
STEPS = 12


@dataclass(frozen=True)
class Chains:
    """Laws after n steps from each start, (STEPS + 1, S); the shares of simulated chains, with their errors, (S,)."""

    num_chains: int
    from_law: dict[str, Tensor]
    from_a: Tensor
    shares: Tensor
    errors: Tensor
    never: dict[str, Tensor]


def compute(tiny: bool) -> Chains:
    num_chains = 4000 if tiny else 40_000
    last = THREE.sample(num_chains, 50, initial="a")[:, -1]
    shares = torch.bincount(last, minlength=3) / num_chains
    return Chains(
        num_chains,
        {name: torch.stack([THREE.law_after(n, law) for n in range(STEPS + 1)]) for name, law in LAWS.items()},
        torch.stack([THREE.law_after(n, "a") for n in range(STEPS + 1)]),
        shares,
        (shares * (1 - shares) / num_chains).sqrt(),
        {name: torch.stack([chain.law_after(n, "a") for n in range(STEPS + 1)]) for name, chain in PERIODS.items()},
    )


def table(found: Chains) -> str:
    right = THREE.stationary_law()
    rows = [
        (
            name,
            numbers(torch.tensor(law)),
            numbers(found.from_law[name][1]),
            f"{THREE.residual(law):.4f}",
            distance(law, right),
        )
        for name, law in LAWS.items()
    ]
    simulated = f"{found.num_chains:,} chains after 50 steps"
    rows.append((simulated, numbers(found.shares), "", "", distance(found.shares, right)))
    periods = [(ways, str(chain.period), limit(chain)) for ways, chain in PERIODS.items()]
    return "\n\n".join(
        (
            markdown(("law p", "p", "p P", "largest difference", "total variation to the stationary law"), rows),
            markdown(("ways back to a", "period", "limiting law"), periods),
            markdown(
                ("method", "first entry at ε = 1e-12"), [(name, f"{p:.15f}") for name, p in first_entry(1e-12).items()]
            ),
        )
    )


def first_entry(epsilon: float) -> dict[str, float]:
    """pi_1 = 3/4 of a chain that hardly ever changes, [[1 - e, e], [3e, 1 - 3e]], by each method."""
    chain = MarkovChain([[1 - epsilon, epsilon], [3 * epsilon, 1 - 3 * epsilon]])
    P = chain.P.numpy()
    values, vectors = np.linalg.eig(P.T)
    left = vectors[:, values.argmax()]
    system = P.T - np.eye(2)
    return {
        "`numpy.linalg.eig`": left[0] / left.sum(),
        "`numpy.linalg.solve`": np.linalg.solve(np.vstack([system[0], np.ones(2)]), [0, 1])[0],
        "`numpy.linalg.lstsq`": np.linalg.lstsq(np.vstack([system, np.ones(2)]), [0, 0, 1], rcond=None)[0][0],
        "`stationary_law()`": float(chain.stationary_law()[0]),
    }


def numbers(law: Tensor) -> str:
    return ", ".join(f"{float(p):.4f}" for p in law)


def distance(law: object, right: Tensor) -> str:
    return f"{float(divergences.total_variation(law, right)):.4f}"


def limit(chain: MarkovChain) -> str:
    try:
        return numbers(chain.limiting_law())
    except JensenError:
        return "none: it goes round"


def draw(found: Chains) -> Figure:
    figure = new_figure(9.6, 3.4)
    bars, approach, round_and_round = figure.subplots(1, 3)
    places = np.arange(3)
    for shift, (name, law) in enumerate(LAWS.items()):
        color = (FIRST, SECOND, NEUTRAL)[shift]
        bars.bar(places + 0.27 * (shift - 1), law, 0.25, color=color, label=name)
    bars.errorbar(
        places - 0.27, found.shares, 4 * found.errors, fmt="_", color=INK, capsize=3, label="simulated, ± 4 errors"
    )
    bars.set_xticks(places, THREE.symbols)
    bars.set_ylim(0, 0.85)
    bars.set_title("Laws", fontsize=10, color=INK)
    bars.legend(frameon=False, fontsize=8)
    right = THREE.stationary_law()
    starts = {"a": found.from_a, **{name: found.from_law[name] for name in ("printed", "right eigenvector")}}
    for (name, laws), color in zip(starts.items(), (INK, SECOND, NEUTRAL), strict=True):
        distances = divergences.total_variation(laws, right.expand_as(laws))
        approach.plot(distances, "o-", color=color, markersize=3.5, linewidth=1.2, label=f"from {name}")
    approach.set_yscale("log")
    approach.set_title("Total variation to the stationary law", fontsize=10, color=INK)
    approach.legend(frameon=False, fontsize=8)
    for (name, laws), color in zip(found.never.items(), (SECOND, FIRST, CLASS_COLORS[3]), strict=True):
        label = f"{name}: period {PERIODS[name].period}"
        round_and_round.plot(laws[:, 0], "o-", color=color, markersize=3.5, linewidth=1.2, label=label)
    round_and_round.set_ylim(-0.05, 1.5)
    round_and_round.set_yticks([0, 0.5, 1])
    round_and_round.set_title("P(back in a), by the ways back", fontsize=10, color=INK)
    round_and_round.legend(frameon=False, fontsize=8)
    for axes in (approach, round_and_round):
        axes.set_xlabel("steps", fontsize=9, color=INK)
    for axes in (bars, approach, round_and_round):
        tidy(axes)
    return figure
