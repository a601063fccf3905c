"""Sounds: WAV files as mu-law levels, cut into windows, and back."""

from __future__ import annotations

import io
import itertools
import struct
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, UInt8

from jensen.data.raw import Raw
from jensen.errors import JensenError

LEVELS = 256
_MU = LEVELS - 1
_WINDOW = 4096
_PAUSE = 0.1  # seconds


def mu_law(x: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The level 0..255 of each x in [-1, 1]: the nearest to 255 (f(x) + 1) / 2, f = sign(x) ln(1 + 255 |x|) / ln 256.

    The law of ITU-T (1988), Recommendation G.711, without its segments: the quieter, the finer. 0 is of level 128.

    >>> mu_law(np.array([-1.0, -0.01, 0.0, 0.01, 1.0]))
    array([  0,  98, 128, 157, 255], dtype=uint8)
    """
    companded = np.sign(x) * np.log1p(_MU * np.abs(x)) / np.log1p(_MU)
    return np.floor((companded + 1) / 2 * _MU + 0.5).astype(np.uint8)


def from_mu_law(levels: Integer[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The x in [-1, 1] that each level stands for: `mu_law(from_mu_law(levels))` are the levels."""
    companded = 2 * np.asarray(levels, np.float64) / _MU - 1
    return np.sign(companded) * np.expm1(np.abs(companded) * np.log1p(_MU)) / _MU


def read(path: Path, window: int | None) -> Raw:
    """The windows of a WAV file, or of all those of a folder, (N, window) levels, end to end within each file.

    Sub-folders that hold the files are labels. Rows come by how far into its file each lies, equally far ones in an
    order of their own: parts cut from them are blocks of time of every file, and where each file is one window, files.

    Errors: no WAV files, one that is no whole file of PCM or floating point, silent or shorter than a window; files of
    different rates.
    """
    window = _WINDOW if window is None else window
    if window < 1:
        raise JensenError(f"window={window}: expected a number of samples, 1 or more")
    files = [path] if path.is_file() else _of_folder(path)
    folders = sorted({file.parent for file in files})
    rows, places, labels, channels = [], [], [], set()
    rate = 0
    for file in files:
        found, x = read_wav(file)
        if rate and found != rate:
            raise JensenError(
                f"{file}: {found} samples a second, but {files[0].name} has {rate}: bring all files to one rate"
            )
        rate = found
        if len(x) < window:
            raise JensenError(
                f"{file}: {len(x)} samples are less than one window of {window}: choose window={len(x)} or less, or "
                "take the file away"
            )
        if not np.ptp(x):
            raise JensenError(f"{file}: silent, all {len(x)} samples are alike: take the file away, or record it again")
        channels.add(x.shape[1])
        rows.append(mu_law(x.mean(1))[: len(x) // window * window].reshape(-1, window))
        places.append((np.arange(len(rows[-1])) + 0.5) / len(rows[-1]))
        labels.append(np.full(len(rows[-1]), folders.index(file.parent)))
    drawn = np.random.default_rng(0).permutation(len(files))
    ties = np.repeat(drawn, [len(one) for one in rows])
    order = np.lexsort((ties, np.concatenate(places)))
    mixed = "" if channels == {1} else f", {' or '.join(map(str, sorted(channels)))} channels mixed down to one"
    of_folders = files[0].parent != path and path.is_dir()
    return Raw(
        np.concatenate(rows)[order],
        path.name,
        np.concatenate(labels)[order] if of_folders else None,
        "levels",
        _MU,
        treatment=f"mu-law at {rate} Hz{mixed}, windows of {window}",
        classes=tuple(folder.name for folder in folders) if of_folders else None,
        rate=rate,
    )


def _of_folder(path: Path) -> list[Path]:
    top = wav_files(path)
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and wav_files(folder)]
    if top and folders:
        raise JensenError(
            f"{path}: WAV files both in the folder and in its sub-folders ({folders[0].name}): sub-folders are labels, "
            "so put every file in one"
        )
    return top or list(itertools.chain.from_iterable(map(wav_files, folders)))


def wav_files(folder: Path) -> list[Path]:
    """The WAV files of a folder, in the order of their names."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".wav")


def has_wav_files(folder: Path) -> bool:
    """Whether there are any in a folder or its sub-folders."""
    return bool(wav_files(folder)) or any(wav_files(each) for each in folder.iterdir() if each.is_dir())


def read_wav(path: Path) -> tuple[int, Float[np.ndarray, "samples channels"]]:
    """The rate in samples a second, and the samples of each channel in [-1, 1]: of PCM, k bits are divided by 2^(k-1).

    Raises:
        JensenError: where it is no whole WAV file of PCM or floating point, or holds nothing.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", wavfile.WavFileWarning)
            rate, stored = wavfile.read(path)
    except (ValueError, EOFError, OSError, struct.error, UnboundLocalError) as error:
        # The last two are how scipy meets a header that ends early, and one without data.
        raise JensenError(
            f"{path}: no whole WAV file of PCM or floating point ({' '.join(str(error).split())}): convert it to PCM"
        ) from error
    if any("EOF" in str(warning.message) for warning in said):
        raise JensenError(f"{path}: truncated, its header promises more samples: copy or record it again")
    if not stored.size:
        raise JensenError(f"{path}: no samples: take the file away, or record it again")
    x = stored.reshape(len(stored), -1)
    if x.dtype == np.uint8:
        return rate, (x.astype(np.float64) - 2**7) / 2**7
    if x.dtype.kind == "i":
        return rate, x / 2.0 ** (8 * x.dtype.itemsize - 1)
    x = x.astype(np.float64)
    if not np.isfinite(x).all() or np.abs(x).max() > 1:
        raise JensenError(f"{path}: samples beyond -1 to 1 (or not finite): divide them by the largest")
    return rate, x


def wav_bytes(rate: int, levels: Integer[np.ndarray, "sounds samples"]) -> bytes:
    """A WAV file of 16-bit PCM that plays the sounds one after another, a tenth of a second of silence between them."""
    from scipy.io import wavfile

    x = np.rint(from_mu_law(levels) * (2**15 - 1)).astype(np.int16)
    silence = np.zeros((len(x), round(_PAUSE * rate)), np.int16)
    played = np.concatenate([x, silence], 1).reshape(-1)
    content = io.BytesIO()
    wavfile.write(content, rate, played[: len(played) - silence.shape[1]])
    return content.getvalue()


def beginning(path: Path, rate: int | None) -> UInt8[np.ndarray, " samples"]:
    """The levels of a WAV file, mixed down to one channel, as the beginning of a sound of this rate.

    Raises:
        JensenError: where it cannot be read, is of another rate, or sounds have no part in it (rate None).
    """
    if rate is None:
        raise JensenError(f"{path} is the beginning of a sound, and these data are none: give entries of x by name")
    if not path.is_file():
        raise JensenError(f"no such file '{path}': check the path")
    found, x = read_wav(path)
    if found != rate:
        raise JensenError(f"{path}: {found} samples a second, but the run has {rate}: bring it to that rate")
    return mu_law(x.mean(1))
