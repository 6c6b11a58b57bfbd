"""Where in a commit the results of another machine may lie: in a folder of metrics, or where nothing is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from roundoff.comparison.collecting.results import OF_RUN
from roundoff.comparison.reading import SIGN
from roundoff.errors import ConfigError
from roundoff.system import own
from roundoff.system.git import git

NO_PARTS = frozenset({"", ".", "..", ".git", ".dvc"})
MAY_LIE_BESIDE = ".gitignore"  # DVC's, where it keeps metrics in its cache


def require_folder(project: Path, head: str, metrics: str) -> str:
    """The folder `metrics`, without a slash at its end. Raises ConfigError where no results may be put there.

    What lies there at `head` is replaced, so that it has to be metrics, too.
    """
    parts = metrics.removesuffix("/").split("/")
    if any(part.lower() in NO_PARTS or not part.isprintable() for part in parts) or parts[0] in OF_RUN:
        raise _refused(metrics, "no folder for them")
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        listed = git(project, "--literal-pathspecs", "ls-tree", head, "--", above).stdout
        if listed and listed.split()[1] != "tree":
            raise _refused(metrics, f"{above} is no folder in the commit that is checked out")
    if other := _no_metrics(project, head, "/".join(parts)):
        raise _refused(metrics, f"the commit that is checked out has {other} there, and no {SIGN}")
    return "/".join(parts)


def _no_metrics(project: Path, head: str, folder: str) -> str | None:
    """A file in a folder of a commit that is none of roundoff's, unless metrics of a run lie beside it."""
    listed = git(project, "--literal-pathspecs", "ls-tree", "-r", "-z", "--name-only", head, "--", f"{folder}/").stdout
    names = [PurePosixPath(name).relative_to(folder) for name in listed.split("\0") if name]
    if PurePosixPath(SIGN) in names:
        return None
    patterns = (MAY_LIE_BESIDE, *own.metrics(Path()))
    return next((str(name) for name in names if not own.fits(name.parts, patterns)), None)


def _refused(metrics: str, received: str) -> ConfigError:
    return ConfigError(
        "the results cannot be put into that folder",
        received=f"{metrics!r}: {received}",
        expected="the project's folder of metrics, such as metrics or runs/metrics",
        fix="give it with --metrics FOLDER",
    )
