"""train/CLASS/IMAGE and test/CLASS/IMAGE in a directory or a zip, by name and one file's bytes at a time."""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path, PurePosixPath, PureWindowsPath

from roundoff.dataset.base import SplitName
from roundoff.errors import DataError
from roundoff.system.files import sha256_of
from roundoff.system.plain_files import is_folder, never_waiting
from roundoff.system.refusal import is_exhausted

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LEFT_BY_DESKTOPS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError)
UTF8_NAME = 0x800  # the flag of a zip member whose name is UTF-8
LARGEST_FILE = 256 << 20  # a zip member that claims more is no image, and would be unpacked into memory


class Tree(ABC):
    """Folders of images. Names come sorted; hidden files and what desktops leave behind are skipped."""

    path: Path
    sha256: str | None = None  # of a zip

    @abstractmethod
    def folders(self, split: SplitName) -> list[str]:
        """The names of the split's class folders; empty if the split is missing."""

    @abstractmethod
    def files(self, split: SplitName, folder: str) -> list[str]:
        """The names of one class's images; raises DataError on anything else in there."""

    @abstractmethod
    def read(self, split: SplitName, folder: str, file: str) -> bytes:
        """One file's bytes; raises DataError."""

    @abstractmethod
    def top(self) -> list[str]:
        """What lies at the top, for an error that says what was found."""

    def close(self) -> None:  # noqa: B027 - nothing to free by default
        """Close the zip."""


def open_tree(path: Path) -> Tree:
    """The directory or zip at `path`; raises DataError if it is neither, or a zip that must not be trusted."""
    if path.is_dir():
        return DirectoryTree(path)
    require_there(path)
    return ZipTree(path)


def require_there(path: Path) -> None:
    """Raise DataError unless `path` is a directory or a file."""
    if not path.is_dir() and not path.is_file():
        raise DataError(
            f"dataset.path {path} does not exist",
            received=f"{path.absolute()}",
            expected="a directory or a zip with train/CLASS/ and test/CLASS/",
            fix="set dataset.path=PATH",
        )


class DirectoryTree(Tree):
    """A directory; only one class's names are held at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folders(self, split: SplitName) -> list[str]:
        if not (self.path / split).is_dir():
            return []
        entries = self._entries(split)
        for entry in entries:
            if not is_folder(entry, self.path / split / entry.name):
                raise _misplaced(self.path, f"{split}/{entry.name}")
        return [entry.name for entry in entries]

    def files(self, split: SplitName, folder: str) -> list[str]:
        entries = self._entries(f"{split}/{folder}")
        for entry in entries:
            name = f"{split}/{folder}/{entry.name}"
            if not _is_image(entry.name) or is_folder(entry, self.path / name):
                raise _misplaced(self.path, name)
        return [entry.name for entry in entries]

    def read(self, split: SplitName, folder: str, file: str) -> bytes:
        name = f"{split}/{folder}/{file}"
        try:
            with open(self.path / name, "rb", opener=never_waiting) as opened:
                if os.fstat(opened.fileno()).st_size > LARGEST_FILE:
                    raise ValueError(f"more than {LARGEST_FILE} bytes are no image")
                return opened.read()
        except (OSError, ValueError) as error:
            if is_exhausted(error):
                raise
            raise broken_image(self.path, name, error) from error

    def top(self) -> list[str]:
        return sorted(entry.name for entry in self.path.iterdir())

    def _entries(self, name: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path / name) as entries:
                return sorted((entry for entry in entries if not _is_skipped(entry.name)), key=lambda entry: entry.name)
        except PermissionError as error:
            raise DataError(
                f"{name} of dataset.path cannot be read",
                received=str(error),
                expected="folders that this user may read",
                fix=f"make {self.path / name} readable, or leave it out",
            ) from error


class ZipTree(Tree):
    """A zip; nothing is ever extracted, and its central directory (about 0.6 kB per image) stays in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (*BROKEN, OSError) as error:
            raise DataError(
                f"dataset.path {path} is neither a directory nor a zip that can be read",
                received=f"{type(error).__name__}: {error}",
                expected="a directory or a zip with train/CLASS/ and test/CLASS/",
                fix="set dataset.path=PATH; if the zip was downloaded, get it again",
            ) from error
        try:
            self._members = _members_by_folder(path, self._zip.infolist())
        except DataError:
            self._zip.close()
            raise
        self.sha256 = sha256_of(path)

    def folders(self, split: SplitName) -> list[str]:
        return sorted(folder for part, folder in self._members if part == split)

    def files(self, split: SplitName, folder: str) -> list[str]:
        return sorted(self._members[split, folder])

    def read(self, split: SplitName, folder: str, file: str) -> bytes:
        member = self._members[split, folder][file]
        try:
            return self._zip.read(member)
        except (*BROKEN, OSError) as error:
            raise broken_image(self.path, member.filename, error) from error

    def top(self) -> list[str]:
        return sorted({name.split("/")[0] for name in self._zip.namelist()})

    def close(self) -> None:
        self._zip.close()


def broken_image(path: Path, name: str, error: Exception) -> DataError:
    """The error of a file that is no readable image."""
    return DataError(
        f"{path}/{name} is broken",
        received=f"{type(error).__name__}: {error}",
        expected=f"an image ({' '.join(sorted(SUFFIXES))})",
        fix="replace or remove the file",
    )


def _members_by_folder(path: Path, members: list[zipfile.ZipInfo]) -> dict[tuple[str, str], dict[str, zipfile.ZipInfo]]:
    """Members of train/ and test/ by (split, class) and file name; every member of the zip is checked."""
    by_folder: dict[tuple[str, str], dict[str, zipfile.ZipInfo]] = defaultdict(dict)
    for member in members:
        _require_safe(path, member)
        parts = PurePosixPath(_name_of(path, member)).parts
        if parts[0] not in ("train", "test") or len(parts) == 1 or any(map(_is_skipped, parts)):
            continue
        if member.is_dir() and len(parts) == 2:
            by_folder[parts[0], parts[1]]  # an empty class is a class too
        elif member.is_dir() or len(parts) != 3 or not _is_image(parts[2]):
            raise _misplaced(path, member.filename)
        elif parts[2] in by_folder[parts[0], parts[1]]:
            raise _unsafe(path, member, "a second member of the same name")
        else:
            by_folder[parts[0], parts[1]][parts[2]] = member
    return dict(by_folder)


def _name_of(path: Path, member: zipfile.ZipInfo) -> str:
    """The member's name as UTF-8, also of a program that does not flag it; `zipfile` takes such names for cp437."""
    name = member.filename
    if member.flag_bits & UTF8_NAME or name.isascii():
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeEncodeError:  # from a field of its own, which is Unicode
        return name
    except UnicodeDecodeError:
        raise _unsafe(path, member, "a name that is neither ASCII nor UTF-8 (Shift-JIS, perhaps)") from None


def _require_safe(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    windows = PureWindowsPath(name)  # sees "C:\\x" and "..\\x" as well as "/x" and "../x"
    if windows.drive or windows.root or ".." in windows.parts:
        raise _unsafe(path, member, "a path that leaves its folder")
    if not windows.parts:
        raise _unsafe(path, member, "a member without a name")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _unsafe(path, member, "a symbolic link")
    if member.flag_bits & 1:
        raise _unsafe(path, member, "an encrypted member")
    if member.file_size > LARGEST_FILE:
        raise _unsafe(path, member, f"a member of {member.file_size} bytes (at most {LARGEST_FILE})")


def _unsafe(path: Path, member: zipfile.ZipInfo, received: str) -> DataError:
    return DataError(
        f"{path} holds {member.filename!r}, which is refused",
        received=received,
        expected="plain files train/CLASS/IMAGE and test/CLASS/IMAGE",
        fix="make the zip anew, with names in UTF-8, from inside the folder that holds train/ and test/",
    )


def _misplaced(path: Path, name: str) -> DataError:
    return DataError(
        f"{path}/{name} has no place in the layout",
        received=name,
        expected=f"train/CLASS/IMAGE or test/CLASS/IMAGE, IMAGE ending in {' '.join(sorted(SUFFIXES))}",
        fix="move or remove it",
    )


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BY_DESKTOPS


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES
