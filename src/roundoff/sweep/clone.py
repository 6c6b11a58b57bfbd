"""A clone of the project in which one experiment runs, beside others, without touching the workspace.

It shares DVC's cache with the project, has the workspace's changes of tracked files, and is removed at the end. What a
killed job leaves is removed by the next one: its lock is free then.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from roundoff.errors import RoundoffError
from roundoff.pipeline.survival import die_with
from roundoff.system.git import git

FOLDER = ".dvc/tmp/sweep"
ABANDONED_S = 3600.0  # a folder without a lock; each has one before it is made, unless another version made it
# Hashes are whole, since git shortens them by how many objects there are
AS_PATCH = (
    "--binary",
    "--full-index",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
OWN = ("DVC_", "GIT_")  # what a job of DVC's or git's tells its children is not of the clone


@dataclass(frozen=True)
class Clone:
    """The clone's folder, and the project that it is of."""

    folder: Path
    project: Path

    def dvc(self, words: Sequence[str], log: Path) -> int:
        """The exit code of a `dvc` command in the clone; what it says is added to `log`.

        Killed, this process takes the command along.
        """
        command, ending = [sys.executable, "-P", "-m", "dvc", *words], partial(die_with, os.getpid())
        with (
            log.open("a", encoding="utf-8") as said,
            subprocess.Popen(
                command, cwd=self.folder, env=_environment(), stdout=said, stderr=said, preexec_fn=ending
            ) as process,
        ):
            try:
                return process.wait()
            except BaseException:  # a signal: the stage that runs is told, and what it wrote goes with the clone
                process.terminate()
                raise

    def hand_over(self, ref: str) -> None:
        """Copy the ref and what it needs into the project, where `dvc exp show` lists it."""
        fetched = git(self.project, "fetch", "--quiet", "--no-write-fetch-head", str(self.folder), f"+{ref}:{ref}")
        if fetched.returncode != 0:
            raise _unfit("the experiment cannot be copied into the project", fetched.stderr)


@contextmanager
def clone_of(project: Path, changes: bytes) -> Iterator[Clone]:
    """A clone at HEAD with `changes` (a patch) applied; removed at the end. Raises RoundoffError."""
    places = project / FOLDER
    places.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(places)
    with _locked_place(places) as folder:
        try:
            folder.mkdir(mode=0o700)  # credentials will lie in it
            yield _filled(Clone(folder, project), changes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_of(folder).unlink(missing_ok=True)


def changes_of(project: Path, without: Sequence[str] = ()) -> bytes:
    """What git would call changed in tracked files, as a patch; empty where nothing is. Raises RoundoffError.

    `without`: pathspecs of what is left out. The same changes are the same bytes, whatever the user has git show.
    """
    excluded = [f":(exclude,{pathspec.removeprefix(':(')}" for pathspec in without]
    command = ["git", "-C", str(project), "diff", *AS_PATCH, "HEAD", "--", ":/", *excluded]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode != 0:
        raise _unfit("a sweep needs a git repository with a commit", made.stderr.decode(errors="replace"))
    return made.stdout


def untracked(project: Path) -> list[str]:
    """Files that git neither tracks nor ignores: no clone has them."""
    listed = git(project, "ls-files", "--others", "--exclude-standard", "-z")
    return [name for name in listed.stdout.split("\0") if name]


def _filled(clone: Clone, changes: bytes) -> Clone:
    made = git(clone.project, "clone", "--quiet", "--shared", str(clone.project), str(clone.folder))
    if made.returncode != 0:
        raise _unfit("the project cannot be cloned", made.stderr)
    if changes:
        patch = ["git", "-C", str(clone.folder), "apply", "--whitespace=nowarn", "-"]
        applied = subprocess.run(patch, input=changes, capture_output=True, check=False)
        if applied.returncode != 0:
            raise _unfit("the workspace's changes do not fit its commit", applied.stderr.decode(errors="replace"))
    _share_cache(clone)
    return clone


def _share_cache(clone: Clone) -> None:
    """The project's DVC cache, and what its config.local says (remotes with their credentials), for the clone, too."""
    local = clone.project / ".dvc/config.local"
    if local.exists():
        shutil.copy(local, clone.folder / ".dvc/config.local")
    cache = clone.project / _dvc(clone.project, "cache", "dir")
    for key, value in {"cache.dir": str(cache.resolve()), "cache.type": "reflink,hardlink,copy"}.items():
        _dvc(clone.folder, "config", "--local", key, value)


def _dvc(folder: Path, *words: str) -> str:
    """What a short `dvc` command prints; raises RoundoffError where it fails."""
    command = [sys.executable, "-P", "-m", "dvc", *words]
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise _unfit("the clone cannot share DVC's cache", done.stderr)
    return done.stdout.strip()


@contextmanager
def _locked_place(places: Path) -> Iterator[Path]:
    """A path for a new folder, whose lock is held before there is the folder: another job finds neither free."""
    while True:
        folder = places / secrets.token_hex(4)
        with _lock_of(folder).open("x") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(lock, _lock_of(folder)):  # else another job was faster, and has removed it as abandoned
                yield folder
                return


def _remove_abandoned(places: Path) -> None:
    """Clones whose job has ended without removing them: nobody holds their lock, or there has been none for long."""
    for path in places.glob("*.lock"):
        with suppress(OSError), path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, path):
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
    for folder in places.iterdir():
        with suppress(OSError):
            is_old = time.time() - folder.lstat().st_mtime > ABANDONED_S
            if is_old and folder.suffix != ".lock" and not _lock_of(folder).exists():
                shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _is_at(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


def _unfit(what: str, said: str) -> RoundoffError:
    return RoundoffError(
        what,
        received=" ".join(said.split())[:300] or "no word of git's",
        expected="a clone of roundoff with DVC and at least one commit, which this user may write to",
        fix="see that `git status` and `dvc status` work in the project's folder",
    )
