from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from jensen.data import load, load_like
from jensen.data.spec import Spec
from jensen.data.text import Tokeniser
from jensen.errors import JensenError
from jensen.evaluation.runs import load_split

PROSE = "The cat sat on the mat, and the other cats sat there. "


def random_text(generator: random.Random, length: int) -> str:
    """Characters of one to four bytes in UTF-8, spaces and line ends among them, and words of the prose."""
    ranges = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    parts = []
    for _ in range(length):
        kind = generator.randrange(len(ranges) + 2)
        if kind < len(ranges):
            parts.append(chr(generator.randint(*ranges[kind])))
        else:
            parts.append(generator.choice([" ", "\n", "\t", "\r\n", "  ", "the", " cat", "é", "e\u0301", "日本"]))
    return "".join(parts)


@pytest.mark.parametrize("tokens", ["bytes", "bpe:257", "bpe:300", "bpe:2000"])
def test_any_text_comes_back(tokens: str) -> None:
    generator = random.Random(0)
    tokeniser = Tokeniser.learn(tokens, (PROSE * 20 + random_text(generator, 2000) * 2).encode())
    again = Tokeniser(tokeniser.merges)
    for length in (0, 1, 2, 5, 40, 300):
        for _ in range(20):
            text = random_text(generator, length).encode()
            encoded = tokeniser.encode(text)
            assert tokeniser.decode(encoded) == text
            assert again.encode(text).tolist() == encoded.tolist()
            assert tokeniser.lengths[encoded].sum() == len(text)
    assert Tokeniser.learn(tokens, text_of := (PROSE * 9).encode()).merges == Tokeniser.learn(tokens, text_of).merges
    for byte in range(128):
        assert tokeniser.decode(tokeniser.encode(bytes([byte]))) == bytes([byte])


def test_the_commonest_pairs_are_merged_first() -> None:
    tokeniser = Tokeniser.learn("bpe:260", b"aab aab aab cd cd aab")
    pieces = [tokeniser.decode(np.array([token])) for token in range(256, tokeniser.levels)]
    assert pieces[0] in (b"aa", b"ab")  # 4 of each, more than of any other pair
    assert b"aab" in pieces
    assert tokeniser.encode(b"aab")[-1] >= 256
    assert tokeniser.encode(b"xyz").tolist() == list(b"xyz")


@pytest.mark.parametrize("tokens", ["words", "bpe", "bpe:256", "bpe:many", "bpe:40000"])
def test_other_tokens_are_refused(tokens: str) -> None:
    with pytest.raises(JensenError, match=f"tokens={tokens}: expected bytes, or bpe:N"):
        Tokeniser.learn(tokens, b"some text")


@pytest.mark.parametrize("tokens", ["bytes", "bpe:290"])
def test_the_parts_of_a_file_follow_one_another(tmp_path: Path, tokens: str) -> None:
    text = "".join(f"Line {number}: déjà vu, 日本. {PROSE}\n" for number in range(300))
    path = tmp_path / "a.txt"
    path.write_text(text)
    split = load(path, window=16, tokens=tokens)
    assert split.spec.merges is not None
    tokeniser = Tokeniser(split.spec.merges)
    levels = 256 if tokens == "bytes" else 290
    assert (split.spec.kind, split.spec.levels, split.spec.event_shape) == ("categorical", levels, (16,))
    assert split.spec.treatment == f"{tokens}, windows of 16"
    assert Spec.from_json(split.spec.to_json()) == split.spec
    train = split.train.all().x
    assert train[1:, :-1].equal(train[:-1, 1:])  # each window a token after the last
    pieces = [tokeniser.decode(torch.cat([train[0], train[1:, -1]]).numpy())]
    pieces += [tokeniser.decode(part.all().x.flatten().numpy()) for part in (split.validation, split.test)]
    whole = text.encode()
    assert whole.startswith(pieces[0])
    assert abs(len(pieces[0]) - 0.8 * len(whole)) < 4
    # Held-out windows lie end to end; tokens that fill no last window are left out.
    assert 0 <= whole.index(pieces[1]) - len(pieces[0]) < 4
    assert whole.index(pieces[2]) - (len(pieces[0]) + len(pieces[1])) < 16 * 8
    again = load(path, **split.options)
    assert again.train.fingerprint == split.train.fingerprint
    assert load_like(split, path).spec == split.spec
    assert len(load_like(split, path)) == len(tokeniser.encode(whole)) // 16


def test_files_of_a_folder_are_each_in_one_part(tmp_path: Path) -> None:
    texts = {f"{number:02}.txt": f"{number} " * (60 + number) for number in range(20)}
    for name, text in texts.items():
        place = tmp_path / ("a" if int(name[:2]) % 2 else "b")
        place.mkdir(exist_ok=True)
        (place / name).write_text(text)
    split = load(tmp_path, window=4, seed=3)
    found = [
        {
            int(word)
            for word in bytes(
                part.all().x[:, 0].tolist() if part is split.train else part.all().x.flatten().tolist()
            ).split()
        }
        for part in (split.train, split.validation, split.test)
    ]
    inner = [numbers & set(range(10, 20)) for numbers in found]  # a word cut by a window's end reads as another
    assert not inner[0] & inner[1] | inner[0] & inner[2] | inner[1] & inner[2]
    assert all(found)
    (tmp_path / "one").mkdir()
    for number in range(2):
        (tmp_path / "one" / f"{number}.txt").write_text("some text " * 40)
    with pytest.raises(JensenError, match="leave none for"):
        load(tmp_path / "one", window=4)


def test_text_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("un café".encode("latin1") * 30)
    with pytest.raises(JensenError, match=r"latin.txt: no UTF-8 text \(byte 0xe9 at 6\): convert it"):
        load(tmp_path / "latin.txt")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(JensenError, match="empty"):
        load(tmp_path / "empty.txt")
    (tmp_path / "short.txt").write_text("short")
    with pytest.raises(JensenError, match="choose a window of at most 3"):
        load(tmp_path / "short.txt")
    with pytest.raises(JensenError, match="tokens is for text"):
        load("digits", tokens="bytes")
    (tmp_path / "good.txt").write_text(PROSE * 20)
    split = load(tmp_path / "good.txt", tokens="bpe:280", window=8)
    with pytest.raises(JensenError, match="are not both text"):
        load_like(split, "digits")


def test_python_docstrings() -> None:
    split = load("python-docstrings", window=128)
    sizes = [len(part) for part in (split.train, split.validation, split.test)]
    assert 1.2e6 < sizes[0] < 1.8e6
    assert min(sizes[1:]) > 500
    texts = [bytes(part.all().x[:200].flatten().tolist()) for part in (split.validation, split.test)]
    assert all(b"Return" in text for text in texts)
    again = load("python-docstrings", window=128, tokens="bytes")
    assert again.train.fingerprint == split.train.fingerprint
    with pytest.raises(JensenError, match="has a test part of its own"):
        load("python-docstrings", test=0.1)


def test_a_run_finds_its_tokens_again(tmp_path: Path) -> None:
    import jensen

    (tmp_path / "a.txt").write_text(PROSE * 60)
    split = load(tmp_path / "a.txt", tokens="bpe:270", window=8)
    model = jensen.create("transformer", split.spec, width=8, depth=1, heads=1)
    jensen.fit(model, split, out=tmp_path / "run", steps=2, progress=False)
    loaded = jensen.load(tmp_path / "run")
    assert loaded.spec == split.spec == load_split(tmp_path / "run").spec  # type: ignore[union-attr]
