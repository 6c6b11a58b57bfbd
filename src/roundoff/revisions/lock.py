"""dvc.lock: what DVC recorded of a run, in the workspace or at a commit, and files of it that only DVC's cache has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from roundoff.system.git import git

LOCK = "dvc.lock"


def read_lock(project: Path, commit: str | None) -> Mapping[str, Any]:
    """What DVC recorded, at a commit or (None) in the workspace; empty where it did not, or no YAML."""
    try:
        lock = yaml.safe_load(_text(project / LOCK) if commit is None else _committed(project, commit))
    except yaml.YAMLError:
        return {}
    return lock if isinstance(lock, Mapping) else {}


def outputs(lock: Mapping[str, Any]) -> dict[str, str]:
    """The files that the stages wrote, each with its MD5."""
    stages = (lock.get("stages") or {}).values()
    return {out["path"]: out["md5"] for stage in stages for out in (stage or {}).get("outs") or [] if "md5" in out}


def cached_text(project: Path, md5: str) -> str | None:
    """A file of DVC's cache; None where it is not there."""
    from dvc.repo import Repo

    with Repo(str(project)) as repo:
        path = Path(repo.cache.local.oid_to_path(md5))
    return path.read_text(encoding="utf-8") if path.is_file() else None


def json_in(folder: str, lock: Mapping[str, Any]) -> dict[str, str]:
    """The JSON files of a folder that the lock lists, each with its MD5."""
    at = PurePosixPath(folder)
    listed = {path: md5 for path, md5 in outputs(lock).items() if PurePosixPath(path).parent == at}
    return {path: md5 for path, md5 in listed.items() if path.endswith(".json")}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _committed(project: Path, commit: str) -> str:
    done = git(project, "show", f"{commit}:./{LOCK}")
    return done.stdout if done.returncode == 0 else ""
