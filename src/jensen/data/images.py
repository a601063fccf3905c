"""A folder of PNG or JPEG images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jensen.data.raw import Raw
from jensen.errors import JensenError

_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_folder(path: Path) -> Raw:
    """The images of a folder, (N, 1 or 3, height, width) uint8, in the order of their names.

    Where they lie in sub-folders, those are the labels, in the order of their names. They are grey where every pixel
    of every image is. Transparency is dropped.

    Errors: no images, images of different sizes (which file), one that cannot be read or has more than 8 bits, images
    both in the folder and in its sub-folders.
    """
    top = _images(path)
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and _images(folder))
    if top and folders:
        raise JensenError(
            f"{path}: images both in the folder and in its sub-folders ({folders[0].name}): sub-folders are labels, so "
            "put every image in one"
        )
    files = top or [file for folder in folders for file in _images(folder)]
    if not files:
        raise JensenError(f"{path}: no PNG or JPEG images in the folder or its sub-folders: check the path")
    x = _stack(files)
    if not folders:
        return Raw(x, path.name, form="grey", top=255)
    names = [folder.name for folder in folders]
    y = np.array([names.index(file.parent.name) for file in files])
    return Raw(x, path.name, y, form="grey", top=255, classes=tuple(names))


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)


def _stack(files: list[Path]) -> np.ndarray:
    first = _pixels(files[0])
    x = np.empty((len(files), *first.shape), np.uint8)
    for i, file in enumerate(files):
        pixels = _pixels(file)
        if pixels.shape != first.shape:
            raise JensenError(
                f"{file}: {pixels.shape[1]} x {pixels.shape[0]} pixels, but {files[0].name} has {first.shape[1]} x "
                f"{first.shape[0]}: bring all images to one size"
            )
        x[i] = pixels
    grey = (x[..., :1] == x).all()
    return np.ascontiguousarray(np.moveaxis(x[..., :1] if grey else x, 3, 1))


def _pixels(file: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise JensenError(f"{file}: more than 8 bits a channel ({image.mode}): convert it to 8 bits")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise JensenError(f"{file}: not a complete PNG or JPEG image: replace or remove it") from error
