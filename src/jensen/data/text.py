"""Text as tokens: bytes, or pairs of them merged as the training text suggests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64

from jensen.data.raw import Raw
from jensen.errors import JensenError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW = 64

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


class Tokeniser:
    """Tokens 0 .. 255 are the bytes, and token 256 + i is the i-th of the merged pairs of tokens before it.

    Encoding starts from the bytes of each word and merges pairs, the earliest of the merges first (Sennrich, Haddow &
    Birch 2016, on bytes as in Radford et al. 2019); no merge reaches across words. Any text can be encoded, and
    decoding gives it back.

    Args:
        merges: the pairs, "104+101 256+121"; "" where tokens are bytes.
    """

    def __init__(self, merges: str) -> None:
        self.merges = merges
        self._pieces = [bytes([byte]) for byte in range(256)]
        self._pairs = [(int(left), int(right)) for left, _, right in (pair.partition("+") for pair in merges.split())]
        for left, right in self._pairs:
            self._pieces.append(self._pieces[left] + self._pieces[right])
        self._library: Tokenizer | None = None

    @classmethod
    def learn(cls, tokens: str, text: bytes) -> Tokeniser:
        """The tokeniser that `tokens` names, "bytes" or "bpe:1024", of merges that are commonest in this text.

        Raises:
            JensenError: where it names none.
        """
        if tokens == "bytes":
            return cls("")
        kind, _, number = tokens.partition(":")
        if kind != "bpe" or not number.isdigit() or not 257 <= int(number) <= 32_768:
            raise JensenError(f"tokens={tokens}: expected bytes, or bpe:N with N from 257 to 32768 tokens in all")
        from tokenizers import Tokenizer, models, trainers

        library = Tokenizer(models.BPE())
        library.pre_tokenizer = _words()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=int(number), min_frequency=2, initial_alphabet=list(_SYMBOLS), show_progress=False
        )
        library.train_from_iterator([text.decode()], trainer)
        names = {symbol: byte for byte, symbol in enumerate(_SYMBOLS)}
        pairs = []
        for left, right in json.loads(library.to_str())["model"]["merges"]:
            pairs.append(f"{names[left]}+{names[right]}")
            names.setdefault(left + right, 255 + len(pairs))
        return cls(" ".join(pairs))

    @property
    def levels(self) -> int:
        """How many tokens there are."""
        return len(self._pieces)

    @property
    def lengths(self) -> Int64[np.ndarray, "levels"]:
        """The bytes that each token stands for."""
        return np.array([len(piece) for piece in self._pieces])

    def encode(self, text: bytes) -> Int64[np.ndarray, "tokens"]:
        """The tokens of a text in UTF-8."""
        if not self._pairs:
            return np.frombuffer(text, dtype=np.uint8).astype(np.int64)
        if self._library is None:
            self._library = self._as_the_library_has_it()
        return np.array(self._library.encode(text.decode()).ids, dtype=np.int64)

    def decode(self, tokens: Int64[np.ndarray, "tokens"]) -> bytes:
        """The bytes that they stand for; of tokens that a model has drawn they need not be UTF-8."""
        return b"".join(self._pieces[token] for token in tokens.tolist())

    def _as_the_library_has_it(self) -> Tokenizer:
        from tokenizers import Tokenizer, models

        names = ["".join(_SYMBOLS[byte] for byte in piece) for piece in self._pieces]
        numbers: dict[str, int] = {}
        for number, name in enumerate(names):
            numbers.setdefault(name, number)
        library = Tokenizer(models.BPE(numbers, [(names[left], names[right]) for left, right in self._pairs]))
        library.pre_tokenizer = _words()
        return library


def _words() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _symbols() -> str:
    """The 256 printable characters that stand for the bytes in the library, as in Radford et al. (2019)."""
    itself = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return "".join(chr(byte if byte in itself else next(others)) for byte in range(256))


_SYMBOLS = _symbols()


def read_text(path: Path) -> Raw:
    """The bytes of a .txt file, (N, 1); or of all those in a folder and its sub-folders, an empty line after each.

    Errors: a file that is not UTF-8 (which, and where).
    """
    files = sorted(file for file in path.rglob("*.txt")) if path.is_dir() else [path]
    texts = [_checked(file) + (b"\n\n" if path.is_dir() else b"") for file in files]
    stream = np.frombuffer(b"".join(texts), dtype=np.uint8)
    if not len(stream):
        raise JensenError(f"{path}: the file is empty: check that it was written or downloaded completely")
    return Raw(stream[:, None], path.name, form="levels", top=255, ends=np.cumsum([len(text) for text in texts]))


def is_folder_of_text(folder: Path) -> bool:
    """Whether it holds .txt files, and nothing else that could be data."""
    return {path.suffix.lower() for path in folder.rglob("*") if path.is_file()} == {".txt"}


def _checked(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise JensenError(
            f"{path}: no UTF-8 text (byte {content[error.start]:#04x} at {error.start:,}): convert it, such as by "
            "iconv -f latin1 -t utf-8"
        ) from error
    return content


def tokenised(raw: Raw, parts: Parts, tokens: str, seed: int) -> tuple[Raw, Parts]:
    """Raw text as tokens (N, 1), and its parts: the tokeniser learns from the training part alone.

    Of several files each goes to one part, whole; they are shuffled by the seed where the set has no split of its own.
    One file is cut between characters.
    """
    assert raw.ends is not None
    stream, ends = raw.x[:, 0].tobytes(), raw.ends
    cuts = np.cumsum([len(part) for part in parts])[:2]
    if raw.parts is None and len(ends) > 1:
        starts, order = ends - np.diff(ends, prepend=0), np.random.default_rng(seed).permutation(len(ends))
        stream = b"".join(stream[starts[i] : ends[i]] for i in order)
        ends = np.cumsum((ends - starts)[order])
        cuts = np.array([ends[np.abs(ends - cut).argmin()] for cut in cuts])
    first, second = (_between_characters(stream, int(cut)) for cut in cuts)
    texts = [stream[:first], stream[first:second], stream[second:]]
    for name, wanted, text in zip(("training", "validation", "test"), parts, texts, strict=True):
        if len(wanted) and not text:
            raise JensenError(
                f"{raw.name}: {len(ends)} files, each whole in one part, leave none for {name}: give more, or one file"
            )
    tokeniser = Tokeniser.learn(tokens, texts[0])
    raw = replace(raw, merges=tokeniser.merges, treatment=tokens, top=tokeniser.levels - 1)
    streams = [tokeniser.encode(text) for text in texts]
    rows = np.split(np.arange(sum(map(len, streams))), np.cumsum([len(one) for one in streams])[:2])
    return _of_tokens(raw, np.concatenate(streams)), (rows[0], rows[1], rows[2])


def tokenised_like(raw: Raw, merges: str) -> Raw:
    """Raw text, of a set with parts the test part, as tokens by a tokeniser that is there already."""
    tokeniser = Tokeniser(merges)
    stream = raw.x[:, 0] if raw.parts is None else raw.x[raw.parts[2], 0]
    raw = replace(raw, merges=merges, parts=None, top=tokeniser.levels - 1)
    return _of_tokens(raw, tokeniser.encode(stream.tobytes()))


def _of_tokens(raw: Raw, stream: np.ndarray) -> Raw:
    return replace(raw, x=stream.astype(np.uint8 if raw.top < 256 else np.int16)[:, None])


def _between_characters(stream: bytes, cut: int) -> int:
    """The last place up to `cut` at which no character of UTF-8 is cut in two."""
    while cut < len(stream) and stream[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut
