"""What the operating system refuses (room, permission, a limit), in words: which path, and what to do."""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from roundoff.errors import ConfigError, MachineError, RoundoffError
from roundoff.system.own import UNFINISHED
from roundoff.system.printable import printable

MB = 1e6
NO_TEMPORARY_FOLDER = "No usable temporary directory"
# The machine is used up, or cannot be written: no other work would fare better, and no single cell is to blame.
EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EFBIG})


@dataclass(frozen=True)
class Kind:
    """One thing that a system refuses; `{path}` stands for what it was refused for."""

    what: str
    expected: str
    fix: str


ROOM = (
    "make room there (`df -h`, `df -i` for inodes; `dvc gc -w` removes what DVC's cache holds of other commits), or "
    "put temporary files elsewhere with TMPDIR; then run it again"
)
OWNER = "`ls -ld {path}` tells whose it is: change its owner or mode, or choose another place"
KINDS = {
    errno.ENOSPC: Kind("no room is left on a disk", "free space, and free inodes, for what is written", ROOM),
    errno.EDQUOT: Kind("this user's share of a disk is used up", "a quota with room for what is written", ROOM),
    errno.EACCES: Kind("permission was denied", "files that this user may read, and folders to write into", OWNER),
    errno.EPERM: Kind("permission was denied", "files that this user may change", OWNER),
    errno.EROFS: Kind(
        "a file system is read-only",
        "a checkout, and the places of `paths`, that can be written",
        "copy the checkout to where you can write, or set `paths` to such places",
    ),
    errno.EMFILE: Kind(
        "too many files are open", "a limit of 256 open files or more", "raise it: `ulimit -n 4096`, then run it again"
    ),
    errno.ENFILE: Kind(
        "too many files are open on this machine", "room in the system's table of files", "end other programs first"
    ),
    errno.ENAMETOOLONG: Kind(
        "a path is too long",
        "at most 255 bytes for each name and 4095 for the whole path",
        "move the checkout (or the images) to a shorter path, or choose shorter names",
    ),
    errno.ELOOP: Kind(
        "links lead in a circle",
        "a path whose links end at a file or a folder",
        "`namei {path}` shows the links: remove the one that leads back",
    ),
    errno.EFBIG: Kind("a file would be too large", "a limit on file sizes above it", "raise it: `ulimit -f unlimited`"),
    errno.EIO: Kind("a disk cannot be read or written", "a disk without faults", "`dmesg` says more; use another disk"),
    errno.ESTALE: Kind("a network disk has lost a file", "a mounted disk", "mount it again, then run it again"),
    errno.EAGAIN: Kind(
        "no further process or thread can be started",
        "a limit on processes above what runs",
        "raise it (`ulimit -u`, or the container's limit of pids), or end other programs",
    ),
    errno.ENOMEM: Kind("no memory is left", "memory for what is read", "end other programs, or use a larger machine"),
    errno.ENOENT: Kind(
        "a file or folder is not there",
        "all that the earlier stages wrote, untouched while this one runs",
        "if another program removed it, run it again; else `dvc repro` writes it anew",
    ),
    errno.ENOTDIR: Kind(
        "a file stands where a folder is needed", "a folder at each part of the path but the last", "move the file away"
    ),
    errno.EISDIR: Kind("a folder stands where a file is needed", "a file, or nothing yet", "move the folder away"),
    errno.ENXIO: Kind("a socket or a device stands where a file is needed", "a plain file", "remove {path}"),
}
TEMPORARY = Kind(
    "no temporary folder can be written",
    "a folder for temporary files with room in it",
    "make room there, or set TMPDIR to a folder that can be written",
)
# What libraries say in words of their own, without the number: only what can mean nothing else.
SAID = {
    os.strerror(number): number
    for number in (*EXHAUSTED - {errno.EFBIG}, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ESTALE)
} | {"can't start new thread": errno.EAGAIN}
# NumPy's, of a file that could not be written to its end: "4096 requested and 1024 written"
CUT_SHORT = re.compile(r"\d+ requested and \d+ written")


def in_words(error: BaseException) -> RoundoffError | None:
    """What a user is told: the error's own words, unless a machine that is used up is behind it; None of a bug."""
    if isinstance(error, RoundoffError) and (isinstance(error, ConfigError | MachineError) or not is_exhausted(error)):
        return error
    return refusal_of(error)


def refusal_of(error: BaseException) -> MachineError | None:
    """The error in words where the system's refusal is behind it, at any depth; None where it is of another kind."""
    for each in _chain(error):
        number = number_of(each)
        if number in KINDS:
            return _told(number, each)
    return None


def is_exhausted(error: BaseException) -> bool:
    """Whether the machine is used up or cannot be written, so that going on with something else makes no sense."""
    return any(number_of(each) in EXHAUSTED for each in _chain(error))


def number_of(error: BaseException) -> int | None:
    """The `errno` that an error has, or that a library put into words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    words = words_of(error)
    if isinstance(error, OSError) and CUT_SHORT.search(words):
        return errno.ENOSPC
    return next((number for said, number in SAID.items() if said in words), None)


def words_of(error: BaseException) -> str:
    """What an error says, unless it cannot be printed: of a foreign library anything may come."""
    try:
        return str(error)
    except Exception:
        return "no words that can be printed"


def name_path(error: OSError, path: Path) -> None:
    """Let an error say which file it was of; writing and closing do not, and NumPy's has no number either."""
    number = number_of(error)
    if number is not None and error.filename is None:
        error.errno, error.strerror = number, os.strerror(number)  # else its words would be those of no number
        error.filename = str(path)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and not any(following is each for each in seen):
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__


def _told(number: int, error: BaseException) -> MachineError:
    path = _path_of(error)
    kind = TEMPORARY if NO_TEMPORARY_FOLDER in words_of(error) else KINDS[number]
    parts = [path, f"{os.strerror(number)} ({errno.errorcode[number]})", _beside(number, path), _where(error)]
    return MachineError(
        kind.what,
        received="; ".join(filter(None, parts)),
        expected=kind.expected,
        fix=kind.fix.replace("{path}", path or "PATH"),
    )


def _path_of(error: BaseException) -> str | None:
    """The file that is meant, not the temporary one beside it that a writer has until it is whole."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | bytes) or not name:
        return None
    text = printable(UNFINISHED.sub("", os.fsdecode(name)))
    return text if len(text) <= 300 else f"{text[:140]}…{text[-140:]}"


def _beside(number: int, path: str | None) -> str | None:
    """What the number alone does not say: how much is left, how long the path is, what the limit is."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"left: {', '.join(_room(path))}"
    if number == errno.EMFILE:
        return f"the limit is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"
    return None


def _room(path: str | None) -> Iterator[str]:
    """Free space where the file was to lie, here, and where temporary files lie."""
    places = [next((str(each) for each in Path(path).parents if each.is_dir()), ".")] if path else []
    with suppress(OSError):
        places.append(tempfile.gettempdir())
    for place in dict.fromkeys([*places, str(Path())]):
        with suppress(OSError):
            disk = os.statvfs(place)
            inodes = ", 0 inodes" if disk.f_files and not disk.f_favail else ""
            yield f"{disk.f_bavail * disk.f_frsize / MB:.1f} MB{inodes} at {place}"


def _where(error: BaseException) -> str | None:
    """The line of this package that asked for it, for who looks into it."""
    lines = [frame for frame in extract_tb(error.__traceback__) if "/roundoff/" in frame.filename]
    if not lines:
        return None
    return f"at roundoff/{lines[-1].filename.rpartition('/roundoff/')[2]}:{lines[-1].lineno}"
