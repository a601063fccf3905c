"""From a name, a path or an array to training, validation and test data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from jensen.data import files, named, series, text
from jensen.data.dataset import Dataset, Part, Split, chunks, native
from jensen.data.kinds import kind_of
from jensen.data.labels import keep_labels, with_conditions
from jensen.data.parts import rows_of_parts
from jensen.data.raw import Raw, checked
from jensen.data.spec import Column, Spec
from jensen.data.treatment import Binarize, Treatment
from jensen.errors import JensenError, unknown

Source = str | Path | np.ndarray | Tensor | list[Any]


def load(
    source: Source,
    *,
    binarize: str | None = None,
    dequantize: bool = False,
    standardize: bool = False,
    as_levels: bool = False,
    as_counts: bool = False,
    columns: str | None = None,
    validation: int | float | None = None,
    test: int | float | None = None,
    seed: int = 0,
    labels: np.ndarray | Tensor | list[int] | list[str] | None = None,
    target: str | None = None,
    condition: str | None = None,
    labelled: int | None = None,
    window: int | None = None,
    difference: bool = False,
    tokens: str | None = None,
    missing: bool = False,
    stream: bool = False,
) -> Split:
    """Loads data and splits it into training, validation and test parts.

    Args:
        source: a named set (`jensen.data.NAMES`), a path (.npy, .npz, .csv, .tsv, .parquet, idx, idx.gz, .txt,
            .wav, a folder of PNG or JPEG images or of WAV or .txt files), or an array with rows first.
        binarize: of grey values, "dynamic" (Bernoulli draws, anew for each batch in training), "static" (drawn once),
            "threshold" (at one half) or "none". None is "none".
        dequantize: 8-bit values become real, x = (value + u) / 256 with u uniform on [0, 1).
        standardize: real values become (x - mean) / standard deviation, entry by entry, fitted on the training part;
            `Dataset.log_det` puts the log-determinant back. An entry that is constant in training is only centred. Of
            mixed columns only the real ones.
        as_levels: 8-bit grey values (or whole numbers) are kept as categories instead of intensities.
        as_counts: whole numbers from 0 up are kept as counts.
        columns: "mixed" takes each column of a table for what it looks like: text and two values other than 0 and 1
            are categories, 0 and 1 are bits, whole numbers from 0 up are counts, all else is real.
            "mixed,NAME=KIND,..." says otherwise of some.
        validation, test: how many rows (an int) or what part of them (a float below 1). None is the set's own split,
            or a tenth; validation=0 gives those rows to training. A set's own test part is never resized.
        seed: of the shuffle before splitting, of static binarisation, and of a toy density's draws.
        labels: one integer for each row of one's own data; or numbers (rows, columns) that x is given; or captions, a
            text for each row.
        target: the column of a table that holds the labels.
        condition: columns of a table, separated by commas, that x is given and that are not modelled.
        labelled: how many training examples keep their label, equally many of each class, drawn by the seed.
        window: x is a window of so many rows of a series (T, C), which is split into blocks of time: windows overlap in
            training and lie end to end in validation and test. Of a text: its tokens, 64 where it is None. Of a sound:
            the samples, 4,096 where it is None; end to end in training too.
        difference: rows of a series become x_t - x_{t-1}, of which log p is that of the rows given the one before.
        tokens: of a text, its "bytes", or "bpe:1024" for 1,024 tokens: the bytes, and pairs of tokens merged again and
            again as they are commonest in the training part. None is bytes.
        missing: entries that are not there (NaN; of a table's cells, those empty, NA or ?) are kept, for models that
            sum or integrate them out; a row of a table with nothing in it is dropped. Else they are an error.
        stream: leave a .npy file on disk, whatever its size; above 1 GiB that is so anyway.

    Returns:
        A Split. Validation and test data whose values involve a draw are one fixed realisation (`Dataset.fixed(0)`).

    Errors: each a JensenError of one line: see docs/data.md.

    >>> split = load("digits")
    >>> len(split.train), split.spec.event_shape, split.spec.kind
    (1297, (1, 8, 8), 'unit')
    """
    if not 0 <= seed < 2**62:
        raise JensenError(f"seed={seed}: expected a whole number from 0 up to 2**62")
    binarize = binarize or "none"
    if binarize not in get_args(Binarize):
        raise unknown("binarize", binarize, get_args(Binarize))
    _at_most_one(
        binarize=binarize != "none",
        dequantize=dequantize,
        as_levels=as_levels,
        as_counts=as_counts,
        columns=columns is not None,
        missing=missing,
    )
    options: dict[str, Any] = {
        "binarize": binarize,
        "dequantize": dequantize,
        "standardize": standardize,
        "as_levels": as_levels,
        "as_counts": as_counts,
        "columns": columns,
        "validation": validation,
        "test": test,
        "seed": seed,
        "labels": None if labels is None else np.asarray(labels).tolist(),
        "target": target,
        "condition": condition,
        "labelled": labelled,
        "window": window,
        "difference": difference,
        "tokens": tokens,
        "missing": missing,
        "stream": stream,
    }
    raw = read_raw(
        source,
        labels=labels,
        target=target,
        columns=columns,
        window=window,
        missing=missing,
        stream=stream,
        seed=seed,
    )
    if raw.rate is not None and window not in (None, raw.x.shape[1]):
        raise JensenError(f"{raw.name}: its sounds have {raw.x.shape[1]} samples each: leave window out")
    if tokens is not None and raw.ends is None:
        raise JensenError(f"{raw.name}: tokens is for text: leave it out")
    window = series.window_of(raw.rate, raw.ends is not None, window)
    _at_most_one(stream=stream, window=window is not None)
    _at_most_one(missing=missing, standardize=standardize)
    _at_most_one(missing=missing, window=window is not None)
    raw = checked(with_conditions(raw, condition), as_levels, as_counts, missing)
    raw = series.in_order(raw, window, difference)
    parts = rows_of_parts(raw, validation, test, seed, shuffled=window is None and raw.rate is None)
    if raw.ends is not None:
        raw, parts = text.tokenised(raw, parts, tokens or "bytes", seed)
    kind, treatment = kind_of(raw, binarize, dequantize, standardize, as_levels, as_counts)
    assert raw.form is not None
    rule = Treatment(kind, raw.form, raw.top, cast(Binarize, binarize), dequantize)
    if dequantize:
        rule = replace(rule, shift=torch.tensor(0.0).double(), scale=torch.tensor(raw.top + 1.0).double())
    spec = Spec(
        event_shape=tuple(raw.x.shape[1:]),
        kind=kind,
        levels={"binary": 2, "8-bit": 256, "categorical": raw.top + 1}.get(kind),
        num_classes=raw.num_classes,
        treatment=series.described(treatment, window, difference),
        columns=raw.columns,
        column_types=raw.types,
        conditions=raw.conditions,
        caption_length=raw.caption_length,
        rate=raw.rate,
        merges=raw.merges,
        missing=missing,
    )
    datasets = [make_part(raw, spec, rule, rows, part) for rows, part in zip(parts, get_args(Part), strict=True)]
    if standardize:
        shift, scale = _mean_and_scale(datasets[0])
        datasets = [replace(d, treatment=replace(rule, shift=shift, scale=scale)) for d in datasets]
    datasets = [settled(d, seed) for d in datasets]
    if window is not None:
        each = () if raw.ends is not None else spec.event_shape
        spec = replace(spec, event_shape=(window, *each))
        datasets = [series.in_windows(d, window, spec) for d in datasets]
    train, held_out, tested = datasets
    if labelled is not None:
        y = keep_labels(raw.name, None if train.y is None else train.y.numpy(), raw.num_classes, labelled, seed)
        train = replace(train, y=torch.from_numpy(y))
    return Split(train, held_out, tested, _source_name(source), options)


def read_raw(
    source: Source,
    *,
    labels: np.ndarray | Tensor | list[int] | list[str] | None,
    target: str | None,
    columns: str | Mapping[str, Column] | None,
    window: int | None,
    missing: bool,
    stream: bool,
    seed: int,
    target_required: bool = True,
) -> Raw:
    """The stored values that a name, a path or an array stands for."""
    if isinstance(source, list):
        raise series.no_array(source)
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if target is not None and (isinstance(source, np.ndarray) or str(source) in named.NAMES):
        raise JensenError(f"target='{target}' names a column of a table (.csv, .tsv, .parquet): leave it out")
    if columns is not None and (isinstance(source, np.ndarray) or str(source) in named.NAMES):
        raise JensenError("columns is for a table (.csv, .tsv, .parquet): leave it out")
    if stream and (isinstance(source, np.ndarray) or str(source) in named.NAMES):
        raise JensenError("stream=True needs a .npy file: leave it out")
    if isinstance(source, np.ndarray):
        raw = Raw(source, "array")
    elif str(source) in named.NAMES:
        if labels is not None:
            raise JensenError(
                f"labels are for one's own data; '{source}' has those it was published with: leave them out"
            )
        return named.read(str(source), seed)
    else:
        path = Path(source)
        if not path.exists():
            if path.suffix or len(path.parts) > 1:
                raise JensenError(
                    f"no such file or folder '{source}': check the path, or name a set ('jensen datasets')"
                )
            raise unknown("data set (and no such file)", str(source), named.NAMES)
        raw = files.read(
            path,
            target=target,
            target_required=target_required,
            columns=columns,
            window=window,
            missing=missing,
            stream=stream,
        )
    if labels is not None:
        raw = replace(raw, y=np.asarray(labels), classes=None)
    return raw


def make_part(raw: Raw, spec: Spec, rule: Treatment, rows: np.ndarray, part: Part) -> Dataset:
    """The examples of these rows, with the treatment `rule`; a memory map stays one."""
    y = None if raw.y is None else torch.from_numpy(raw.y[rows])
    realisation = "drawn anew for each batch" if rule.draws else "as stored"
    if isinstance(raw.x, np.memmap):
        return Dataset(raw.x, y, spec, rule, raw.name, part, torch.from_numpy(rows), raw.classes, realisation)
    x = torch.from_numpy(native(raw.x[rows]))
    return Dataset(x, y, spec, rule, raw.name, part, torch.arange(len(rows)), raw.classes, realisation)


def settled(dataset: Dataset, seed: int) -> Dataset:
    """The data set with everything drawn that is drawn once; training data under dynamic treatment stay random."""
    if dataset.treatment.binarize == "static":
        return dataset.fixed(seed)
    return dataset if dataset.part == "train" else dataset.fixed(0)


def _at_most_one(**wanted: bool) -> None:
    chosen = [name for name, on in wanted.items() if on]
    if len(chosen) > 1:
        raise JensenError(f"{chosen[0]} and {chosen[1]} exclude each other: choose one of them")


def _mean_and_scale(train: Dataset) -> tuple[Float64[Tensor, "*event"], Float64[Tensor, "*event"]]:
    """Mean and standard deviation of each entry over the training part, in the stored units; scale 1 where it is 0.

    In rows of mixed type 0 and 1 where a column is not real.
    """
    plain = replace(train, treatment=replace(train.treatment, shift=None, scale=None), dtype=torch.float64).fixed(0)
    count, mean, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
    for part in chunks(len(plain), plain.spec.num_dims):
        x = plain.batch(torch.arange(len(plain))[part]).x
        # Chan, Golub and LeVeque (1979): sums of squares about the mean, merged chunk by chunk.
        delta = x.mean(0) - mean
        squares = squares + (x - x.mean(0)).square().sum(0) + delta.square() * count * len(x) / (count + len(x))
        count += len(x)
        mean = mean + delta * len(x) / count
    deviation = (squares / count).sqrt()
    if train.spec.column_types is not None:
        real = torch.tensor([column.kind == "real" for column in train.spec.column_types])
        mean, deviation = torch.where(real, mean, 0.0), torch.where(real, deviation, 1.0)
    return mean, torch.where(deviation > 0, deviation, 1.0)


def _source_name(source: Source) -> str:
    return "array" if isinstance(source, np.ndarray | Tensor) else str(source)
