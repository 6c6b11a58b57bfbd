"""Where and when a run was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which

from roundoff.results.run import Origin
from roundoff.system.git import git

SOURCES = ("src", "conf", "stages", "params.yaml")  # what a run depends on besides its data; outputs change as it goes


def origin_of(project: Path) -> Origin:
    """Today's date, the commit that is checked out in `project`, and this version; null what is not known."""
    commit, changed = _checked_out(project) if which("git") else (None, None)
    return Origin(date=f"{datetime.now(UTC):%Y-%m-%d}", commit=commit, changed=changed, roundoff=_version())


def _checked_out(project: Path) -> tuple[str | None, bool | None]:
    head = git(project, "rev-parse", "--verify", "--quiet", "HEAD")
    if head.returncode:
        return None, None
    return head.stdout.strip(), git(project, "diff", "--quiet", "HEAD", "--", *SOURCES).returncode != 0


def _version() -> str | None:
    try:
        return version("roundoff")
    except PackageNotFoundError:
        return None
