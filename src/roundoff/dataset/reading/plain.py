"""Files and folders, and what is neither: a pipe would wait for who writes, a device never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from roundoff.errors import DataError


def is_folder(entry: os.DirEntry[str], path: Path) -> bool:
    """Whether a folder lies at `path`, or else a plain file; DataError where it is neither, or leads to neither."""
    if entry.is_file(follow_symlinks=False):  # which costs no look at the disk
        return False
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        raise _neither(path, f"a link that ends nowhere ({error.strerror})") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise _neither(path, "a pipe, a socket or a device")
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


def never_waiting(path: str, flags: int) -> int:
    """An opener, for `open`, that does not wait for who writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _neither(path: Path, received: str) -> DataError:
    return DataError(
        f"{path} is neither a file nor a folder",
        received=received,
        expected="plain files and folders, or links to them",
        fix="remove it",
    )
