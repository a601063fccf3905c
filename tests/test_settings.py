"""From text to typed settings."""

from __future__ import annotations

from typing import Literal

import pytest

from jensen.errors import JensenError
from jensen.registry import MODELS, entry
from jensen.settings import configure, describe_type, keys, parse


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        ("1e-3", float, 0.001),
        ("2", float, 2.0),
        ("true", bool, True),
        ("No", bool, False),
        ("300,300", tuple[int, ...], (300, 300)),
        ("(300, 300)", tuple[int, ...], (300, 300)),
        ("64", tuple[int, ...], (64,)),
        ("", tuple[int, ...], ()),
        ("0.9,0.999", tuple[float, float], (0.9, 0.999)),
        ("none", int | float | None, None),
        ("10", int | float | None, 10),
        ("0.1", int | float | None, 0.1),
        ("none", str | None, None),
        ("dynamic", str | None, "dynamic"),
        ("relu", Literal["relu", "elu"], "relu"),
        ("none", Literal["none", "static"] | None, "none"),
    ],
)
def test_text_becomes_a_value_of_the_type(text: str, annotation: object, value: object) -> None:
    parsed = parse(text, annotation, "key")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("three", int, "key needs a whole number, got 'three'"),
        ("1.5", int, "key needs a whole number"),
        ("", float, "key needs a number"),
        ("nan", float, "key needs a finite number, got 'nan'"),
        ("-inf", float, "finite"),
        ("0.9,inf", tuple[float, float], "finite"),
        ("0.9", tuple[float, float], "key needs 2 values separated by commas"),
        ("1,x", tuple[int, ...], "whole number, got 'x'"),
        ("maybe", bool, "key is true or false, got 'maybe'"),
        ("rleu", Literal["relu", "elu"], "unknown value of key 'rleu': did you mean 'relu'"),
        ("some", int | float | None, "key needs a whole number or number or none, got 'some'"),
    ],
)
def test_text_that_is_no_value_is_refused_by_name(text: str, annotation: object, message: str) -> None:
    with pytest.raises(JensenError, match=message):
        parse(text, annotation, "key")


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_has_a_type_that_can_be_said_and_a_default_of_it(name: str) -> None:
    for key, (_, _, annotation, default) in keys(entry(name)).items():
        assert "<" not in describe_type(annotation), key
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
        assert parse(text, annotation, key) == default, key


SECTIONS = ("data", "hyperparameters", "objective", "training")


@pytest.mark.parametrize("name", MODELS)
def test_every_preset_sets_only_what_there_is(name: str) -> None:
    known = keys(entry(name))
    of_section = {section: {own for part, own, *_ in known.values() if part == section} for section in SECTIONS}
    for preset in entry(name).all_presets().values():
        parts = (preset.data.keys() - {"source"}, preset.model, preset.objective, preset.training)
        for section, part in zip(SECTIONS, parts, strict=True):
            assert set(part) <= of_section[section]


def test_each_assignment_goes_where_its_key_belongs() -> None:
    settings = configure(
        "vae", "tiny", None, ["binarize=static", "hidden=8,4", "beta=0.5", "device=cpu", "seed=3", "data_seed=7"]
    )
    assert settings.source == "digits"
    assert settings.data == {"binarize": "static", "seed": 7}
    assert settings.hyperparameters == {"latent_dim": 2, "hidden": (8, 4)}
    assert settings.objective == {"beta": 0.5}
    assert settings.training["device"] == "cpu"
    assert settings.training["seed"] == 3
    assert settings.training["steps"] == entry("vae").preset("tiny").training["steps"]


def test_a_preset_is_left_as_it_is() -> None:
    configure("vae", "tiny", "moons", ["latent_dim=9", "steps=1", "binarize=none"])
    assert entry("vae").preset("tiny").model["latent_dim"] == 2
    assert entry("vae").preset("tiny").data == {"source": "digits", "binarize": "dynamic"}


def test_other_data_replace_those_of_the_preset() -> None:
    assert configure("vae", "tiny", "moons", []).source == "moons"
    assert configure("vae", "tiny", "moons", []).data == {"binarize": "dynamic"}


def test_the_last_of_two_assignments_holds() -> None:
    assert configure("vae", "tiny", None, ["steps=5", "steps=6"]).training["steps"] == 6


def test_without_data_the_presets_are_named() -> None:
    with pytest.raises(JensenError, match=r"vae needs data: give --data, or a --preset \(tiny,"):
        configure("vae", None, None, [])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert configure("vae", "tiny", None, ["target=a=b"]).data["target"] == "a=b"
