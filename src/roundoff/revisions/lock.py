"""dvc.lock: what DVC recorded of a run, in the workspace or at a commit, and files of it that only DVC's cache has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta

from roundoff.errors import DataError
from roundoff.results.checked import checked
from roundoff.system.git import git
from roundoff.system.plain_files import read_plain
from roundoff.system.yaml_files import parsed_yaml

LOCK = "dvc.lock"
HASH = r"^[0-9A-Za-z]+(\.dir)?$"
"""What may be looked up in DVC's cache: nothing that leads elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or folder that a stage read or wrote, with its MD5 where DVC hashes it so."""

    path: str
    md5: Annotated[str, Meta(pattern=HASH)] | None = None


@dataclass(frozen=True, kw_only=True)
class LockedStage:
    """What a stage read and wrote."""

    deps: list[Entry] = field(default_factory=list)
    outs: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What DVC recorded of the stages by name; nothing where it did not."""

    stages: dict[str, LockedStage | None] | None = None

    def stage(self, name: str) -> LockedStage:
        """What a stage read and wrote; nothing where it is not there."""
        return (self.stages or {}).get(name) or LockedStage()

    @property
    def outputs(self) -> dict[str, str]:
        """The files that the stages wrote, each with its MD5."""
        written = [out for stage in (self.stages or {}).values() if stage for out in stage.outs]
        return {out.path: out.md5 for out in written if out.md5 is not None}


def read_lock(project: Path, commit: str | None) -> Lock:
    """What DVC recorded, at a commit or (None) in the workspace; DataError for what DVC did not write."""
    return checked(Lock, yaml_at(project, commit, LOCK), _where(LOCK, commit), complete=False, batches=False)


def yaml_at(project: Path, commit: str | None, name: str) -> object:
    """The parsed content of a file that DVC wrote, at a commit or (None) in the folder; an empty one where it is not
    there. Raises DataError."""
    data = _bytes(project / name) if commit is None else _committed(project, commit, name)
    return parsed_yaml(data, _where(name, commit), f"restore it with `git checkout {name}`, or run `dvc repro`")


def _where(name: str, commit: str | None) -> str:
    return name if commit is None else f"{name} of {commit[:12]}"


def cached_text(project: Path, md5: str) -> str | None:
    """A file of DVC's cache; None where it is not there. Raises DataError where DVC cannot tell.

    A byte that is no UTF-8 is half of a character, as it is in what git says.
    """
    path = _cached(project, md5)
    return read_plain(path).decode("utf-8", "surrogateescape") if path.is_file() else None


def _cached(project: Path, md5: str) -> Path:
    """Where DVC's cache has a file, or would have it."""
    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ImportError as error:
        raise _no_cache(error) from error
    try:
        with Repo(str(project)) as repo:
            return Path(repo.cache.local.oid_to_path(md5))
    except DvcException as error:
        raise _no_cache(error) from error


def _no_cache(error: Exception) -> DataError:
    return DataError(
        "DVC's cache cannot be looked into",
        received=f"{type(error).__name__}: {error}",
        expected="a DVC project, which has what git does not have of a revision",
        fix="go to a clone of the project, and install DVC (`pip install dvc`)",
    )


def json_in(folder: str, lock: Lock) -> dict[str, str]:
    """The JSON files of a folder that the lock lists, each with its MD5."""
    at = PurePosixPath(folder)
    listed = {path: md5 for path, md5 in lock.outputs.items() if PurePosixPath(path).parent == at}
    return {path: md5 for path, md5 in listed.items() if path.endswith(".json")}


def _bytes(file: Path) -> bytes:
    try:
        return read_plain(file)
    except FileNotFoundError:
        return b""


def _committed(project: Path, commit: str, name: str) -> bytes:
    done = git(project, "show", f"{commit}:./{name}")
    return done.stdout.encode("utf-8", "surrogateescape") if done.returncode == 0 else b""
