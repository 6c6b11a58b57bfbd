"""Files and folders, and what is neither: a pipe would wait for who writes, a device never end."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from roundoff.errors import DataError

SPECIAL = "a pipe, a socket or a device"


def is_folder(entry: os.DirEntry[str], path: Path) -> bool:
    """Whether a folder lies at `path`, or else a plain file; DataError where it is neither, or leads to neither."""
    if entry.is_file(follow_symlinks=False):  # which costs no look at the disk
        return False
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        raise _neither(path, f"a link that ends nowhere ({error.strerror})") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise _neither(path, SPECIAL)
    return stat.S_ISDIR(mode)


def require_plain(top: Path) -> None:
    """Raise DataError where something else than files and folders lies below `top`: DVC reads all that it watches."""
    folders = [top] if top.is_dir() else []
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_folder(entry, folder / entry.name) and not entry.is_symlink():
                    folders.append(folder / entry.name)


def refuse_special(top: Path) -> None:
    """Raise DataError where a pipe, a socket or a device stands at `top` or below: reading it might never end.

    What cannot be looked at is left to who reads it.
    """
    places = [top]
    while places:
        place = places.pop()
        with suppress(OSError):
            mode = place.stat().st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise _neither(place, SPECIAL)
            if stat.S_ISDIR(mode) and (place == top or not place.is_symlink()):
                places += place.iterdir()


def read_plain(path: Path, most: int = -1) -> bytes:
    """The bytes of a file, or `most` of them; DataError where a pipe or a device stands there, OSError as ever."""
    with open(path, "rb", opener=never_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _neither(path, SPECIAL)
        return file.read(most)


def append_plain(path: Path, data: bytes) -> None:
    """Add to the end of a file, or begin it; DataError where a pipe or a device stands there, OSError as ever."""
    refuse_special(path)
    with open(path, "ab", opener=never_waiting) as file:
        file.write(data)


def never_waiting(path: str, flags: int) -> int:
    """An opener, for `open`, that does not wait for who writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _neither(path: Path, received: str) -> DataError:
    return DataError(
        f"{path} is neither a file nor a folder",
        received=received,
        expected="plain files and folders, or links to them",
        fix="take it, or the link that leads there, out of the folder",
    )
