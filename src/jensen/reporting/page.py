"""report: one page that holds everything a run has to say, and needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import nn

from jensen.errors import JensenError
from jensen.evaluation.results import Metric
from jensen.evaluation.runs import over_seeds
from jensen.registry import entry
from jensen.reporting.drawn import of_figures, of_latents, of_model, texts_of_model, warnings_of
from jensen.reporting.gallery import Picture
from jensen.reporting.run import Run, command, read_runs, settings_of, text
from jensen.reporting.style import png
from jensen.training.checkpoint import write_atomically

PAGE = "report.html"

KINDS = {
    "exact": "the figure itself, from a formula; only the choice of examples is random",
    "lower bound": "the true value is at least this, on average over the draws",
    "upper bound": "the true value is at most this, on average over the draws",
    "estimate": "may lie on either side of the true value, which it approaches with more draws or examples",
    "objective": "this is a training loss, not a likelihood",
}
_VALUES = {
    "binary": "bits",
    "unit": "values in [0, 1]",
    "8-bit": "whole numbers from 0 to 255",
    "real": "real numbers",
    "categorical": "categories",
    "count": "counts",
    "mixed": "columns of mixed type",
}
MEANINGS = {
    "log_prob": "log p(x)",
    "elbo": "evidence lower bound: reconstruction less KL",
    "reconstruction": "E log p(x | z), z from q(z | x)",
    "kl": "KL(q(z | x) || p(z))",
    "evidence": "log p(all training data), the parameters integrated out",
    "bits_per_dim": "−log₂ p(x) for each dimension of x",
    "bits_per_byte": "−log₂ p of windows of the text, each by itself, for each byte",
    "bits_per_byte_in_context": "the same, each token given at least half a window before it",
    "active_units": "latent dimensions that carry information",
    "cross_entropy": "−Σ x log x̂ + (1 − x) log(1 − x̂), x̂ the reconstruction of x",
    "distortion": "−log p(x | z), z a draw of the encoder's",
    "annealed": "log p(x) by annealed importance sampling",
    "squared_error": "Σ (x − x̂)², x̂ the reconstruction of x",
    "denoised_cross_entropy": "cross-entropy of x and the reconstruction of corrupted x",
    "denoised_squared_error": "squared error between x and the reconstruction of corrupted x",
    "noise_squared_error": "squared error of corrupted x itself",
    "log_prob_y": "log p(y | x) of the true class y",
    "accuracy": "examples whose true class has the highest p(y | x)",
    "calibration_error": "how far confidence is from accuracy, bin by bin",
    "mmd2": "squared maximum mean discrepancy of samples and data",
    "mmd2_p_value": "of samples and data being alike",
}


def report(run: str | Path, model: nn.Module | None = None) -> Path:
    """Writes DIR/report.html, and each of its figures beside it as a PNG; returns the page's path.

    The page is one file: it needs no network. The same run gives the same bytes. What the model cannot do is left out;
    where the data are not there any more, the page says so and holds what can be had without them. The folder of
    several seeds gets one page: curves with bands, figures with their spread, samples of the first seed.

    Args:
        run: the folder that `fit` wrote, or that of `fit --seeds`.
        model: for a model of one's own, which config.json cannot rebuild: an instance to put the weights into.

    Raises:
        JensenError: a folder without a run, or files in it that are damaged.
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(run)
    runs = read_runs(folder)
    notes = [
        f"{one.damaged} damaged lines of {one.folder.name}/metrics.jsonl are left out." for one in runs if one.damaged
    ]
    notes += [warning for one in runs for warning in warnings_of(one, len(runs) > 1)]
    drawn = of_figures(runs) + of_latents(runs[0]) + of_model(runs[0], model, notes)
    images = [_embedded(folder, picture) for picture in drawn]
    texts = texts_of_model(runs[0], model)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("jensen.reporting") / "page.html").read_text())
    page = template.render(**_context(folder, runs), notes=notes, images=images, texts=texts)
    write_atomically(folder / PAGE, page.encode())
    return folder / PAGE


def _context(folder: Path, runs: Sequence[Run]) -> dict[str, Any]:
    """The words and tables of the page."""
    config = runs[0].config
    spec = config["model"].get("spec")
    name = config["model"]["name"]
    chosen = None if name is None else entry(name)
    return {
        "folder": str(folder),
        "title": f"{name or config['model'].get('class')} on {Path(config['data']['source']).name}",
        "model": name or f"{config['model'].get('class')}, a model of your own",
        "entry": chosen,
        "source": config["data"]["source"],
        "x": None if spec is None else f"{' × '.join(map(str, spec['event_shape']))}, {_VALUES[spec['kind']]}",
        "treatment": None if spec is None else spec["treatment"],
        "seeds": [run.config["training"]["seed"] for run in runs],
        "progress": [_progress(run) for run in runs],
        "settings": [(setting, text(setting.value), text(setting.default)) for setting in settings_of(config)],
        "versions": config["versions"],
        "objective": config["objective"]["name"],
        "command": command(runs, f"{folder}-again"),
        "table": _table(runs),
    }


def _progress(run: Run) -> str:
    """How far the run went."""
    steps = max((row["step"] for row in run.rows), default=0)
    return f"{steps:,} of {run.config['training']['steps']:,} steps"


@dataclass(frozen=True)
class Line:
    """One line of the table of figures."""

    name: str
    meaning: str
    value: str
    error: str
    mc_error: str
    kind: str
    unit: str
    draws: str


@dataclass(frozen=True)
class Table:
    """The table of figures: what it is of, its lines, what their kinds mean, and who is not in it and why."""

    title: str
    measure: str
    lines: tuple[Line, ...]
    kinds: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def _table(runs: Sequence[Run]) -> Table:
    missing = tuple(run.folder.name for run in runs if run.evaluation is None)
    found = [run.evaluation for run in runs if run.evaluation is not None]
    if not found:
        return Table("", "", (), (), missing)
    first = found[0]
    alike = {(one.model, one.split, one.n, one.measure) for one in found}
    if len(alike) > 1:
        raise JensenError(
            f"the seeds in {runs[0].folder.parent} are evaluated on different data or under different measures: "
            "evaluate them again, all alike"
        )
    if len(runs) == 1:
        lines = tuple(_line(metric) for metric in first.metrics)
        title = f"{first.split}, {first.n:,} examples"
    else:
        lines = tuple(
            Line(
                spread.name,
                meaning(spread.name),
                number(spread.mean, spread.standard_deviation),
                number(spread.standard_deviation),
                "",
                spread.kind,
                spread.unit,
                "",
            )
            for spread in over_seeds(found)
        )
        title = f"{first.split}, {first.n:,} examples: mean and deviation over {len(found)} of {len(runs)} seeds"
    present = {line.kind for line in lines}
    kinds = tuple((kind, said) for kind, said in KINDS.items() if kind in present)
    return Table(title, first.measure, lines, kinds, missing)


def _line(metric: Metric) -> Line:
    return Line(
        metric.name,
        meaning(metric.name),
        number(metric.value, metric.standard_error or metric.mc_standard_error),
        number(metric.standard_error),
        number(metric.mc_standard_error),
        metric.kind,
        metric.unit,
        "" if metric.num_samples is None else f"{metric.num_samples:,}",
    )


def meaning(name: str) -> str:
    """A figure's name in words."""
    if name.startswith("iwae_"):
        return f"importance-weighted bound on log p(x), K = {int(name.removeprefix('iwae_')):,}"
    return MEANINGS.get(name, "")


def number(value: float | None, error: float | None = None) -> str:
    """A figure to the second digit of its error, or to four digits; empty where there is none.

    >>> number(-99.71234, 0.298), number(0.298), number(None)
    ('−99.71', '0.30', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    if not error and value == round(value):
        return f"{value:,.0f}".replace("-", "−")
    reach = error if error is not None and math.isfinite(error) and error > 0 else abs(value) / 100
    if error is None:
        reach = abs(value)
    decimals = min(6, max(0, 1 - math.floor(math.log10(reach)))) if reach else 2
    return f"{value:,.{decimals}f}".replace("-", "−")


@dataclass(frozen=True)
class Image:
    """A figure in the page: its file's name beside the page, its section and caption, and its bytes in base64."""

    name: str
    section: str
    caption: str
    base64: str


def _embedded(folder: Path, picture: Picture) -> Image:
    content = png(picture.figure)
    write_atomically(folder / f"{picture.name}.png", content)
    return Image(picture.name, picture.section, picture.caption, base64.b64encode(content).decode())
