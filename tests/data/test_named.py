from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from jensen.data import NAMES, describe, load
from jensen.data.download import Remote, fetch
from jensen.errors import JensenError

RANDOM = np.random.default_rng(0)
SIZES = {"train": 3, "valid": 2, "test": 4}
TOY = ("ring", "moons", "eight-gaussians", "pinwheel", "correlated-gaussian", "manifold", "pendulum")


def sizes(name: str, **options: object) -> tuple[int, int, int]:
    split = load(name, **options)
    return len(split.train), len(split.validation), len(split.test)


def entry(name: str) -> object:
    return next(row for row in describe() if row.name == name)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "binarized-mnist", "freyfaces", "dna", "mushrooms", "nips"])
def test_sets_are_what_they_are_described_as(name: str, jensen_data: Path) -> None:
    described, split = entry(name), load(name)
    assert split.spec.event_shape == described.event_shape
    assert split.spec.kind == described.kind
    assert split.spec.num_classes == described.num_classes
    assert sizes(name) == described.sizes
    assert split.train.name == name


@pytest.mark.parametrize("name", ["digits", "python-topics", *TOY])
def test_sets_without_files_are_what_they_are_described_as(name: str) -> None:
    described, split = entry(name), load(name)
    assert (split.spec.event_shape, split.spec.kind) == (described.event_shape, described.kind)
    assert sizes(name) == described.sizes


def test_mnist(jensen_data: Path) -> None:
    split = load("mnist")
    assert split.test.y is not None
    assert split.train.y is not None
    assert split.validation.y is not None
    # Counts of the labels and the mean grey value, as published.
    assert split.test.y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    everything = torch.cat([split.train.y, split.validation.y]).bincount().tolist()
    assert everything == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    whole = load("mnist", validation=0).train
    assert len(whole) == 60_000
    assert isinstance(whole.x, torch.Tensor)
    assert abs(whole.x.double().mean() / 255 - 0.1306604762738429) < 1e-12
    content = hashlib.md5(bytes([0, 0, 8, 3, 0, 0, 0xEA, 0x60, 0, 0, 0, 28, 0, 0, 0, 28]) + whole.x.numpy().tobytes())
    assert content.hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
    index = torch.arange(50_000, 60_000)
    assert torch.equal(split.validation.all().x, whole.batch(index).x)


def test_binarized_mnist_is_larochelles(jensen_data: Path) -> None:
    split = load("binarized-mnist")
    assert split.spec.treatment == "Larochelle's static binarisation"
    x = split.test.all().x
    # Written in his text format, the test part has the checksum of his file.
    text = "\n".join(" ".join(row) for row in x.flatten(1).numpy().astype(np.uint8).astype(str)) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"


def test_freyfaces_are_split_by_time(jensen_data: Path) -> None:
    split = load("freyfaces")
    frames = np.load(jensen_data / "freyfaces/freyfaces.npz")["images"]
    parts = [part.to(dtype=torch.float64).all().x for part in (split.train, split.validation, split.test)]
    torch.testing.assert_close(torch.cat(parts)[:, 0] * 255, torch.from_numpy(frames).double())


@pytest.mark.parametrize("name", ["dna", "mushrooms", "nips"])
def test_uci_sets_keep_their_three_parts(name: str, jensen_data: Path) -> None:
    split, plain = load(name), load(jensen_data / f"uci-binary/{name}.npz")
    arrays = np.load(jensen_data / f"uci-binary/{name}.npz")
    for key, part in (("train", "train"), ("valid", "validation"), ("test", "test")):
        assert torch.equal(getattr(split, part).all().x, torch.from_numpy(arrays[key]).float())
        assert torch.equal(getattr(plain, part).all().x, torch.from_numpy(arrays[key]).float())
    with pytest.raises(JensenError, match=f"{name} has a test part of its own"):
        load(name, test=0.1)


def test_real_tables(jensen_data: Path) -> None:
    wine = load(jensen_data / "tabular/winequality-red.csv", target="quality", standardize=True)
    assert wine.spec.columns is not None
    assert wine.spec.columns[0] == "fixed acidity"
    assert sum(len(part) for part in (wine.train, wine.validation, wine.test)) == 1599
    faithful = load(jensen_data / "tabular/faithful.csv", validation=0, test=0).train.to(dtype=torch.float64).all().x
    torch.testing.assert_close(faithful.sum(0), torch.tensor([948.677, 19284], dtype=torch.float64))


def test_digits() -> None:
    split = load("digits")
    assert split.spec.num_classes == 10
    x = split.train.to(dtype=torch.float64).all().x * 16
    assert torch.equal(x.unique(), torch.arange(17).double())
    levels = load("digits", as_levels=True)
    assert (levels.spec.kind, levels.spec.levels) == ("categorical", 17)
    assert torch.equal(levels.train.all().x, x.long())
    assert not torch.equal(load("digits", seed=1).test.all().x, split.test.all().x)
    dequantised = load("digits", dequantize=True).test
    torch.testing.assert_close(dequantised.log_det(dequantised.all().x)[0].item(), -64 * np.log(17))
    assert sizes("digits", validation=0) == (1547, 0, 250)


# --- sets whose files the tests write themselves, in the published formats ---


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JENSEN_DATA", str(tmp_path))
    return tmp_path


def test_omniglot(folder: Path) -> None:
    (folder / "omniglot").mkdir()
    images = RANDOM.random((25, 28, 28))
    labels = RANDOM.integers(0, 50, 25)
    columns, one_hot = images.transpose(0, 2, 1).reshape(25, 784).T, np.eye(50)[labels].T
    arrays = {
        "data": columns[:, :20],
        "testdata": columns[:, 20:],
        "target": one_hot[:, :20],
        "testtarget": one_hot[:, 20:],
    }
    scipy.io.savemat(folder / "omniglot/chardata.mat", arrays)
    split = load("omniglot")
    assert sizes("omniglot") == (18, 2, 5)
    assert split.spec.num_classes == 50
    torch.testing.assert_close(split.test.all().x[:, 0], torch.from_numpy(images[20:]).float())
    assert split.test.y is not None
    assert split.test.y.tolist() == labels[20:].tolist()
    assert load("omniglot", binarize="dynamic").spec.kind == "binary"


def test_binary_tables_as_their_source_has_them(folder: Path) -> None:
    (folder / "uci-binary").mkdir()
    parts = {f"{part}_data": RANDOM.integers(0, 2, (rows, 180)).astype(np.float32) for part, rows in SIZES.items()}
    np.savez(folder / "uci-binary/dna.npz", **parts, inputsize=180, train_length=3)
    split = load("dna")
    assert sizes("dna") == (3, 2, 4)
    assert torch.equal(split.test.all().x, torch.from_numpy(parts["test_data"]))
    np.savez(folder / "uci-binary/nips.npz", train=np.zeros((3, 500)), valid=np.zeros((2, 500)))
    with pytest.raises(JensenError, match=r"uci-binary/nips.npz: arrays train, valid, expected train, valid and test"):
        load("nips")
    np.savez(folder / "uci-binary/mushrooms.npz", **{part: np.zeros((3, 100)) for part in SIZES})
    with pytest.raises(JensenError, match=r"mushrooms: examples of shape \(100,\), expected \(112,\)"):
        load("mushrooms")


def test_svhn(folder: Path) -> None:
    (folder / "svhn").mkdir()
    x = RANDOM.integers(0, 256, (25, 3, 32, 32), dtype=np.uint8)
    y = np.arange(25)[:, None] % 10 + 1
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, 25))):
        scipy.io.savemat(folder / f"svhn/{part}_32x32.mat", {"X": x[rows].transpose(2, 3, 1, 0), "y": y[rows]})
    split = load("svhn", as_levels=True)
    assert sizes("svhn") == (18, 2, 5)
    assert torch.equal(split.test.all().x, torch.from_numpy(x[20:]).long())
    assert split.train.y is not None
    assert split.train.y[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


@pytest.mark.parametrize("large", [False, True])
def test_dsprites(large: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "dsprites").mkdir()
    x = RANDOM.integers(0, 2, (30, 64, 64), dtype=np.uint8)
    latents = RANDOM.integers(0, 3, (30, 6))
    path = folder / "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    np.savez_compressed(path, imgs=x, latents_classes=latents, metadata=np.array({"title": "pickled"}, dtype=object))
    if large:
        monkeypatch.setattr("jensen.data.files.STREAM_ABOVE", 1000)
        monkeypatch.setattr("jensen.data.files.cache", lambda: folder / "cache")
    split = load("dsprites")
    assert isinstance(split.train.x, np.memmap) == large
    assert (split.spec.kind, split.spec.num_classes) == ("binary", 3)
    assert sizes("dsprites") == (24, 3, 3)
    for part in (split.train, split.test):
        batch = part.all()
        assert batch.y is not None
        for pixels, label in zip(batch.x[:, 0].numpy(), batch.y.tolist(), strict=True):
            row = int(np.flatnonzero((x == pixels).all((1, 2)))[0])
            assert latents[row, 1] == label


def test_amat_files_of_larochelle(folder: Path) -> None:
    (folder / "binarized-mnist").mkdir()
    x = RANDOM.integers(0, 2, (9, 784), dtype=np.uint8)
    for part, rows in (("train", slice(0, 5)), ("valid", slice(5, 7)), ("test", slice(7, 9))):
        text = "".join(" ".join(map(str, row)) + "\n" for row in x[rows].tolist())
        (folder / f"binarized-mnist/binarized_mnist_{part}.amat").write_text(text)
    split = load("binarized-mnist")
    assert sizes("binarized-mnist") == (5, 2, 2)
    assert split.test.all().x.flatten(1).tolist() == x[7:].tolist()


def test_frey_face_as_roweis_gives_it(folder: Path) -> None:
    (folder / "freyfaces").mkdir()
    frames = RANDOM.integers(8, 239, (20, 28, 20), dtype=np.uint8)
    scipy.io.savemat(folder / "freyfaces/frey_rawface.mat", {"ff": frames.reshape(20, 560).T})
    split = load("freyfaces", as_levels=True)
    assert torch.equal(split.train.all().x[:, 0], torch.from_numpy(frames[:16]).long())


def test_wrong_files_of_a_named_set(folder: Path) -> None:
    (folder / "mnist").mkdir()
    (folder / "omniglot").mkdir()

    def write(name: str, array: np.ndarray) -> None:
        header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (folder / f"mnist/{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))

    for part in ("train", "t10k"):
        write(f"{part}-images-idx3", np.zeros((12, 20, 20), np.uint8))
        write(f"{part}-labels-idx1", np.zeros(12, np.uint8))
    with pytest.raises(JensenError, match=r"examples of shape \(1, 20, 20\), expected \(1, 28, 28\)"):
        load("mnist")
    scipy.io.savemat(folder / "omniglot/chardata.mat", {"data": np.zeros((784, 2))})
    with pytest.raises(JensenError, match="not a MATLAB file with the arrays"):
        load("omniglot")


# --- downloads ---


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JENSEN_DATA", raising=False)
    monkeypatch.setattr("jensen.data.download.cache", lambda: tmp_path)
    return tmp_path


def test_a_failed_download_names_file_address_and_remedy(cache: Path) -> None:
    # Port 9 of this machine: nothing answers.
    with pytest.raises(JensenError) as error:
        fetch(Remote("set/x.gz", "http://127.0.0.1:9/x.gz", None))
    message = str(error.value)
    assert "\n" not in message
    for part in ("set/x.gz", "http://127.0.0.1:9/x.gz", "set JENSEN_DATA"):
        assert part in message
    assert not (cache / "set/x.gz").exists()


def test_a_download_with_the_wrong_checksum_is_refused(cache: Path, local_server: str) -> None:
    with pytest.raises(JensenError, match="its checksum is wrong"):
        fetch(Remote("set/x.bin", f"{local_server}/x.bin", "md5:" + "0" * 32))
    assert not (cache / "set/x.bin").exists()
    right = "md5:" + hashlib.md5(b"content").hexdigest()
    assert fetch(Remote("set/x.bin", f"{local_server}/x.bin", right)).read_bytes() == b"content"


@pytest.fixture
def local_server(tmp_path_factory: pytest.TempPathFactory):
    import functools
    import http.server
    import threading

    folder = tmp_path_factory.mktemp("served")
    (folder / "x.bin").write_bytes(b"content")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_names() -> None:
    assert tuple(row.name for row in describe()) == NAMES
    assert set(TOY) <= set(NAMES)
    assert all(row.source and row.origin and row.split for row in describe())


def test_import_is_light() -> None:
    slow = ("polars", "sklearn", "pooch", "PIL", "scipy")
    code = f"import sys, jensen.data; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
