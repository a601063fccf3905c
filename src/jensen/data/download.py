"""Where a named set's file is: in the folder that JENSEN_DATA names, else in the cache, else on the network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jensen.errors import JensenError


@dataclass(frozen=True)
class Remote:
    """A file to be downloaded: its path below JENSEN_DATA, its address, and its checksum where one is known for sure.

    Where `checksum` is None nobody published one: the reader of the set then checks what the file holds.
    """

    path: str
    url: str
    checksum: str | None


def local(path: str) -> Path | None:
    """The file of that path below JENSEN_DATA, or None."""
    folder = os.environ.get("JENSEN_DATA")
    found = Path(folder) / path if folder else None
    return found if found is not None and found.is_file() else None


def cache() -> Path:
    """The folder that downloads are kept in."""
    import pooch

    return Path(pooch.os_cache("jensen"))


def fetch(remote: Remote) -> Path:
    """The file on disk, downloaded where it is not there yet.

    Errors: a JensenError naming file, address and remedy where the download fails or its checksum is wrong.
    """
    found = local(remote.path)
    if found is not None:
        return found
    import pooch

    target = cache() / remote.path
    try:
        return Path(pooch.retrieve(remote.url, remote.checksum, fname=target.name, path=target.parent))
    except (OSError, ValueError) as error:
        reason = "its checksum is wrong" if "hash" in str(error) else type(error).__name__
        raise JensenError(
            f"cannot download {remote.path} from {remote.url} ({reason}): check the network, or put the file at "
            f"{remote.path} in a folder and set JENSEN_DATA to that folder"
        ) from error
