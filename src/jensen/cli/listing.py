"""What there is to choose from: models, datasets, describe."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from jensen.cli.common import Json, table_of


def models(
    as_json: Json = False,
    details: Annotated[bool, typer.Option("--compare", help="how they differ")] = False,
) -> None:
    """What can be fitted."""
    from jensen.registry import MODELS

    columns = ("name", "kind", "prior", "kl", "objective", "samples") if details else ("name", "kind", "summary")
    entries = list(MODELS.values())
    if as_json:
        print(json.dumps([{k: v for k, v in vars(e).items() if k not in ("build", "presets")} for e in entries]))
    else:
        print(table_of([columns, *(tuple(getattr(e, column) for column in columns) for e in entries)]))


def datasets(as_json: Json = False) -> None:
    """What can be loaded by name."""
    from jensen.data import describe as describe_sets

    sets = [vars(one) for one in describe_sets()]
    if as_json:
        print(json.dumps(sets))
        return
    rows = [["name", "shape", "kind", "training", "validation", "test", "classes", "source"]]
    for one in sets:
        shape, sizes = " x ".join(map(str, one["event_shape"])), [f"{size:,}" for size in one["sizes"]]
        rows.append([one["name"], shape, one["kind"], *sizes, str(one["num_classes"] or ""), one["source"]])
    print(table_of(rows))


def describe(name: Annotated[str, typer.Argument(metavar="NAME", help="a model")]) -> None:
    """A model's source, presets, and every setting with its type and default."""
    from jensen.registry import entry
    from jensen.settings import describe_type, keys

    chosen = entry(name)
    print(f"{chosen.name}: {chosen.summary}\n{chosen.source}\nkind: {chosen.kind}; objective: {chosen.objective}\n")
    print(table_of([("preset", ""), *((key, preset.description) for key, preset in chosen.all_presets().items())]))
    rows = [("setting", "of", "type", "default")]
    for key, (section, _, annotation, default) in keys(chosen).items():
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
        rows.append((key, section.replace("hyperparameters", "model"), describe_type(annotation), shown))
    print(f"\n{table_of(rows)}")
