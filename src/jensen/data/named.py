"""The named sets: what each is, where it comes from, and how it is read and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jensen.data import captioned, docstrings, published, shapes, tones, toy, words
from jensen.data.raw import Raw
from jensen.data.spec import Kind
from jensen.errors import JensenError


@dataclass(frozen=True)
class NamedSet:
    """One line of `jensen datasets`: sizes of training, validation and test, and the kind under binarize="none"."""

    name: str
    event_shape: tuple[int, ...]
    kind: Kind
    sizes: tuple[int, int, int]
    num_classes: int | None
    source: str
    origin: str
    split: str


def describe() -> list[NamedSet]:
    """All named sets, in the order in which they are listed."""
    return [entry for entry, _ in _SETS.values()]


def read(name: str, seed: int) -> Raw:
    """The stored values of a named set with its own split; `seed` shuffles or draws where the set has none."""
    entry, reader = _SETS[name]
    raw = reader(seed)
    if raw.x.shape[1:] != entry.event_shape:
        raise JensenError(
            f"{name}: examples of shape {raw.x.shape[1:]}, expected {entry.event_shape}: this is another file of that "
            "name; download it again"
        )
    return raw


_IMAGE = (1, 28, 28)
_HOW_DRAWN = {
    "color-shapes-without-pair": "without green hearts, which are the test part",
    "many-color-shapes": "that of color-shapes, with more for training",
}
_TOY_SIZES = (10_000, 2_000, 2_000)
_TOY_SPLIT = {"pendulum": "a series: blocks of time"}

_LIST: list[tuple[NamedSet, Callable[[int], Raw]]] = [
    (
        NamedSet(
            "digits",
            (1, 8, 8),
            "unit",
            (1297, 250, 250),
            10,
            "Alpaydin and Kaynak (1998)",
            "comes with scikit-learn",
            "shuffled by the seed",
        ),
        published.digits,
    ),
    (
        NamedSet(
            "mnist",
            _IMAGE,
            "unit",
            (50_000, 10_000, 10_000),
            10,
            "LeCun, Bottou, Bengio and Haffner (1998)",
            published.MNIST_URL,
            "validation is the last 10,000 training images",
        ),
        published.idx_set("mnist", published.MNIST_URL, published.MNIST_MD5),
    ),
    (
        NamedSet(
            "fashion-mnist",
            _IMAGE,
            "unit",
            (50_000, 10_000, 10_000),
            10,
            "Xiao, Rasul and Vollgraf (2017)",
            published.FASHION_URL,
            "validation is the last 10,000 training images",
        ),
        published.idx_set("fashion-mnist", published.FASHION_URL, published.FASHION_MD5),
    ),
    (
        NamedSet(
            "binarized-mnist",
            _IMAGE,
            "binary",
            (50_000, 10_000, 10_000),
            None,
            "Salakhutdinov and Murray (2008); Larochelle and Murray (2011)",
            published.LAROCHELLE_URL,
            "as published",
        ),
        published.binarized_mnist,
    ),
    *(
        (
            NamedSet(name, (dims,), "binary", sizes, None, source, published.BINARY_TABLES_URL, "as published"),
            published.binary_table(name, sizes),
        )
        for name, dims, sizes, source in (
            ("dna", 180, (1400, 600, 1186), "Larochelle and Murray (2011); UCI"),
            ("mushrooms", 112, (2000, 500, 5624), "Larochelle and Murray (2011); UCI"),
            ("nips", 500, (400, 100, 1240), "Larochelle and Murray (2011); NIPS volumes 0 to 12"),
        )
    ),
    (
        NamedSet(
            "freyfaces",
            (1, 28, 20),
            "unit",
            (1572, 196, 197),
            None,
            "Roweis and Saul (2000)",
            published.FREY.url,
            "consecutive video: the first 80%, the next 10% and the last 10% of the frames",
        ),
        published.freyfaces,
    ),
    (
        NamedSet(
            "omniglot",
            _IMAGE,
            "unit",
            (23_000, 1345, 8070),
            50,
            "Lake, Salakhutdinov and Tenenbaum (2015); Burda, Grosse and Salakhutdinov (2016)",
            published.OMNIGLOT.url,
            "validation is 1,345 training images, drawn by the seed",
        ),
        published.omniglot,
    ),
    (
        NamedSet(
            "dsprites",
            (1, 64, 64),
            "binary",
            (589_824, 73_728, 73_728),
            3,
            "Matthey, Higgins, Hassabis and Lerchner (2017)",
            published.DSPRITES.url,
            "shuffled by the seed",
        ),
        published.dsprites,
    ),
    *(
        (
            NamedSet(
                name,
                (3 if rendered.color else 1, rendered.size, rendered.size),
                "unit",
                shapes.sizes_of(name),
                len(shapes.SHAPES),
                "after Matthey, Higgins, Hassabis and Lerchner (2017)",
                "rendered",
                _HOW_DRAWN.get(name, "a fixed draw"),
            ),
            shapes.reader(name),
        )
        for name, rendered in shapes.SETS.items()
    ),
    (
        NamedSet(
            "captioned-shapes",
            (3, shapes.SETS["color-shapes"].size, shapes.SETS["color-shapes"].size),
            "unit",
            shapes.SIZES,
            None,
            "after Matthey, Higgins, Hassabis and Lerchner (2017)",
            "rendered",
            "as color-shapes; captions drawn with the seed",
        ),
        captioned.captioned_shapes,
    ),
    (
        NamedSet(
            "captioned-digits",
            (1, 8, 8),
            "unit",
            (1297, 250, 250),
            None,
            "Alpaydin and Kaynak (1998)",
            "comes with scikit-learn",
            "as digits; captions drawn with the seed",
        ),
        captioned.captioned_digits,
    ),
    (
        NamedSet(
            "svhn",
            (3, 32, 32),
            "unit",
            (66_000, 7257, 26_032),
            10,
            "Netzer et al. (2011)",
            "http://ufldl.stanford.edu/housenumbers/",
            "validation is the last 7,257 training images",
        ),
        published.svhn,
    ),
    (
        NamedSet(
            "exchange-rate",
            (8,),
            "real",
            (6070, 759, 759),
            None,
            "Lai, Chang, Yang and Liu (2018)",
            published.EXCHANGE_RATE.url,
            "a series: the first 80%, the next 10% and the last 10% of the days",
        ),
        published.exchange_rate,
    ),
    (
        NamedSet(
            "python-topics",
            (words.NUM_WORDS,),
            "count",
            (words.NUM_DOCUMENTS - 200, 100, 100),
            None,
            "Python Software Foundation (2001 on)",
            "comes with Python",
            "pieces of 60 words, shuffled by the seed",
        ),
        words.python_topics,
    ),
    (
        NamedSet(
            "python-docstrings",
            (1,),
            "categorical",
            docstrings.SIZES,
            None,
            "Python Software Foundation (2001 on)",
            "comes with Python",
            "a text, by file; bytes, about",
        ),
        docstrings.python_docstrings,
    ),
    *(
        (
            NamedSet(
                name, (tones.LENGTH,), "8-bit", tones.SIZES, num_classes, "made here", "drawn with the seed", said
            ),
            reader,
        )
        for name, num_classes, reader, said in (
            ("tones", len(tones.NOTES), tones.tones, "independent draws"),
            ("chirps", None, tones.chirps, "independent draws; each is given two frequencies"),
        )
    ),
    *(
        (
            NamedSet(
                name,
                shape,
                "real",
                _TOY_SIZES,
                None,
                source,
                "drawn with the seed",
                _TOY_SPLIT.get(name, "independent draws"),
            ),
            published.toy_set(name),
        )
        for name, shape, source in (
            *((name, (2,), source) for name, source in toy.SOURCES.items()),
            ("manifold", (20,), "Dai and Wipf (2019)"),
            ("pendulum", (1,), "Yule (1927)"),
        )
    ),
]
_SETS = {entry.name: (entry, reader) for entry, reader in _LIST}
NAMES = tuple(_SETS)
