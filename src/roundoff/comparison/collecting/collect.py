"""Results of another machine as a DVC experiment, made of git's objects alone: neither index nor files are touched."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from roundoff.comparison.collecting.place import require_folder
from roundoff.comparison.collecting.results import OF_RUN, Results, read_results
from roundoff.comparison.run import Run
from roundoff.errors import ConfigError, DataError
from roundoff.revisions.revision import experiments
from roundoff.system.git import git

NONE = "0" * 40  # of a ref that is not there yet, as git update-ref has it
NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_-]*")
IDENTITY = {"user.name": "roundoff", "user.email": "roundoff@localhost"}


@dataclass(frozen=True)
class Collected:
    """The experiment, and whether it is new."""

    name: str
    commit: str
    run: Run
    is_new: bool


def collect(project: Path, metrics: str, folder: Path, name: str | None = None, force: bool = False) -> Collected:
    """Take the results in `folder` into an experiment of the commit that is checked out.

    It is named after the machine's fingerprint, unless `name` is given. One of that name with the same content is left
    as it is; one with other content is replaced with `force` alone. Raises DataError, and ConfigError for a name or a
    folder `metrics` that cannot be.
    """
    head = _asked(project, "rev-parse", "--verify", "HEAD^{commit}")
    place = require_folder(project, head, metrics)
    results = read_results(folder, place)
    named = _require_name(results.run.snapshot.machine if name is None else name)
    tree = _tree(project, head, place, results)
    ref = f"refs/exps/{head[:2]}/{head[2:]}/{named}"
    before = next((one.commit for one in experiments(project) if (one.name, one.baseline) == (named, head)), None)
    if before is not None and _asked(project, "rev-parse", f"{before}^{{tree}}") == tree:
        return Collected(named, before, results.run, is_new=False)
    if before is not None and not force:
        raise DataError(
            f"there is an experiment {named} with other content",
            received=f"{folder}, another run of the machine that {named} is of",
            expected="a name that is free, or the same results",
            fix="give it a name of its own with --name, or replace the one that is there with --force",
        )
    said = f"roundoff: results of {results.run.machine} from {folder.name}"
    made = _asked(project, *_identity(project), "commit-tree", tree, "-p", head, "-m", said)
    _asked(project, "update-ref", "-m", said, ref, made, before or NONE)
    return Collected(named, made, results.run, is_new=True)


def _tree(project: Path, head: str, metrics: str, results: Results) -> str:
    """The tree of `head` with the results in place of its own run's.

    What identifies a run is that of the results, or none: that of `head` would be said of another machine's.
    """
    inside = _asked(project, "rev-parse", "--show-prefix")
    hashed = _asked(
        project,
        *("hash-object", "-w", "--no-filters", "--stdin-paths"),
        given="".join(f"{path.resolve()}\n" for path in results.files.values()),
    ).split()
    added = {f"{PurePosixPath(inside) / path}": digest for path, digest in zip(results.files, hashed, strict=True)}
    lines = [f"100644 {digest}\t{path}\0" for path, digest in added.items()]
    with tempfile.TemporaryDirectory(prefix="roundoff-collect-") as scratch:
        index = Path(scratch) / "index"
        _asked(project, "read-tree", head, index=index)
        replaced = ("rm", "--cached", "-r", "-q", "-f", "--ignore-unmatch", "--", metrics, *OF_RUN)
        _asked(project, "--literal-pathspecs", *replaced, index=index)
        others = _listed(project, index)
        _asked(project, "update-index", "-z", "--add", "--index-info", given="".join(lines), index=index)
        _require_all(_listed(project, index), others | added)
        return _asked(project, "write-tree", index=index)


def _listed(project: Path, index: Path) -> dict[str, str]:
    """The files of an index at and below `project`, each with its hash."""
    listed = _asked(project, "ls-files", "-s", "-z", "--full-name", index=index).split("\0")
    pairs = (line.split("\t", 1) for line in listed if line)
    return {path: told.split()[1] for told, path in pairs}


def _require_all(found: dict[str, str], wanted: dict[str, str]) -> None:
    """Git leaves out what it takes for dangerous, and what is in the way of another, without a word."""
    other = sorted(path for path, _ in found.items() ^ wanted.items())
    if other:
        raise DataError(
            "git did not take the results as they are",
            received=f"an index that differs in {', '.join(other[:3])}",
            expected="all files of the results, beside those of the commit that is checked out",
            fix="name the project's folder of metrics with --metrics FOLDER",
        )


def _require_name(name: str | None) -> str:
    """A name that DVC and git take, and that no option or revision is mistaken for."""
    if name is None or not NAME.fullmatch(name):
        raise ConfigError(
            "the experiment cannot have that name",
            received="no id in platform.json" if name is None else repr(name),
            expected="letters, digits, - and _, the first of them no -",
            fix="give it one with --name",
        )
    return name


def _identity(project: Path) -> tuple[str, ...]:
    """Who commits, where git does not know."""
    missing = [key for key in IDENTITY if git(project, "config", key).returncode != 0]
    return tuple(word for key in missing for word in ("-c", f"{key}={IDENTITY[key]}"))


def _asked(project: Path, *words: str, given: str | None = None, index: Path | None = None) -> str:
    """What git answers; DataError where it fails."""
    done = git(project, *words, given=given, index=index)
    if done.returncode != 0:
        raise DataError(
            "git cannot make the experiment",
            received=done.stderr.strip().removeprefix("fatal: ") or f"git {words[0]} fails",
            expected="a git repository with a commit, which this user may write to",
            fix="run inside the project, or give --project PATH",
        )
    return done.stdout.strip()
