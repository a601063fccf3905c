from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from jensen.data import Split, load
from jensen.errors import JensenError

RANDOM = np.random.default_rng(0)


def everything(source: object, **options: object) -> torch.Tensor:
    """All rows in the order of the file."""
    return load(source, validation=0, test=0, **options).train.to(dtype=torch.float64).all().x


def refused(source: object, **options: object) -> str:
    with pytest.raises(JensenError) as error:
        load(source, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


# --- arrays: what their values are taken for ---


@pytest.mark.parametrize(
    ("x", "kind", "event_shape"),
    [
        (RANDOM.integers(0, 256, (9, 4, 5), dtype=np.uint8), "unit", (1, 4, 5)),
        (RANDOM.integers(0, 256, (9, 4, 5, 3), dtype=np.uint8), "unit", (3, 4, 5)),
        (RANDOM.integers(0, 256, (9, 3, 4, 5), dtype=np.uint8), "unit", (3, 4, 5)),
        (RANDOM.integers(0, 256, (9, 7), dtype=np.uint8), "unit", (7,)),
        (RANDOM.integers(0, 2, (9, 7), dtype=np.uint8), "binary", (7,)),
        (RANDOM.integers(0, 2, (9, 4, 5)).astype(bool), "binary", (1, 4, 5)),
        (RANDOM.integers(0, 2, (9, 7)).astype(float), "binary", (7,)),
        (RANDOM.random((9, 7), dtype=np.float32), "unit", (7,)),
        (RANDOM.normal(size=(9, 7)), "real", (7,)),
        (RANDOM.normal(size=(9, 7, 3)), "real", (7, 3)),
        (RANDOM.normal(size=9), "real", (1,)),
        (RANDOM.integers(-5, 100, (9, 7)), "real", (7,)),
        (RANDOM.normal(size=(9, 7)).astype(np.float16), "real", (7,)),
    ],
)
def test_kind_of_an_array(x: np.ndarray, kind: str, event_shape: tuple[int, ...]) -> None:
    split = load(x)
    assert (split.spec.kind, split.spec.event_shape) == (kind, event_shape)
    assert split.source == "array"
    tensor = load(torch.from_numpy(x)).train.all().x
    assert torch.equal(tensor, split.train.all().x)
    top = 255 if kind == "unit" and x.dtype == np.uint8 else 1
    expected = torch.from_numpy(x.astype(np.float64)) / top
    if x.ndim == 4 and x.shape[3] == 3:
        expected = expected.permute(0, 3, 1, 2)
    torch.testing.assert_close(everything(x), expected.reshape(9, *event_shape))


def test_levels_of_arrays() -> None:
    grey = load(RANDOM.integers(0, 256, (9, 4), dtype=np.uint8), as_levels=True)
    assert (grey.spec.kind, grey.spec.levels) == ("8-bit", 256)
    words = load(np.array([[0, 4], [2, 1], [3, 3]] * 3), as_levels=True)
    assert (words.spec.kind, words.spec.levels) == ("categorical", 5)
    assert words.train.all().x.dtype == torch.int64


def test_npy_npz_and_idx_hold_the_same(tmp_path: Path) -> None:
    x, y = RANDOM.integers(0, 256, (30, 4, 5), dtype=np.uint8), np.arange(30) % 3
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "images.npz", images=x, labels=y)
    (tmp_path / "x-idx3-ubyte").write_bytes(idx(x))
    (tmp_path / "x-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
    for name in ("x.npy", "x.npz", "images.npz", "x-idx3-ubyte", "x-idx3-ubyte.gz"):
        torch.testing.assert_close(everything(tmp_path / name)[:, 0] * 255, torch.from_numpy(x).double())
    labelled = load(tmp_path / "images.npz", validation=0, test=0)
    assert labelled.spec.num_classes == 3
    assert labelled.train.y is not None
    assert labelled.train.y.tolist() == y.tolist()


def test_idx_of_floats(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(12, 3)).astype(">f4")
    (tmp_path / "x.idx").write_bytes(idx(x, 0x0D))
    torch.testing.assert_close(everything(tmp_path / "x.idx"), torch.from_numpy(x.astype(np.float64)))


@pytest.mark.parametrize("packed", [False, True])
def test_three_parts(packed: bool, tmp_path: Path) -> None:
    parts = {
        name: RANDOM.integers(0, 2, (n, 784), dtype=np.uint8) for name, n in (("train", 6), ("valid", 3), ("test", 2))
    }
    arrays = {name: np.packbits(x, axis=1) if packed else x for name, x in parts.items()}
    np.savez(tmp_path / "x.npz", **arrays)
    split = load(tmp_path / "x.npz")
    assert split.spec.event_shape == ((1, 28, 28) if packed else (784,))
    assert split.spec.kind == "binary"
    for name, part in (("train", split.train), ("valid", split.validation), ("test", split.test)):
        assert part.all().x.flatten(1).numpy().astype(np.uint8).tolist() == parts[name].tolist()
    assert len(load(tmp_path / "x.npz", validation=0).train) == 9
    assert "has a test part of its own" in refused(tmp_path / "x.npz", test=0.5)


def test_text(tmp_path: Path) -> None:
    text = "Generative models, and the bounds that train them. " * 20
    (tmp_path / "words.txt").write_text(text)
    split = load(tmp_path / "words.txt", window=16)
    assert (split.spec.kind, split.spec.levels, split.spec.event_shape) == ("categorical", 256, (16,))
    x = load(tmp_path / "words.txt", window=16, validation=0, test=0).train.all().x
    assert bytes(x[::16].flatten().tolist()).decode() == text[: len(text) // 16 * 16]
    assert "choose a window of at most 816" in refused(tmp_path / "words.txt", window=5000)


# --- images ---


def image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_folder_of_images(tmp_path: Path) -> None:
    greys = RANDOM.integers(0, 256, (4, 6, 5), dtype=np.uint8)
    for i, pixels in enumerate(greys):
        # The second half is stored in colour, and still is grey.
        image(tmp_path / f"{i}.png", pixels if i < 2 else np.repeat(pixels[..., None], 3, axis=2))
    (tmp_path / "notes.md").write_text("not an image")
    torch.testing.assert_close(everything(tmp_path)[:, 0] * 255, torch.from_numpy(greys).double())
    assert load(tmp_path).spec.num_classes is None


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (6, 6, 5, 3), dtype=np.uint8)
    for i, pixels in enumerate(colours):
        image(tmp_path / ("cat" if i % 2 else "bird") / f"{i}.png", pixels)
    split = load(tmp_path, validation=0, test=0)
    assert split.spec.event_shape == (3, 6, 5)
    assert split.train.classes == ("bird", "cat")
    assert split.train.y is not None
    assert split.train.y.tolist() == [0, 0, 0, 1, 1, 1]
    expected = torch.from_numpy(colours[[0, 2, 4, 1, 3, 5]]).permute(0, 3, 1, 2).double()
    torch.testing.assert_close(everything(tmp_path) * 255, expected)


def test_jpeg(tmp_path: Path) -> None:
    for i in range(3):
        image(tmp_path / f"{i}.jpg", np.full((8, 8), 100 + i, np.uint8))
    x = everything(tmp_path)
    torch.testing.assert_close(x.mean((1, 2, 3)) * 255, torch.tensor([100.0, 101, 102]).double(), atol=1, rtol=0)


def test_bad_folders(tmp_path: Path) -> None:
    assert "no PNG or JPEG images" in refused(tmp_path)
    image(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    image(tmp_path / "b.png", np.zeros((4, 5), np.uint8))
    assert "b.png: 5 x 4 pixels, but a.png has 4 x 4" in refused(tmp_path)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    assert "b.png: not a complete PNG or JPEG" in refused(tmp_path)
    image(tmp_path / "b.png", np.zeros((4, 4), np.uint16))
    assert "b.png: more than 8 bits" in refused(tmp_path)
    image(tmp_path / "c" / "c.png", np.zeros((4, 4), np.uint8))
    assert "sub-folders are labels" in refused(tmp_path)


# --- tables ---


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t")])
def test_separators(name: str, separator: str, tmp_path: Path) -> None:
    text = (
        "\n".join(separator.join(row) for row in (['"the first"', "b"], ["1.5", "2"], [" -3", "4e2"], ["0", "1"]))
        + "\n\n"
    )
    path = table(tmp_path / name, text)
    split = load(path)
    assert split.spec.columns == ("the first", "b")
    assert split.spec.kind == "real"
    assert everything(path).tolist() == [[1.5, 2], [-3, 400], [0, 1]]


def test_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("\ufeffa,b\r\n1.5,2\r\n\r\n3,4\r\n5,6\r\n".encode())
    assert load(path).spec.columns == ("a", "b")
    assert everything(path).tolist() == [[1.5, 2], [3, 4], [5, 6]]


def test_parquet_and_target(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1.5, 2.5, 3.5], "b": [1, 2, 3], "species": ["wasp", "ant", "wasp"], "c": [2, 0, 1]})
    frame.write_parquet(tmp_path / "x.parquet")
    frame.write_csv(tmp_path / "x.csv")
    for path in (tmp_path / "x.parquet", tmp_path / "x.csv"):
        split = load(path, target="species", validation=0, test=0)
        assert split.spec.columns == ("a", "b", "c")
        assert split.train.classes == ("ant", "wasp")
        assert split.train.y is not None
        assert split.train.y.tolist() == [1, 0, 1]
        assert split.train.all().x.tolist() == [[1.5, 1, 2], [2.5, 2, 0], [3.5, 3, 1]]
    numbers = load(table(tmp_path / "n.csv", "a,y\n1.5,2\n2.5,0\n3,1\n"), target="y", validation=0, test=0)
    assert numbers.train.y is not None
    assert numbers.train.y.tolist() == [2, 0, 1]
    assert numbers.spec.num_classes == 3


def test_table_of_bits_is_binary(tmp_path: Path) -> None:
    assert load(table(tmp_path / "x.csv", "a,b\n0,1\n1,1\n0,0\n")).spec.kind == "binary"


def test_whole_numbers_and_fractions_of_a_table_are_real(tmp_path: Path) -> None:
    assert load(table(tmp_path / "x.csv", "a,b\n0,7\n1,1\n0,0\n")).spec.kind == "real"
    assert load(table(tmp_path / "x.csv", "a,b\n0.5,0.25\n1,1\n0,0\n")).spec.kind == "real"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,red\nblue,5\n", "column 'b' holds the text 'red' at line 3"),
        ("a,b\n1,2\n3,\n", "column 'b' is empty at line 3"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header has 2"),
        ("a,b\n1,2\n3\n4,5\n", "line 3 has 1 fields, the header has 2"),
        ("1.0,2\n3,4\n", "no header: the first line is all numbers"),
        ("a,b\n", "a header and no rows"),
        ("", "the file is empty"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,b\n1,2\n3,nan\n", "nan at row 1 (counted from 0), column 'b'"),
        ("a;b\n1,5;2\n", "column 'a' holds the text '1,5' at line 2, expected a number with a decimal point"),
    ],
)
def test_bad_tables(text: str, message: str, tmp_path: Path) -> None:
    assert message in refused(table(tmp_path / "x.csv", text))


def test_bad_targets_and_parquet(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "length,kind\n1,a\n2,b\n")
    assert "did you mean 'kind'" in refused(path, target="kinds")
    pl.DataFrame({"a": [1.0, None], "b": [1, 2]}).write_parquet(tmp_path / "null.parquet")
    assert "column 'a' is empty at row 1" in refused(tmp_path / "null.parquet")
    pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}).write_parquet(tmp_path / "text.parquet")
    assert "column 'b' is of type String" in refused(tmp_path / "text.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "text.parquet").read_bytes()[:50])
    assert "not a complete parquet file" in refused(tmp_path / "cut.parquet")
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    assert "names a column of a table" in refused(tmp_path / "x.npy", target="a")


# --- everything else that can be wrong ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value: float, tmp_path: Path) -> None:
    x = RANDOM.normal(size=(50, 3, 4))
    x[17, 2, 1] = value
    np.save(tmp_path / "x.npy", x)
    for source, stream in ((x, False), (tmp_path / "x.npy", False), (tmp_path / "x.npy", True)):
        assert f"{value} at row 17 (counted from 0), entry (2, 1)" in refused(source, stream=stream)


def test_incomplete_files(tmp_path: Path) -> None:
    x = RANDOM.integers(0, 256, (30, 4, 5), dtype=np.uint8)
    whole = gzip.compress(idx(x))
    files = {
        "a-ubyte.gz": (whole[: len(whole) // 2], "truncated"),
        "b-ubyte.gz": (gzip.compress(idx(x)[:-7]), "truncated: 609 bytes, its header promises 616"),
        "c-ubyte": (idx(x)[:9], "truncated"),
        "d.gz": (b"not a gzip file", "truncated or no gzip file"),
        "e.gz": (gzip.compress(b"not an idx file"), "not an idx file"),
        "f.npy": (b"\x93NUMPY\x01\x00", "not a complete .npy file"),
        "g.npz": (b"PK\x03\x04 and no more", "not a complete .npz file"),
        "h.npy": (b"", "the file is empty"),
        "i.docx": (b"text", "no reader for '.docx'"),
    }
    for name, (content, message) in files.items():
        (tmp_path / name).write_bytes(content)
        assert message in refused(tmp_path / name)
    np.save(tmp_path / "cut.npy", x)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-10])
    assert "not a complete .npy file" in refused(tmp_path / "cut.npy")
    assert "not a complete .npy file" in refused(tmp_path / "cut.npy", stream=True)
    np.savez(tmp_path / "names.npz", a=x)
    assert "arrays a, expected 'x'" in refused(tmp_path / "names.npz")


def test_no_object_is_ever_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "not a complete .npy file of numbers" in refused(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], dtype=object))
    assert "not a complete .npz file of numbers" in refused(tmp_path / "x.npz")


def test_sources_that_do_not_exist() -> None:
    assert "did you mean 'mnist'" in refused("mnits")
    assert "no such file or folder 'data/x.npy'" in refused("data/x.npy")
    assert "no such file or folder 'x.csv'" in refused("x.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binarize": "dynamic"}, "needs grey values"),
        ({"binarize": "dynamical"}, "did you mean 'dynamic'"),
        ({"dequantize": True}, "dequantize needs 8-bit values"),
        ({"as_levels": True}, "as_levels needs whole numbers"),
        ({"as_levels": True, "dequantize": True}, "exclude each other"),
        ({"labels": [1, 2]}, "labels of shape (2,) for 20 rows"),
        ({"labels": [-1] * 20}, "label"),
        ({"labels": np.full(20, 0.5)}, "labels are whole numbers"),
        ({"validation": 0.5, "test": 0.5}, "leave none for training"),
        ({"validation": 30}, "leave none for training"),
        ({"validation": 1.5}, "expected a number of rows"),
        ({"test": -1}, "expected a number of rows"),
        ({"stream": True}, "stream=True needs a .npy file"),
    ],
)
def test_options_that_do_not_fit_real_data(options: dict, message: str) -> None:
    assert message in refused(RANDOM.normal(size=(20, 2)), **options)


def test_options_that_do_not_fit_other_data() -> None:
    grey = RANDOM.integers(0, 256, (20, 3), dtype=np.uint8)
    assert "binarize and as_levels exclude each other" in refused(grey, binarize="static", as_levels=True)
    assert "dequantize=True makes it so" in refused(grey, standardize=True)
    assert "got bits" in refused(grey % 2, binarize="dynamic")
    assert "no rows" in refused(np.zeros((0, 3)))
    assert "values of type" in refused(np.array([["a"]]))
    assert load(RANDOM.random((20, 2)), standardize=True).spec.kind == "real"


def test_labels_are_for_own_data() -> None:
    assert "leave them out" in refused("digits", labels=[1])


def test_split_is_what_load_returns() -> None:
    assert isinstance(load("digits"), Split)
