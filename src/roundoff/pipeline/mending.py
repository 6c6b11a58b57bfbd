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

TEMPORARY = Path(".dvc/tmp")
# DVC holds the first while it works, the second while it writes `rwlock`
LOCKS = ("lock", "rwlock.lock")
LOCK_FILE = "dvc.lock"
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
    """Git's, which DVC takes to stage what it has written; a git that is at work keeps its own."""
    with suppress(OSError):
        path = project / git(project, "rev-parse", "--git-path", "index.lock").stdout.strip()
        if path.name != "index.lock" or not path.exists():
            return
        before = path.stat()
        time.sleep(max(0.0, SETTLED_S - abs(time.time() - before.st_ctime)))
        if path.stat() == before and not _git_is_at_work(project):
            path.unlink()
            yield f"{path} was left by a DVC that was killed; it is removed"


def _git_is_at_work(project: Path) -> bool:
    """Whether a git runs in the project, such as a commit whose message is being written."""
    for process in psutil.process_iter(["name", "cwd"]):
        name, folder = process.info["name"] or "", process.info["cwd"]
        if name.startswith("git") and folder and Path(folder).is_relative_to(project.resolve()):
            return True
    return False


def main() -> None:
    """Mend the project in the current folder, and say what was mended."""
    for line in mend(Path()):
        print(f"warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
