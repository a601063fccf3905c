"""compare: a ranking of what can be ranked, and a sentence for what cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jensen.errors import JensenError
from jensen.evaluation.results import Evaluation, Metric, paired_difference


@dataclass(frozen=True)
class Ranked:
    """A run's place: its log-likelihood or tightest lower bound in nats, and how far it is behind the best.

    `behind` is the paired mean difference to the first of its table, where both were evaluated on the same examples
    under the same realisation, with its standard error; None otherwise.
    """

    run: str
    model: str
    metric: Metric
    behind: float | None = None
    behind_standard_error: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One table for each (data set, measure); runs that no table can hold are in `refused`, each with the reason."""

    tables: dict[str, tuple[Ranked, ...]]
    refused: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        tables = {
            name: [{**vars(row), "metric": vars(row.metric)} for row in rows] for name, rows in self.tables.items()
        }
        return {"tables": tables, "refused": self.refused}


def compare(evaluations: Mapping[str, Evaluation]) -> Comparison:
    """Ranks runs by log p(x): exact, or the tightest lower bound, best first.

    Numbers under different measures, or on different data, are never put into one table; a training objective that is
    no likelihood, and a model without a density, are in none.
    """
    if not evaluations:
        raise JensenError("nothing to compare: give at least one evaluated run")
    groups: dict[str, dict[str, Evaluation]] = {}
    refused: dict[str, str] = {}
    for run, evaluation in evaluations.items():
        metric = headline(evaluation)
        if metric is None and "mmd2" not in evaluation and any(one.kind == "objective" for one in evaluation.metrics):
            refused[run] = f"{evaluation.model} only reconstructs: its errors say nothing of p(x); choose a vae"
        elif metric is None:
            refused[run] = f"{evaluation.model} has no density: its samples can be compared, not its likelihood"
        elif metric.kind == "objective":
            refused[run] = (
                f"{metric.name} of {evaluation.model} is a training objective, no likelihood: "
                "a Bernoulli over grey values does not sum to one"
            )
        else:
            groups.setdefault(f"{evaluation.split}, {evaluation.measure}", {})[run] = evaluation
    return Comparison({name: _ranked(members) for name, members in groups.items()}, refused)


def headline(evaluation: Evaluation) -> Metric | None:
    """What stands for log p(x): the exact figure, or the importance-weighted bound of most samples; or None.

    Of a classifier log p(y | x), which is under a measure of its own.
    """
    if "log_prob" in evaluation:
        return evaluation["log_prob"]
    rungs = [metric for metric in evaluation.metrics if metric.name.startswith("iwae_")]
    if rungs:
        return max(rungs, key=lambda metric: metric.num_samples or 0)
    # One that also draws x has learned y beside what it says of x, which is no likelihood.
    return evaluation["log_prob_y"] if "log_prob_y" in evaluation and "mmd2" not in evaluation else None


def _ranked(members: dict[str, Evaluation]) -> tuple[Ranked, ...]:
    def figure(run: str) -> Metric:
        metric = headline(members[run])
        assert metric is not None
        return metric

    order = sorted(members, key=lambda run: -figure(run).value)
    best = members[order[0]]
    rows = []
    for run in order:
        this, metric = members[run], figure(run)
        ours, theirs = best.examples.get(figure(order[0]).name), this.examples.get(metric.name)
        if run != order[0] and ours is not None and theirs is not None and best.data == this.data:
            difference, error = paired_difference(list(ours), list(theirs))
            rows.append(Ranked(run, this.model, metric, difference, error))
        else:
            rows.append(Ranked(run, this.model, metric))
    return tuple(rows)
