"""Tables of mixed type, and counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from jensen.data import load, load_like
from jensen.data.spec import Column, Spec
from jensen.errors import JensenError
from jensen.nets import Inputs

HEADER = "weight,colour,visits,member,grade,side"
LINES = [
    f"{1.5 + 0.25 * i},{('red', ' white ', 'rosé')[i % 3]},{i % 7},{i % 2},{3 + i % 4},{(1, 2)[i % 2]}"
    for i in range(40)
]
TYPES = (
    Column("real"),
    Column("categorical", ("red", "rosé", "white")),
    Column("count"),
    Column("binary"),
    Column("count"),
    Column("categorical", ("1", "2")),
)


def table(path: Path, header: str = HEADER, lines: list[str] = LINES) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return table(tmp_path / "t.csv")


def test_each_column_is_taken_for_what_it_looks_like(source: Path) -> None:
    split = load(source, columns="mixed", validation=0, test=0)
    assert split.spec.kind == "mixed"
    assert split.spec.columns == tuple(HEADER.split(","))
    assert split.spec.column_types == TYPES
    x = split.train.all().x
    assert x.dtype == torch.float32
    assert x[:4].tolist() == [[1.5, 0, 0, 0, 3, 0], [1.75, 2, 1, 1, 4, 1], [2, 1, 2, 0, 5, 0], [2.25, 0, 3, 1, 6, 1]]


def test_a_column_may_be_said_to_be_something_else(source: Path) -> None:
    split = load(source, columns="mixed, grade=categorical, visits=real", validation=0, test=0)
    assert split.spec.column_types is not None
    assert split.spec.column_types[4] == Column("categorical", ("3", "4", "5", "6"))
    assert split.spec.column_types[2] == Column("real")


def test_categories_may_be_listed(source: Path) -> None:
    split = load(source, columns="mixed,colour=white|red|blue|rosé,grade=6|5|4|3", validation=0, test=0)
    assert split.spec.column_types is not None
    assert split.spec.column_types[1] == Column("categorical", ("white", "red", "blue", "rosé"))
    assert split.train.all().x[:4, 1].tolist() == [1, 0, 3, 1]
    assert split.train.all().x[:4, 4].tolist() == [3, 2, 1, 0]
    with pytest.raises(JensenError, match="column 'colour' holds 'rosé', which is none of its categories"):
        load(source, columns="mixed,colour=red|white")


def test_the_spec_survives_json(source: Path) -> None:
    spec = load(source, columns="mixed", validation=0, test=0).spec
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_only_real_columns_are_standardised_and_their_log_determinant_is_put_back(source: Path) -> None:
    split = load(source, columns="mixed", standardize=True, validation=0, test=0)
    plain = load(source, columns="mixed", validation=0, test=0).train.all().x
    x = split.train.all().x
    assert torch.equal(x[:, 1:], plain[:, 1:])
    assert x[:, 0].mean().item() == pytest.approx(0, abs=1e-6)
    spread = plain[:, 0].double().std(correction=0).item()
    assert split.train.log_det(x).tolist() == pytest.approx([-math.log(spread)] * 40)
    torch.testing.assert_close(split.train.to_raw(x), plain)


def test_rows_are_written_as_the_table_has_them(source: Path) -> None:
    spec = load(source, columns="mixed", validation=0, test=0).spec
    assert spec.cells([1.75, 2.0, 1.0, 1.0, 4.5, 1.0]) == [1.75, "white", 1, 1, 4.5, "2"]
    assert Spec((2,), "real").cells([1.0, 2.0]) == [1.0, 2.0]


def test_the_measure_names_the_columns_that_are_counted(source: Path) -> None:
    spec = load(source, columns="mixed", validation=0, test=0).spec
    assert str(spec.measure(False)) == "volume, counts of colour, visits, member, grade, side"
    assert str(Spec((1,), "mixed", columns=("a",), column_types=(Column("binary"),)).measure(True)) == "counts"
    assert str(Spec((1,), "mixed", columns=("a",), column_types=(Column("real"),)).measure(False)) == "volume"
    assert str(Spec((1,), "real").measure(False)) == "volume"


def test_a_parquet_table_is_read_alike(tmp_path: Path, source: Path) -> None:
    frame = pl.read_csv(source).with_columns(pl.col("member").cast(pl.Boolean), pl.col("colour").str.strip_chars())
    frame.write_parquet(tmp_path / "t.parquet")
    split = load(tmp_path / "t.parquet", columns="mixed", validation=0, test=0)
    assert split.spec.column_types == TYPES
    assert torch.equal(split.train.all().x, load(source, columns="mixed", validation=0, test=0).train.all().x)


def test_other_rows_get_the_training_datas_categories(tmp_path: Path, source: Path) -> None:
    split = load(source, columns="mixed", standardize=True, validation=0, test=0.5)
    header = "colour,weight,visits,member,grade,side"
    other = load_like(split, table(tmp_path / "o.csv", header, ["white,2.0,3,1,5,2.0", "rosé,3.0,0,0,9,1"]))
    assert other.batch(torch.arange(2)).x[:, 1:].tolist() == [[2, 3, 1, 5, 1], [1, 0, 0, 9, 0]]
    assert other.to_raw(other.all().x)[:, 0].tolist() == pytest.approx([2, 3])
    with pytest.raises(JensenError, match="column 'colour' holds 'blue', which is none of its categories"):
        load_like(split, table(tmp_path / "b.csv", header, ["blue,2.0,3,1,5,2"]))
    with pytest.raises(JensenError, match=r"column 'visits' is count and holds '0\.5' at row 0"):
        load_like(split, table(tmp_path / "c.csv", header, ["red,2.0,0.5,1,5,2"]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("mix", "unknown value of columns 'mix'"),
        ("mixed,colour", "KIND is real, binary, count, categorical"),
        ("mixed,color=count", "unknown column 'color': did you mean 'colour'"),
        ("mixed,colour=word", "unknown kind of a column 'word'"),
        ("mixed,colour=real", "'red' at row 0 .*expected a number.*colour=categorical"),
        ("mixed,visits=binary", "'2' at row 2 .*expected 0 or 1.*visits=real"),
        ("mixed,weight=count", "expected a whole number from 0 up"),
    ],
)
def test_columns_that_cannot_be_so_are_refused_in_one_line(source: Path, columns: str, message: str) -> None:
    with pytest.raises(JensenError, match=message) as said:
        load(source, columns=columns)
    assert len(str(said.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1,a", "2,", "3,c"], "column 'b' is empty at line 3"),
        (["1,a", "2", "3,c"], "line 3 has 1 fields"),
        (["1,a", "2,b", "x,c", "4,d", "5,e"], "column 'a' holds the text 'x' at row 2 .*numbers elsewhere"),
        ([f"{i},name {i}" for i in range(300)], "300 different values, expected at most 256 categories"),
        (["nan,a", "2,b", "3,c"], "nan at row 0 .*column 'a'"),
    ],
)
def test_bad_tables(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(JensenError, match=message) as said:
        load(table(tmp_path / "t.csv", "a,b", lines), columns="mixed")
    assert len(str(said.value).splitlines()) == 1


def test_columns_are_for_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((9, 2)))
    for source in ("digits", np.zeros((9, 2)), tmp_path / "x.npy"):
        with pytest.raises(JensenError, match="columns is for a table"):
            load(source, columns="mixed")


def test_counts_stay_whole_and_are_floating_point() -> None:
    x = np.array([[0, 3], [7, 200], [1, 0]] * 5)
    split = load(x, as_counts=True, validation=0, test=0)
    assert split.spec.kind == "count"
    assert split.train.all().x[:2].tolist() == [[0.0, 3.0], [7.0, 200.0]]
    assert load("digits", as_counts=True).spec.kind == "count"
    assert load_like(split, np.array([[1, 1]])).all().x.tolist() == [[1.0, 1.0]]
    for wrong, message in ((x - 1, "got values in"), (x + 0.5, "got fractions in"), (x + 2**24, "to 16,777,216")):
        with pytest.raises(JensenError, match=message):
            load(wrong, as_counts=True)
    with pytest.raises(JensenError, match="as_levels and as_counts exclude each other"):
        load(x, as_levels=True, as_counts=True)
    with pytest.raises(JensenError, match="standardize needs real values, got counts"):
        load(x, as_counts=True, standardize=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_network_is_given(source: Path, dtype: torch.dtype) -> None:
    def given(spec: Spec, x: Tensor) -> Tensor:
        made = Inputs(spec).to(dtype)(x)
        assert made.dtype == dtype
        assert made.shape[1:] == Inputs(spec).event_shape
        return made

    mixed = load(source, columns="mixed", validation=0, test=0).train.to(dtype=dtype)
    row = given(mixed.spec, mixed.all().x)[1].tolist()
    assert row == pytest.approx([1.75, 0, 0, 1, math.log(2), 1, math.log(5), 0, 1])
    counts = given(Spec((2,), "count"), torch.tensor([[0.0, 9.0]], dtype=dtype))
    assert counts.tolist() == [pytest.approx([0, math.log(10)])]
    assert given(Spec((1,), "8-bit", 256), torch.tensor([[255]])).tolist() == [[1.0]]
    assert given(Spec((1,), "categorical", 3), torch.tensor([[1]])).tolist() == [[[0.0, 1.0, 0.0]]]
