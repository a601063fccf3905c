"""From text to typed settings: `key=value` reaches data, model, objective and training, wherever the key belongs."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from jensen.errors import JensenError, unknown
from jensen.registry import Entry, create, entry, hyperparameters_of

if TYPE_CHECKING:
    from jensen.presets import Preset


@dataclass
class Settings:
    """All that a run is made of, each part only where it differs from the defaults."""

    model: str
    source: str
    data: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def configure(name: str, preset: str | None, source: str | None, assignments: Sequence[str]) -> Settings:
    """A preset, with the data replaced where `source` names others, and each `key=value` put where it belongs."""
    from jensen.training.checkpoint import located

    chosen = entry(name)
    settings = Settings(name, "")
    if preset is not None:
        _overlay(settings, chosen.preset(preset))
    elif source is None:
        raise JensenError(f"{name} needs data: give --data, or a --preset ({', '.join(chosen.all_presets())})")
    if not (source or settings.source):
        raise JensenError(f"preset {preset} of {name} is for a file that you have: give --data FILE")
    settings.source = located(source or settings.source)
    apply(settings, assignments)
    return settings


def resumed(
    folder: Path, name: str | None, preset: str | None, source: str | None, assignments: Sequence[str]
) -> Settings:
    """The settings of the run in `folder`, under whatever else is asked for; `fit` refuses what would change it."""
    from jensen.training.checkpoint import located

    settings = of_run(folder)
    if name is not None and name != settings.model:
        raise JensenError(f"{folder} holds a run of {settings.model}, not of {name}: leave the name out")
    trained_on = settings.source
    if preset is not None:
        _overlay(settings, entry(settings.model).preset(preset))
    settings.source = located(source or settings.source)
    if settings.source != trained_on:
        raise JensenError(
            f"the run in {folder} was trained on {trained_on}, not on {settings.source}: leave --data and --preset out"
        )
    apply(settings, assignments)
    return settings


def of_run(folder: Path) -> Settings:
    """The settings of a run, as its config.json holds them."""
    from jensen.training import Training, checkpoint

    if not (folder / checkpoint.CONFIG).exists():
        raise JensenError(f"nothing to resume: {folder} holds no run")
    config = checkpoint.read_config(folder)
    recipe, data = config["model"], config["data"]
    if recipe["name"] is None:
        raise JensenError(f"{folder} holds a model of your own: go on with jensen.fit(model, ..., resume=True)")
    training = vars(Training.from_json(config["training"]))
    hyperparameters = hyperparameters_of(recipe)
    return Settings(recipe["name"], data["source"], data["options"], hyperparameters, config["objective"], training)


def _overlay(settings: Settings, preset: Preset) -> None:
    data = dict(preset.data)
    settings.source = data.pop("source", "")
    settings.data |= data
    settings.hyperparameters |= preset.model
    settings.objective |= preset.objective
    settings.training |= preset.training


def apply(settings: Settings, assignments: Sequence[str]) -> None:
    """Puts each `key=value` into the section that has the key, parsed by its type."""
    known = keys(entry(settings.model))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise JensenError(f"--set takes key=value, got '{assignment}': see jensen describe {settings.model}")
        if key not in known:
            raise unknown(f"setting of {settings.model}", key, known)
        section, name, annotation, _ = known[key]
        getattr(settings, section)[name] = parse(text, annotation, key)


def folders(out: Path, seeds: str | None, resume: bool, begun: list[Path]) -> dict[int | None, Path]:
    """The folder of each run, by seed (None where there is one run); `begun` are those of seeds that are there."""
    from jensen.training.checkpoint import CONFIG

    if seeds is None and not begun:
        return {None: out}
    if seeds is None and not resume:
        raise JensenError(f"{out} already holds runs of several seeds: add --resume, or choose another --out")
    if seeds is None:
        return {int(run.name.removeprefix("seed-")): run for run in begun}
    numbers = parse(seeds, tuple[int, ...], "seeds")
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise JensenError(f"--seeds takes different whole numbers from 0 up, such as 0,1,2, got '{seeds}'")
    if (out / CONFIG).exists():
        raise JensenError(f"{out} already holds a single run: choose another --out for --seeds")
    runs: dict[int | None, Path] = {number: out / f"seed-{number}" for number in numbers}
    held = [run for run in runs.values() if run in begun]
    if held and not resume:
        raise JensenError(f"{held[0]} already holds a run: add --resume to go on with it, or choose another --out")
    return runs


def fit_run(settings: Settings, folder: Path, resume: bool, preset: str | None) -> None:
    """Loads the data, makes the model and fits it; `preset` is named where its own choices do not suit the data."""
    import torch

    from jensen.data import load
    from jensen.training import Training, fit

    training = Training(**settings.training)
    try:
        split = load(settings.source, **settings.data)
    except JensenError as error:
        theirs = {} if preset is None else entry(settings.model).preset(preset).data
        for key, value in theirs.items():
            if f"{key}='{value}'" in str(error):
                raise JensenError(f"{error} (--preset {preset} put it there: --set {key}=none)") from error
        raise
    with torch.random.fork_rng([]):
        torch.manual_seed(training.seed)
        model = create(settings.model, split.spec, **settings.hyperparameters)
    objective = entry(settings.model).make_objective(**settings.objective)
    fit(model, split, objective, out=folder, resume=resume, training=training)


def keys(chosen: Entry) -> dict[str, tuple[str, str, Any, Any]]:
    """Every key of `--set` for a model: (section, the section's own name for it, type, default)."""
    from jensen.data import load
    from jensen.training import Training

    known: dict[str, tuple[str, str, Any, Any]] = {}
    for name, (annotation, default) in arguments(load).items():
        if name != "labels":  # an array cannot be given as text
            known["data_seed" if name == "seed" else name] = ("data", name, annotation, default)
    for name, (annotation, default) in chosen.hyperparameters().items():
        known[name] = ("hyperparameters", name, annotation, default)
    known |= {name: ("objective", name, *rest) for name, rest in chosen.objective_settings().items()}
    known |= {name: ("training", name, *rest) for name, rest in fields(Training).items()}
    return known


def arguments(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """A function's keyword-only arguments: (type, default)."""
    hints = get_type_hints(function)
    return {
        name: (hints[name], parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def fields(kind: type) -> dict[str, tuple[Any, Any]]:
    """A dataclass's fields: (type, default)."""
    hints = get_type_hints(kind)
    return {item.name: (hints[item.name], item.default) for item in dataclasses.fields(kind)}


def parse(text: str, annotation: Any, key: str) -> Any:
    """The value that `text` stands for under a type: numbers, words, true/false, none, one of a set, or a,b,c.

    >>> parse("300,300", tuple[int, ...], "hidden")
    (300, 300)
    >>> parse("none", int | None, "validation") is None
    True
    """
    origin, options = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        if type(None) in options and text.lower() == "none" and not _is_word(options):
            return None
        for option in sorted((o for o in options if o is not type(None)), key=lambda o: o is str):
            try:
                return parse(text, option, key)
            except JensenError as error:
                if option == options[-1] or len(options) == 2:
                    raise error
        raise _wrong(key, annotation, text)
    if origin is Literal:
        if text not in options:
            raise unknown(f"value of {key}", text, [str(option) for option in options])
        return text
    if origin is tuple:
        parts = [part for part in text.strip("()[] ").split(",") if part.strip()]
        if options[-1] is not Ellipsis and len(parts) != len(options):
            raise JensenError(f"{key} needs {len(options)} values separated by commas, got '{text}'")
        return tuple(parse(part.strip(), options[0], key) for part in parts)
    if annotation is bool:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise JensenError(f"{key} is true or false, got '{text}'")
        return text.lower() in ("true", "yes")
    if annotation in (int, float):
        try:
            number = annotation(text)
        except ValueError as error:
            raise _wrong(key, annotation, text) from error
        if not math.isfinite(number):
            raise JensenError(f"{key} needs a finite number, got '{text}'")
        return number
    return text


def describe_type(annotation: Any) -> str:
    """A type in words a person would write after `key=`."""
    origin, options = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if option is type(None) else describe_type(option) for option in options)
    if origin is Literal:
        return " | ".join(str(option) for option in options)
    if origin is tuple:
        return f"{describe_type(options[0])},..."
    names = {int: "whole number", float: "number", bool: "true | false", str: "text"}
    return names.get(annotation, str(annotation))


def _is_word(options: tuple[Any, ...]) -> bool:
    return any(get_origin(option) is Literal and "none" in get_args(option) for option in options)


def _wrong(key: str, annotation: Any, text: str) -> JensenError:
    return JensenError(f"{key} needs a {describe_type(annotation)}, got '{text}'")
