"""The figures of a run: those of its figures, those of its latents, and those that its model draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from jensen.data import Dataset, Spec, load
from jensen.errors import JensenError
from jensen.reporting import curves
from jensen.reporting.curves import LATENTS, Row
from jensen.reporting.gallery import Picture, pictures
from jensen.reporting.latents import collapse_panel
from jensen.reporting.run import Run
from jensen.reporting.text import texts_of
from jensen.training import load as load_model
from jensen.training.game import GAME

_TEXTS = 4


def of_figures(runs: Sequence[Run]) -> list[Picture]:
    """The learning curve, and the ladder of bounds where there is one."""
    drawn = []
    rows = [run.rows for run in runs if run.rows and run.rows[-1]["step"] > 1]  # one step makes no curve
    if rows and curves.terms(rows):
        nats = "squared_error" not in curves.terms(rows)
        caption = f"{'In nats for' if nats else 'For'} each example; of training data "
        caption += "each point is the mean since the point before. "
        if len(rows) > 1:
            caption += (
                f"Mean over {len(rows)} seeds with a band of one standard deviation; thin lines are single seeds. "
            )
        if any(runs[0].config["data"]["options"].get(scaled) for scaled in ("standardize", "dequantize")):
            back = ": the evaluation puts the log-determinant of that back" if nats else ""
            caption += f"Of x as it was scaled for the model{back}. "
        drawn.append(Picture("learning_curve", "Learning curve", caption.strip(), curves.learning_curve(rows)))
    found = [run.evaluation for run in runs if run.evaluation is not None]
    rungs = list(curves.ladder(found[0]).values()) if found else []
    if len(rungs) > 1:
        caption = "The importance-weighted bound against its number of samples K. "
        if found[0][rungs[0]].kind == "lower bound":
            caption += "In expectation it rises with K towards log p(x), and never above it."
        else:
            caption += "It is a training objective here, not a bound on a log-likelihood."
        drawn.append(Picture("bounds", "Evaluation", caption, curves.bound_ladder(found)))
    return drawn


def _latent_rows(run: Run) -> list[Row]:
    return [row for row in run.rows if row["part"] == LATENTS]


def warnings_of(run: Run, named: bool) -> list[str]:
    """What was said where the latents carried nothing, or a player had won the game, at the last look."""
    ended = run.rows[-1]["step"] if run.rows else 0
    last = _latent_rows(run)[-1:] + [row for row in run.rows if row["part"] == GAME and row["step"] == ended]
    whose = f"{run.folder.name}, at" if named else "At"
    return [f"{whose} step {row['step']:,} {row['warning']}." for row in last if "warning" in row]


def of_latents(run: Run) -> list[Picture]:
    """What the latents carried at each look, where there was more than one."""
    rows = _latent_rows(run)
    if len(rows) < 2:
        return []
    caption = (
        f"What the latents carried while the model trained, on the same {rows[-1]['examples']} examples each time. "
        "A dimension whose KL is 0 tells nothing of x; where all are, the posterior has collapsed. A unit is active "
        "where the mean of q(z | x) has a variance above 0.01 over x."
    )
    return [Picture("collapse", "Latent space", caption, collapse_panel(rows))]


def of_model(run: Run, model: nn.Module | None, notes: list[str]) -> list[Picture]:
    """The figures that the model draws, and in `notes` why some are not there."""
    recipe = run.config["model"]
    if recipe["name"] is None and model is None:
        notes.append(
            "A model of your own cannot be rebuilt from config.json: jensen.report(run, model) adds its figures."
        )
        return []
    data = _data(run, notes)
    spec = data.spec if data is not None else Spec.from_json(recipe["spec"]) if "spec" in recipe else None
    if spec is None:
        return []
    with torch.random.fork_rng([]):
        loaded = load_model(run.folder, model)
        torch.manual_seed(0)
        return list(pictures(loaded, spec, data))


def texts_of_model(run: Run, model: nn.Module | None) -> list[str]:
    """What a model of text draws; empty where it is of none."""
    recipe = run.config["model"]
    if recipe.get("spec", {}).get("merges") is None or (recipe["name"] is None and model is None):
        return []
    with torch.random.fork_rng([]):
        loaded = load_model(run.folder, model)
        torch.manual_seed(0)
        return texts_of(loaded.sample(_TEXTS), Spec.from_json(recipe["spec"]))  # type: ignore[operator]


def _data(run: Run, notes: list[str]) -> Dataset | None:
    """Examples that the run was not trained on, or None where its data are not there any more."""
    source, options = run.config["data"]["source"], run.config["data"]["options"]
    without = "the figures that need them are left out"
    if source == "array":
        notes.append(f"The data were an array in memory, which is not kept with the run: {without}.")
        return None
    try:
        split = load(source, **options)
    except (JensenError, OSError) as error:
        notes.append(f"The data are not there any more ({error}): {without}.")
        return None
    if split.train.fingerprint != run.config["data"]["fingerprint"]:
        notes.append(f"The data in {source} are not those that the run was trained on: {without}.")
        return None
    return next((part for part in (split.test, split.validation, split.train) if len(part)), None)
