"""Evaluation data under the treatment that a run was trained with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from jensen.data import series, text
from jensen.data.captions import decoded, encoded
from jensen.data.dataset import Dataset, Split
from jensen.data.files import TABLES
from jensen.data.labels import with_conditions
from jensen.data.load import Source, make_part, read_raw, settled
from jensen.data.raw import Raw, checked
from jensen.data.spec import Column, Spec
from jensen.data.treatment import Form, Treatment
from jensen.errors import JensenError


def load_like(split: Split, source: Source) -> Dataset:
    """Evaluation data under the treatment of `split`: its binarisation, its fitted mean and scale.

    Of a named set the test part, of a path or an array all rows. Bits are taken as they are by a split that
    binarises; the spec's treatment then is that of the bits. Where `split` has labels and the new data do too, they
    are kept; the names of classes and columns are matched.

    Errors: a JensenError where the event shape, the kind, the columns or the classes differ from the split's.
    """
    options, spec, fitted = split.options, split.spec, split.train.treatment
    suffix = Path(source).suffix.lower() if isinstance(source, str | Path) else ""
    raw = read_raw(
        source,
        labels=None,
        target=options["target"] if suffix in TABLES else None,
        target_required=False,
        columns=_known_columns(spec) if suffix in TABLES else None,
        window=options["window"],
        missing=spec.missing,
        stream=options["stream"] and suffix == ".npy",
        seed=options["seed"],
    )
    if raw.form is None and fitted.form == "real":
        raw = replace(raw, form="real")
    as_levels = options["as_levels"] and (fitted.form == "levels" or raw.x.dtype == np.uint8)
    raw = with_conditions(raw, options.get("condition"))
    raw = checked(raw, as_levels, fitted.form == "counts", spec.missing)
    if (raw.ends is None) != (spec.merges is None):
        raise JensenError(f"{raw.name} and '{split.source}' are not both text: choose other data")
    if spec.merges is not None:
        raw = text.tokenised_like(raw, spec.merges)
    window = series.window_of(spec.rate, spec.merges is not None, options["window"])
    difference = options["difference"]
    raw = series.in_order(_with_columns_of(raw, spec), window, difference)
    if raw.rate != spec.rate and None not in (raw.rate, spec.rate):
        raise JensenError(
            f"{raw.name}: {raw.rate} samples a second, but '{split.source}' has {spec.rate}: bring them to one rate"
        )
    expected = spec.event_shape if window is None else spec.event_shape[1:] or (1,)
    if tuple(raw.x.shape[1:]) != expected:
        raise JensenError(
            f"{raw.name}: examples of shape {tuple(raw.x.shape[1:])}, expected {expected} as in "
            f"'{split.source}': bring them to that shape, or choose other data"
        )
    rule = _rule_for(raw, split)
    raw = _with_labels_of(raw, split)
    rows = np.arange(len(raw.x)) if raw.parts is None else raw.parts[2]
    treatment = spec.treatment if rule.form != "bits" else series.described(raw.treatment, window, difference)
    spec = replace(spec, treatment=treatment)
    data = settled(make_part(raw, spec, rule, rows, "test"), options["seed"])
    return data if window is None else series.in_windows(data, window, spec)


def _rule_for(raw: Raw, split: Split) -> Treatment:
    """The split's treatment for values of the form that `raw` has."""
    fitted = split.train.treatment
    rule = replace(fitted, seed=None, drawn=False)
    form, same_top = raw.form, raw.top == fitted.top
    if form == fitted.form and form in ("real", "bits", "counts", "mixed"):
        return rule
    if form == "bits" and fitted.kind == "binary":
        return Treatment("binary", "bits")
    scales = form == "grey" and fitted.kind in ("unit", "binary")
    if fitted.form == "grey" and (scales or (same_top and form in ("grey", "bits"))):
        return replace(rule, top=raw.top)
    if form in ("levels", "bits") and fitted.form == "levels" and raw.top <= fitted.top:
        return rule
    assert form is not None
    raise JensenError(
        f"{raw.name}: {_in_words(form, raw.top)}, expected {_in_words(fitted.form, fitted.top)} as in "
        f"'{split.source}' ({fitted.kind}): bring them to the same units, or choose other data"
    )


def _in_words(form: Form, top: int) -> str:
    words = {"bits": "bits", "real": "real values", "grey": f"grey values 0..{top}", "levels": f"levels 0..{top}"}
    return {**words, "counts": "counts", "mixed": "columns of mixed type"}[form]


def _known_columns(spec: Spec) -> dict[str, Column] | None:
    """What each column was in training, by name; None where the table was not of mixed type."""
    if spec.column_types is None or spec.columns is None:
        return None
    return dict(zip(spec.columns, spec.column_types, strict=True))


def _with_columns_of(raw: Raw, spec: Spec) -> Raw:
    if raw.columns is None or spec.columns is None or raw.columns == spec.columns:
        return raw
    missing = [name for name in spec.columns if name not in raw.columns]
    extra = [name for name in raw.columns if name not in spec.columns]
    if missing or extra:
        raise JensenError(
            f"{raw.name}: columns differ from the training data's (missing: {', '.join(missing) or 'none'}; "
            f"not known: {', '.join(extra) or 'none'}): give it the same columns"
        )
    order = [raw.columns.index(name) for name in spec.columns]
    return replace(raw, x=raw.x[:, order], columns=spec.columns)


def _with_labels_of(raw: Raw, split: Split) -> Raw:
    num_classes, classes = split.spec.num_classes, split.train.classes
    if split.spec.conditions is not None:
        return raw
    if split.spec.caption_length is not None and raw.caption_length is not None and raw.y is not None:
        return replace(raw, y=encoded(decoded(raw.y), split.spec.caption_length))
    if raw.y is None or num_classes is None:
        return replace(raw, y=None)
    if classes is not None and raw.classes is not None and raw.classes != classes:
        strange = sorted(set(raw.classes) - set(classes))
        if strange:
            raise JensenError(f"{raw.name}: class '{strange[0]}' is none of the training data's ({', '.join(classes)})")
        raw = replace(raw, y=np.array([classes.index(name) for name in raw.classes])[raw.y], classes=classes)
    assert raw.y is not None
    if raw.y.max() >= num_classes:
        raise JensenError(
            f"{raw.name}: label {raw.y.max()}, expected labels below {num_classes} as in '{split.source}'"
        )
    return raw
