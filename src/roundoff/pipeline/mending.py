"""What a kill can leave of DVC's own files half written, mended: DVC writes them in place, and locks git's index.

python -m roundoff.pipeline.mending
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from roundoff.pipeline.dvc_lock import sound_part
from roundoff.system.files import write_text
from roundoff.system.git import git
from roundoff.system.plain_files import read_plain
from roundoff.system.processes import has_ended

TEMPORARY = Path(".dvc/tmp")
# DVC holds the first while it works, the second while it writes `rwlock`
LOCKS = ("lock", "rwlock.lock")
LOCK_FILE = "dvc.lock"
MOST = 2**22  # of a process's number; Linux has no higher ones
SETTLED_S = 1.0  # no git command that is not waiting for somebody takes the lock for so long


def mend(project: Path) -> list[str]:
    """Mend what is broken, unless a DVC command is at work there; what was mended, a line each."""
    with _alone(project / TEMPORARY) as alone:
        if not alone:
            return []
        return [*_rwlock(project / TEMPORARY / "rwlock"), *_lock_file(project / LOCK_FILE), *_index_lock(project)]


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold DVC's locks, as far as there are any; whether none of them is another's."""
    with ExitStack() as stack:
        try:
            for name in LOCKS:
                with suppress(FileNotFoundError):
                    file = stack.enter_context((folder / name).open("r+b"))
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held, or not ours to open
            yield False
        else:
            yield True


def _rwlock(path: Path) -> Iterator[str]:
    """Who reads and writes which output: of a command that was killed, so that nothing in it holds."""
    with suppress(OSError):
        try:
            whole = isinstance(json.loads(read_plain(path)), dict)
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            path.unlink()
            yield f"{TEMPORARY / path.name} was half written by a DVC that was killed; it is removed"


def _lock_file(path: Path) -> Iterator[str]:
    """Which stage ran with what: the stages before the cut are whole; those after it run again.

    A link is left alone: what it leads to is not DVC's to write in place.
    """
    with suppress(OSError):
        if path.is_symlink():
            return
        kept = sound_part(read_plain(path))
        if kept is None:
            return
        write_text(path, kept.decode()) if kept else path.unlink()
        yield f"{path.name} was half written by a DVC that was killed; the stages that it lost run again"


def _index_lock(project: Path) -> Iterator[str]:
    """Git's, which DVC takes to stage what it has written; any other program that is at work keeps its own."""
    with suppress(OSError):
        answered = git(project, "rev-parse", "--show-toplevel", "--git-path", "index.lock").stdout.splitlines()
        if len(answered) != 2 or not (path := project / answered[1]).exists():
            return
        before = path.stat()
        if not _dvc_has_ended(project / TEMPORARY / LOCKS[0], min(before.st_ctime, before.st_mtime)):
            return
        time.sleep(max(0.0, SETTLED_S - abs(time.time() - before.st_ctime)))
        if path.stat() == before and not _git_is_at_work(Path(answered[0])) and not _is_open(path.resolve()):
            path.unlink()
            yield f"{path} was left by a DVC that was killed; it is removed"


def _dvc_has_ended(lock: Path, made: float) -> bool:
    """Whether the last DVC, whose number its lock holds, had begun when git's lock was `made`, and has ended."""
    began = lock.stat().st_mtime
    try:
        pid = int(read_plain(lock))
        return 0 < pid <= MOST and began <= made and has_ended(pid, began)
    except (ValueError, psutil.Error):  # a lock of another kind (core.hardlink_lock)
        return False


def _git_is_at_work(top: Path) -> bool:
    """Whether a git runs in the repository, such as a commit whose message is being written, or one may."""
    for process in psutil.process_iter(["name", "cwd", "status"]):
        name, folder = process.info["name"] or "", process.info["cwd"]
        is_git = name.startswith("git") and process.info["status"] != psutil.STATUS_ZOMBIE
        if is_git and (folder is None or Path(folder).is_relative_to(top.resolve())):  # None: another user's
            return True
    return False


def _is_open(path: Path) -> bool:
    """Whether a process has the file open, as far as that may be seen."""
    processes = psutil.process_iter(["open_files"])
    return any(str(path) == file.path for process in processes for file in process.info["open_files"] or ())


def main() -> None:
    """Mend the project in the current folder, and say what was mended."""
    for line in mend(Path()):
        print(f"warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
