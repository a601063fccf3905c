"""Figures of figures: how training went, and the ladder of bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jensen.evaluation.results import Evaluation
from jensen.reporting.style import FIRST, INK, NEUTRAL, SECOND, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
Series = tuple[np.ndarray, np.ndarray]  # steps, values

LABELS = {
    "elbo": "ELBO (nats)",
    "log_prob": "log p(x) (nats)",
    "penalised_log_prob": "log p(x) + log p(parameters) / N (nats)",
    "reconstruction": "E log p(x | z) (nats)",
    "kl": "KL(q(z | x) || p(z)) (nats)",
    "loss": "loss (nats)",
    "cross_entropy": "cross-entropy (nats)",
    "squared_error": "squared error (squared units of x)",
    "value": "V(G, D) (nats)",
    "jensen_shannon": "bound on Jensen–Shannon (nats)",
    "discriminator_loss": "discriminator's loss (nats)",
    "generator_loss": "generator's loss (nats)",
    "accuracy": "accuracy",
}
LATENTS = "latents"  # the part whose rows say what the latents carried
# What is shown in place of a loss: its negative, or the same under its own name.
_INSTEAD = {
    "elbo": "loss",
    "log_prob": "loss",
    "cross_entropy": "loss",
    "squared_error": "loss",
    "value": "discriminator_loss",
}
# What dwarfs the rest while a network finds its scale: this share of the steps may be left out of sight.
_START = 0.05


def terms(runs: Sequence[Sequence[Row]]) -> list[str]:
    """The logged figures, what is ascended first; a loss is left out where its negative, or its own name, is there."""
    curved = [row for rows in runs for row in rows if row["part"] in ("train", "validation")]
    names = list(dict.fromkeys(name for row in curved for name in row if name not in ("step", "part")))
    main = [name for name in _INSTEAD if name in names]
    hidden = {_INSTEAD[name] for name in main}
    return main + [name for name in names if name not in main and name not in hidden]


def series(rows: Sequence[Row], part: str, name: str) -> Series:
    """The steps and the finite values of one figure on one part of the data."""
    points = [(row["step"], row[name]) for row in rows if row["part"] == part and name in row]
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table[:, 1])]
    return table[:, 0], table[:, 1]


def learning_curve(runs: Sequence[Sequence[Row]]) -> Figure:
    """Every logged figure against the step, on training and validation data.

    Of one run a line; of several, one a seed, each run as a thin line and their mean with a band of one standard
    deviation, over the steps that all of them have. The first steps may lie outside, where they dwarf the rest.

    Args:
        runs: for each run the rows of metrics.jsonl.
    """
    names = terms(runs)
    rows = 1 + len(names) // 2
    figure = new_figure(6.4, 1.2 + 2.2 * rows)
    grid = figure.add_gridspec(rows, 2)
    for place, name in enumerate(names):
        wide = place == 0 or (place == len(names) - 1 and place % 2 == 1)
        row, column = (place + 1) // 2, (place + 1) % 2
        axes = figure.add_subplot(grid[row, :] if wide else grid[row, column])
        _panel(axes, runs, name)
    handles, labels = figure.axes[0].get_legend_handles_labels() if figure.axes else ([], [])
    figure.legend(handles, labels, loc="outside upper right", ncols=4, frameon=False, fontsize=9)
    return figure


def _panel(axes: Axes, runs: Sequence[Sequence[Row]], name: str) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    drawn = []
    for part, color in (("train", FIRST), ("validation", SECOND)):
        lines = [line for rows in runs if len((line := series(rows, part, name))[0])]
        drawn += lines
        if not lines:
            continue
        marker = "o" if max(len(steps) for steps, _ in lines) <= 30 else None
        if len(runs) == 1:
            axes.plot(*lines[0], color=color, marker=marker, markersize=3, linewidth=1.4, label=part)
            continue
        for line in lines:
            axes.plot(*line, color=color, linewidth=0.6, alpha=0.35)
        steps, mean, deviation = mean_and_deviation(lines)
        axes.fill_between(steps, mean - deviation, mean + deviation, color=color, alpha=0.25, linewidth=0)
        axes.plot(steps, mean, color=color, marker=marker, markersize=3, linewidth=1.6, label=f"{part}, mean of seeds")
    limits = sensible_limits(drawn)
    if limits is not None:
        axes.set_ylim(*limits)
        first = min(drawn, key=lambda line: line[0][0])
        note = f"from {first[1][0]:,.0f} at step {first[0][0]:,.0f}, out of sight".replace("-", "−")
        falling = first[1][0] > limits[1]
        axes.annotate(
            note, (0.98, 0.96 if falling else 0.04), xycoords="axes fraction", fontsize=8, color="#5a616a",
            ha="right", va="top" if falling else "bottom",
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_xlabel("step", fontsize=9, color=INK)
    axes.set_title(LABELS.get(name, f"{name.replace('_', ' ')} (nats)"), fontsize=10, color=INK, loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.ticklabel_format(axis="y", useOffset=False)
    tidy(axes)


def mean_and_deviation(lines: Sequence[Series]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over the steps that all lines have: (steps, mean, standard deviation over the lines)."""
    steps = lines[0][0]
    for other, _ in lines[1:]:
        steps = np.intersect1d(steps, other)
    values = np.stack([value[np.searchsorted(at, steps)] for at, value in lines])
    deviation = values.std(0, ddof=1) if len(lines) > 1 else np.zeros_like(steps)
    return steps, values.mean(0), deviation


def sensible_limits(lines: Sequence[Series]) -> tuple[float, float] | None:
    """Limits without the first twentieth of the steps, where with it the rest fills less than half; else None."""
    if not lines:
        return None
    last = max(steps[-1] for steps, _ in lines)
    later = [values[steps > _START * last] for steps, values in lines]
    everything, settled = np.concatenate([values for _, values in lines]), np.concatenate(later)
    if len(settled) < 2:
        return None
    low, high = settled.min(), settled.max()
    if high == low or np.ptp(everything) <= 2 * (high - low):
        return None
    margin = 0.06 * (high - low)
    return float(low - margin), float(high + margin)


def ladder(evaluation: Evaluation) -> dict[int, str]:
    """K -> the name of the importance-weighted bound with K samples, for each that there is, ascending."""
    names = {metric.name for metric in evaluation.metrics if metric.name.startswith("iwae_")}
    return dict(sorted((int(name.removeprefix("iwae_")), name) for name in names))


def bound_ladder(evaluations: Sequence[Evaluation]) -> Figure:
    """The importance-weighted bounds against K.

    Of one evaluation with its errors: a thick bar for the Monte Carlo draws, a thin one for the test examples, which
    all bounds share. Of several, one a seed, each as a thin line and their mean with its standard deviation.
    """
    figure = new_figure(6.4, 3.6)
    axes = figure.add_subplot()
    rungs = ladder(evaluations[0])
    k = list(rungs)
    values = np.array([[evaluation[name].value for name in rungs.values()] for evaluation in evaluations])
    mean = values.mean(0)
    if len(evaluations) == 1:
        for attribute, width, cap, color, label in (
            ("standard_error", 1.0, 3, NEUTRAL, "± standard error over test examples"),
            ("mc_standard_error", 4.0, 0, FIRST, "± Monte Carlo standard error"),
        ):
            errors = [getattr(evaluations[0][name], attribute) or 0.0 for name in rungs.values()]
            axes.errorbar(k, mean, errors, fmt="none", elinewidth=width, capsize=cap, color=color, label=label)
    else:
        for row in values:
            axes.plot(k, row, color=FIRST, linewidth=0.6, alpha=0.35)
        deviation = values.std(0, ddof=1)
        axes.errorbar(k, mean, deviation, fmt="none", capsize=3, color=FIRST, label="± standard deviation over seeds")
    axes.plot(k, mean, "o-", color=FIRST, markersize=5, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_xticks(k, [f"{number:,}" for number in k])
    axes.minorticks_off()
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(x=0.08, y=0.15)
    axes.set_xlabel("importance samples K", fontsize=9, color=INK)
    kind = evaluations[0][rungs[k[0]]].kind
    label = "lower bound on log p(x) (nats)" if kind == "lower bound" else f"iwae_K, of kind {kind} (nats)"
    axes.set_ylabel(label, fontsize=9, color=INK)
    tidy(axes)
    axes.legend(loc="lower right", frameon=False, fontsize=8.5)
    return figure
