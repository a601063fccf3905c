"""Readers of arrays: .npy, .npz, idx; tables, images, sounds and texts have files of their own."""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jensen.data import audio, images, text
from jensen.data.download import cache
from jensen.data.raw import Raw
from jensen.data.spec import Column
from jensen.errors import JensenError

# Above this a .npy file stays on disk and is memory-mapped.
STREAM_ABOVE = 2**30

TABLES = (".csv", ".tsv", ".parquet")

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_SUFFIXES = ".npy, .npz, .csv, .tsv, .parquet, .idx, .idx.gz (or ...-ubyte.gz), .txt, .wav, a folder of such or images"


def read(
    path: Path,
    *,
    target: str | None,
    target_required: bool,
    columns: str | Mapping[str, Column] | None,
    window: int | None,
    missing: bool,
    stream: bool,
) -> Raw:
    """What the file or folder holds, read by the reader that its name calls for."""
    suffix = path.suffix.lower()
    is_table = suffix in TABLES
    if target is not None and not is_table:
        raise JensenError(f"{path}: target='{target}' names a column of a table (.csv, .tsv, .parquet): leave it out")
    if columns is not None and not is_table:
        raise JensenError(f"{path}: columns is for a table (.csv, .tsv, .parquet): leave it out")
    if stream and suffix != ".npy":
        raise JensenError(f"{path}: stream=True needs a .npy file: save the array with numpy.save, or leave stream out")
    if suffix == ".txt" or (path.is_dir() and text.is_folder_of_text(path)):
        return text.read_text(path)
    if path.is_dir():
        return audio.read(path, window) if audio.has_wav_files(path) else images.read_folder(path)
    if path.stat().st_size == 0:
        raise JensenError(f"{path}: the file is empty: check that it was written or downloaded completely")
    if is_table:
        from jensen.data import tables

        return tables.read_table(path, target, target_required, columns, missing)
    if suffix == ".npy":
        return Raw(read_npy(path, stream), path.name)
    if suffix == ".npz":
        return read_npz(path)
    if suffix == ".wav":
        return audio.read(path, window)
    if suffix in (".gz", ".idx") or path.name.endswith("-ubyte"):
        return Raw(read_idx(path), path.name)
    raise JensenError(f"{path}: no reader for '{suffix}': expected {_SUFFIXES}")


def read_npy(path: Path, stream: bool = False) -> np.ndarray:
    """The array of a .npy file: memory-mapped where `stream` or where it is large, else in memory."""
    mapped = stream or path.stat().st_size > STREAM_ABOVE
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise JensenError(
            f"{path}: not a complete .npy file of numbers ({_one_line(error)}): {_remedy(error)}"
        ) from error


def read_npz(path: Path) -> Raw:
    """x under `x`, `data` or `images` and labels under `y` or `labels`, or three parts `train`, `valid` and `test`.

    Three parts of 98 bytes a row are taken for 28 x 28 images of bits, packed as by `numpy.packbits`.
    """
    arrays = load_npz(path)
    if {"train", "valid", "test"} <= arrays.keys():
        return _three_parts(path.name, arrays)
    key = next((key for key in ("x", "data", "images") if key in arrays), None)
    if key is None:
        raise JensenError(
            f"{path}: arrays {', '.join(sorted(arrays)) or 'none'}, expected 'x' (labels 'y'), or 'train', 'valid' and "
            "'test': save it with numpy.savez(path, x=x)"
        )
    return Raw(arrays[key], path.name, arrays["y"] if "y" in arrays else arrays.get("labels"))


def load_npz(path: Path, keys: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, all or those named; arrays of objects are left out, for they would need a pickle."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            wanted = [key for key in archive.files if keys is None or key in keys]
            return {key: archive[key] for key in wanted}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise JensenError(
            f"{path}: not a complete .npz file of numbers ({_one_line(error)}): {_remedy(error)}"
        ) from error


def npz_member(path: Path, key: str) -> np.ndarray:
    """One array of a .npz file; a large one is unpacked into the cache once and memory-mapped there."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{key}.npy")
            if member.file_size <= STREAM_ABOVE:
                return load_npz(path, (key,))[key]
            unpacked = cache() / path.stem / member.filename
            if not unpacked.exists() or unpacked.stat().st_size != member.file_size:
                unpacked.parent.mkdir(parents=True, exist_ok=True)
                partial = unpacked.with_suffix(f".{os.getpid()}")
                with archive.open(member) as packed, partial.open("wb") as file:
                    shutil.copyfileobj(packed, file)
                partial.replace(unpacked)
    except (KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise JensenError(
            f"{path}: no complete .npz file with an array '{key}' ({_one_line(error)}): get it again"
        ) from error
    return read_npy(unpacked)


def _three_parts(name: str, arrays: dict[str, np.ndarray]) -> Raw:
    parts = [arrays[part] for part in ("train", "valid", "test")]
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(str(part.shape) for part in parts)
        raise JensenError(f"{name}: train, valid and test of shapes {shapes}: their rows must be of one shape")
    edges = np.cumsum([0] + [len(part) for part in parts])
    rows = tuple(np.arange(a, b) for a, b in itertools.pairwise(edges))
    x = np.concatenate(parts)
    if x.dtype == np.uint8 and x.shape[1:] == (98,):
        x = np.unpackbits(x, axis=1).reshape(-1, 1, 28, 28)
    return Raw(x, name, parts=(rows[0], rows[1], rows[2]))


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file (LeCun, 1998), compressed or not: two zeros, type, number of axes, sizes, values."""
    data = _bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise JensenError(f"{path}: not an idx file (it starts with {data[:4]!r}): check the file")
    dtype, num_axes = np.dtype(_IDX_TYPES[data[2]]), data[3]
    start = 4 + 4 * num_axes
    shape = struct.unpack(f">{num_axes}I", data[4:start]) if len(data) >= start else ()
    expected = start + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(data) != expected or not shape:
        raise JensenError(
            f"{path}: truncated: {len(data):,} bytes, its header promises {expected:,}: download it again"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JensenError(f"{path}: truncated or no gzip file ({_one_line(error)}): download it again") from error


def _remedy(error: Exception) -> str:
    # An array of arrays is an array of objects, which only a pickle could hold.
    return "cut examples of unequal length to one" if "Object arrays" in str(error) else "save it again"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
