"""Metrics as they are in the workspace, in a git revision, or in a DVC experiment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from roundoff.errors import DataError
from roundoff.results.cell import CellMetrics
from roundoff.results.metrics import FILES, holds_cells, metrics_from, verdict_from
from roundoff.results.run import Metrics
from roundoff.results.verdict import Verdict
from roundoff.revisions.lock import cached_text, json_in, read_lock
from roundoff.system.files import parsed_json
from roundoff.system.git import git
from roundoff.system.plain_files import read_plain
from roundoff.system.slots import STAGED

WORKSPACE = "workspace"
COMPARED = (*FILES, "verdict")


@dataclass(frozen=True)
class Snapshot:
    """The metrics of one revision, and the verdict on them, which is empty where there is none.

    `stages` is what the folder has of other stages, parsed, by the file's name without its ending ("build-int8").
    """

    revision: str
    commit: str | None
    metrics: Metrics
    verdict: Verdict = field(default_factory=Verdict)
    stages: Mapping[str, object] = field(default_factory=dict)

    @property
    def cells(self) -> Mapping[str, CellMetrics]:
        """Cells by name (PRECISION/BACKEND)."""
        return self.metrics.cells

    @property
    def machine(self) -> str | None:
        """The id of the machine's fingerprint."""
        return self.metrics.platform.id

    @property
    def has_gpu(self) -> bool:
        """Whether the machine has a GPU."""
        return bool(self.metrics.platform.gpus)


def snapshot(project: Path, metrics: str, revision: str | None) -> Snapshot:
    """The metrics in the folder `metrics` of `project` at a revision; None is the workspace. Raises DataError."""
    if revision is None:
        return _snapshot(WORKSPACE, None, _workspace_files(project / metrics), metrics)
    commit = resolve(project, revision)
    return _snapshot(revision, commit, _committed_files(project, metrics, commit), metrics)


def folder_snapshot(folder: Path, name: str) -> Snapshot:
    """The metrics in a folder that need not be a project's, under that name. Raises DataError."""
    return _snapshot(name, None, _workspace_files(folder), str(folder))


def resolve(project: Path, revision: str) -> str:
    """The commit of a git revision or of a DVC experiment's name; raises DataError.

    Of several experiments of one name it is that of the commit that is checked out, as DVC has it.
    """
    if "\0" in revision:
        raise _no_revision("no such revision", repr(revision))
    parsed = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if parsed.returncode == 0:
        return parsed.stdout.strip()
    found = [one for one in experiments(project) if one.name == revision]
    head = _head(project)
    here = [one for one in found if one.baseline == head]
    if len(found) == 1 or here:
        return (here or found)[0].commit
    if not found:
        raise _no_revision("no such revision", revision)
    named = ", ".join(one.commit[:12] for one in found)
    raise _no_revision("several experiments have this name", f"{revision}: {named}")


def _no_revision(what: str, received: str) -> DataError:
    return DataError(
        what,
        received=received,
        expected="a git revision, or the name of one DVC experiment",
        fix="list them with `git log --oneline` and `dvc exp show`, and give one of those; a clone that lacks it gets "
        "it with `git fetch` (`git fetch --unshallow` where only the last commit was fetched)",
    )


@dataclass(frozen=True)
class Experiment:
    """One of DVC's experiments: its name, its commit, and the commit that it was made from."""

    name: str
    commit: str
    baseline: str


def experiments(project: Path) -> list[Experiment]:
    """DVC's experiments by name: refs/exps/XX/YYYY…/NAME, where XXYYYY… is the baseline."""
    listed = _git(project, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/")
    pairs = (line.split(" ", 1) for line in listed.stdout.splitlines())
    refs = [(commit, PurePosixPath(ref).parts) for commit, ref in pairs]
    return [Experiment(parts[-1], commit, parts[2] + parts[3]) for commit, parts in refs if len(parts) == 5]


def experiments_here(project: Path) -> list[str]:
    """Names of the experiments that were made from the commit that is checked out."""
    head = _head(project)
    return [one.name for one in experiments(project) if one.baseline == head]


def _head(project: Path) -> str:
    return _git(project, "rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()


def _committed_files(project: Path, metrics: str, commit: str) -> dict[str, str]:
    """What git has of the folder at a commit, else what DVC's cache has of it."""
    folder = PurePosixPath(metrics)
    listed = _git(project, "ls-tree", "-z", "--name-only", commit, "--", f"{folder}/")
    names = [name for name in listed.stdout.split("\0") if name.endswith(".json")]
    texts = {PurePosixPath(name).stem: _git(project, "show", f"{commit}:./{name}").stdout for name in names}
    recorded = json_in(metrics, read_lock(project, commit))
    by_name = {PurePosixPath(path).stem: (path, md5) for path, md5 in recorded.items()}
    elsewhere = {name: by_name[name] for name in COMPARED if name in by_name and name not in texts}
    return texts | {name: _cached(project, path, md5, commit) for name, (path, md5) in elsewhere.items()}


def _cached(project: Path, path: str, md5: str, commit: str) -> str:
    text = cached_text(project, md5)
    if text is None:
        raise DataError(
            f"the metrics of {commit[:12]} are not here",
            received=f"{path} is neither in git nor in DVC's cache",
            expected="the file that dvc.lock lists there",
            fix="bring it with `dvc pull --all-commits`",
        )
    return text


def _workspace_files(folder: Path) -> dict[str, str]:
    paths = sorted(folder.glob("*.json"))
    return {path.stem: read_plain(path).decode("utf-8", "surrogateescape") for path in paths}


def _snapshot(revision: str, commit: str | None, files: Mapping[str, str], metrics: str) -> Snapshot:
    contents = {name: _parsed(revision, name, text) for name, text in files.items()}
    measured = {name: content for name, content in contents.items() if name in FILES or holds_cells(content)}
    if not measured:
        raise DataError(
            "there are no metrics to compare",
            received=f"no measured cells in {metrics}/ of {revision}",
            expected=f"{', '.join(f'{name}.json' for name in STAGED)} as `evaluate` writes them",
            fix="run `dvc repro`, or `dvc pull` where another machine did; or name a revision that has them",
        )
    try:
        verdict = verdict_from(contents["verdict"]) if "verdict" in contents else Verdict()
        others = {name: content for name, content in contents.items() if name not in (*measured, "verdict")}
        return Snapshot(revision, commit, metrics_from(measured), verdict, others)
    except DataError as error:
        what = f"{error.what} (in {revision})"
        raise DataError(what, received=error.received, expected=error.expected, fix=error.fix) from None


def _parsed(revision: str, name: str, text: str) -> object:
    parsed: object = parsed_json(text, f"{name}.json of {revision}")
    return parsed


def _git(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        done = git(project, *arguments)
    except FileNotFoundError:
        raise DataError(
            "git is not installed", received="no `git` on PATH", expected="git", fix="install git"
        ) from None
    if "not a git repository" in done.stderr:
        raise DataError(
            "revisions need a git repository",
            received=str(project),
            expected="a directory inside one",
            fix="run inside the project, or give --project PATH",
        )
    if done.returncode != 0 and done.stderr.startswith("fatal: "):
        raise DataError(
            f"git {arguments[0]} fails",
            received=done.stderr.strip().removeprefix("fatal: "),
            expected="a git repository that this user may read",
            fix="do what git says",
        )
    return done
