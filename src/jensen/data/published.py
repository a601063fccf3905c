"""The published sets: where each one's files are, in what format, and how the set is split."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jensen.data import files, toy
from jensen.data.download import Remote, fetch, local
from jensen.data.raw import Raw
from jensen.errors import JensenError

Reader = Callable[[int], Raw]
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
MNIST_MD5 = {
    "train-images-idx3": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
FASHION_MD5 = {
    "train-images-idx3": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
LAROCHELLE_URL = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_"
_LAROCHELLE_SHA256 = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
_LAROCHELLE = [
    Remote(f"binarized-mnist/binarized_mnist_{part}.amat", f"{LAROCHELLE_URL}{part}.amat", f"sha256:{digest}")
    for part, digest in _LAROCHELLE_SHA256.items()
]
FREY = Remote("freyfaces/frey_rawface.mat", "https://cs.nyu.edu/~roweis/data/frey_rawface.mat", None)
OMNIGLOT = Remote(
    "omniglot/chardata.mat", "https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/chardata.mat", None
)
DSPRITES = Remote(
    "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    "https://github.com/google-deepmind/dsprites-dataset/raw/master/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
    None,
)
EXCHANGE_RATE = Remote(
    "timeseries/exchange_rate.txt.gz",
    "https://github.com/laiguokun/multivariate-time-series-data/raw/master/exchange_rate/exchange_rate.txt.gz",
    None,
)
BINARY_TABLES_URL = "https://github.com/mgermain/MADE/raw/master/datasets/"
_CURRENCIES = ("australia", "britain", "canada", "switzerland", "china", "japan", "new zealand", "singapore")
_SVHN = [
    Remote(
        "svhn/train_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
        "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
    ),
    Remote(
        "svhn/test_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
        "md5:eb5a983be6a315427106f1b164d9cef3",
    ),
]


def _shuffled(total: int, sizes: tuple[int, int, int], seed: int) -> Parts:
    order = np.random.default_rng(seed).permutation(total)
    train, validation, test = np.split(order, np.cumsum(sizes)[:2])
    return np.sort(train), np.sort(validation), np.sort(test)


def _tail(num_train: int, num_test: int, num_validation: int) -> Parts:
    """Validation is the tail of the training data, the test part follows: rows are stored training first."""
    cut, total = max(num_train - num_validation, 0), num_train + num_test
    return np.arange(cut), np.arange(cut, num_train), np.arange(num_train, total)


def digits(seed: int) -> Raw:
    """The digits that come with scikit-learn, grey 0..16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = bunch.images.astype(np.uint8)[:, None]
    return Raw(x, "digits", bunch.target, "grey", 16, parts=_shuffled(len(x), (1297, 250, 250), seed), num_classes=10)


def idx_set(name: str, base: str, md5: dict[str, str]) -> Reader:
    """A set in the four idx files of MNIST."""

    def reader(seed: int) -> Raw:
        paths = {key: fetch(Remote(f"{name}/{key}-ubyte.gz", f"{base}{key}-ubyte.gz", md5[key])) for key in md5}
        arrays = {key: files.read_idx(path) for key, path in paths.items()}
        train, test = arrays["train-images-idx3"], arrays["t10k-images-idx3"]
        x = np.concatenate([train, test])[:, None]
        y = np.concatenate([arrays["train-labels-idx1"], arrays["t10k-labels-idx1"]])
        parts = _tail(len(train), len(test), min(10_000, len(train) // 6))
        return Raw(x, name, y, "grey", 255, parts=parts, num_classes=10)

    return reader


def toy_set(name: str) -> Reader:
    """Draws from a density of `jensen.data.toy`, or points of its manifold, or its pendulum over time."""

    def reader(seed: int) -> Raw:
        others = {"manifold": toy.manifold, "pendulum": toy.pendulum}
        draw = others[name] if name in others else toy.density(name).sample
        x = draw(14_000, seed).numpy()
        rows = np.arange(14_000)
        return Raw(x, name, form="real", parts=(rows[:10_000], rows[10_000:12_000], rows[12_000:]))

    return reader


def binarized_mnist(seed: int) -> Raw:
    """Larochelle's fixed binarisation, from his text files or packed as bits."""
    packed = local("binarized-mnist/binarized_mnist.npz")
    if packed is not None:
        raw = files.read_npz(packed)
        x, parts = raw.x, raw.parts
    else:
        arrays = [_amat(fetch(remote)) for remote in _LAROCHELLE]
        x = np.concatenate(arrays)
        rows = np.split(np.arange(len(x)), np.cumsum([len(a) for a in arrays])[:2])
        parts = rows[0], rows[1], rows[2]
    return Raw(x, "binarized-mnist", form="bits", treatment="Larochelle's static binarisation", parts=parts)


def _amat(path: Path) -> np.ndarray:
    """Larochelle's text format: 784 characters 0 or 1 a line, a blank between two."""
    values = np.frombuffer(path.read_bytes(), np.uint8)
    bits = values[(values == ord("0")) | (values == ord("1"))] - ord("0")
    return bits.reshape(-1, 1, 28, 28)


def binary_table(name: str, sizes: tuple[int, int, int]) -> Reader:
    """A table of bits in three parts of these sizes, stored as `train`, `valid` and `test`, or `train_data` ..."""
    remote = Remote(f"uci-binary/{name}.npz", f"{BINARY_TABLES_URL}{name}.npz", None)

    def reader(seed: int) -> Raw:
        arrays = files.load_npz(fetch(remote))
        found = [arrays.get(part, arrays.get(f"{part}_data")) for part in ("train", "valid", "test")]
        parts = [part for part in found if part is not None]
        if len(parts) < 3:
            raise JensenError(f"{remote.path}: arrays {', '.join(sorted(arrays))}, expected train, valid and test")
        _require(remote, tuple(map(len, parts)), sizes)
        x = np.concatenate(parts).astype(np.uint8)
        first, second, third = np.split(np.arange(len(x)), np.cumsum([len(part) for part in parts])[:2])
        return Raw(x, name, form="bits", parts=(first, second, third))

    return reader


def freyfaces(seed: int) -> Raw:
    """Frey's face, 28 x 20 grey, split by blocks of time."""
    packed = local("freyfaces/freyfaces.npz")
    if packed is not None:
        x = files.load_npz(packed)["images"]
    else:
        x = _mat(fetch(FREY), ("ff",))["ff"].T.reshape(-1, 28, 20)
        _require(FREY, (len(x), int(x.min()), int(x.max())), (1965, 8, 238))
    # The frames are consecutive video: blocks of time, for a random split would put near copies into the test part.
    total = len(x)
    cuts = round(total * 0.8), round(total * 0.9)
    train, validation, test = np.split(np.arange(total), cuts)
    return Raw(x[:, None], "freyfaces", form="grey", top=255, parts=(train, validation, test))


def _require(remote: Remote, found: tuple[int, ...], published: tuple[int, ...]) -> None:
    # Nobody published a checksum of these files: their numbers of examples (and range) stand in for one.
    if local(remote.path) is None and found != published:
        raise JensenError(
            f"{remote.path}: holds {found}, the published set {published}: {remote.url} gave another file; put the "
            f"right one at {remote.path} in a folder and set JENSEN_DATA to that folder"
        )


def _mat(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    try:
        values = loadmat(path)
        return {key: values[key] for key in keys}
    except (ValueError, KeyError, TypeError, OSError, NotImplementedError) as error:
        raise JensenError(f"{path}: not a MATLAB file with the arrays {', '.join(keys)}: download it again") from error


def omniglot(seed: int) -> Raw:
    """chardata.mat of Burda et al. (2016): a column is an image, itself stored by columns, grey in [0, 1]."""
    arrays = _mat(fetch(OMNIGLOT), ("data", "testdata", "target", "testtarget"))
    halves = [arrays[key].T.reshape(-1, 28, 28).transpose(0, 2, 1) for key in ("data", "testdata")]
    num_train, num_test = len(halves[0]), len(halves[1])
    _require(OMNIGLOT, (num_train, num_test), (24_345, 8070))
    x = np.concatenate(halves)[:, None].astype(np.float32)
    y = np.concatenate([arrays[key].argmax(0) for key in ("target", "testtarget")])
    num_validation = min(1345, num_train // 10)
    train, validation, _ = _shuffled(num_train, (num_train - num_validation, num_validation, 0), seed)
    parts = train, validation, np.arange(num_train, num_train + num_test)
    return Raw(x, "omniglot", y, "grey", 1, parts=parts, num_classes=50)


def svhn(seed: int) -> Raw:
    """Street View house numbers, cropped (format 2): X is (32, 32, 3, N), and the label 10 is the digit 0."""
    halves = [_mat(fetch(remote), ("X", "y")) for remote in _SVHN]
    x = np.concatenate([half["X"].transpose(3, 2, 0, 1) for half in halves])
    y = np.concatenate([half["y"].reshape(-1) for half in halves]) % 10
    parts = _tail(len(halves[0]["y"]), len(halves[1]["y"]), min(7257, len(halves[0]["y"]) // 10))
    return Raw(x, "svhn", y, "grey", 255, parts=parts, num_classes=10)


def dsprites(seed: int) -> Raw:
    """All 737,280 sprites; the label is the shape (square, ellipse, heart)."""
    path = fetch(DSPRITES)
    x = files.npz_member(path, "imgs")
    y = files.load_npz(path, ("latents_classes",))["latents_classes"][:, 1]
    _require(DSPRITES, (len(x),), (737_280,))
    tenth = len(x) // 10
    parts = _shuffled(len(x), (len(x) - 2 * tenth, tenth, tenth), seed)
    return Raw(x[:, None], "dsprites", y, "bits", parts=parts, num_classes=3)


def exchange_rate(seed: int) -> Raw:
    """Daily rates of eight currencies in US dollars, 1990 to 2016, split by blocks of time."""
    path = fetch(EXCHANGE_RATE)
    try:
        x = np.loadtxt(path, delimiter=",", ndmin=2)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise JensenError(f"{path}: no complete table of numbers: download it again") from error
    _require(EXCHANGE_RATE, x.shape, (7588, len(_CURRENCIES)))
    cuts = round(len(x) * 0.8), round(len(x) * 0.9)
    train, validation, test = np.split(np.arange(len(x)), cuts)
    return Raw(x, "exchange-rate", form="real", columns=_CURRENCIES, parts=(train, validation, test))
