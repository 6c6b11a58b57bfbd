"""Packs a finished run for strangers: `python -m roundoff.revisions.release FOLDER [MACHINE/RUN]`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from roundoff.errors import DataError, RoundoffError
from roundoff.revisions.keep import RUN
from roundoff.system import own
from roundoff.system.files import whole_directory, write_text
from roundoff.system.git import git

BUNDLE, REMOTE, README, BRANCH = "roundoff.bundle", "remote", "README.md", "release"
NAMES = (README, BUNDLE, f"{REMOTE}/files/md5/*/*")
COMMANDS = """\
# {title}

`{bundle}` is the project with its history, `{remote}` what DVC keeps of the run: images, model, engines, predictions.

```
git clone -b {branch} {bundle} roundoff
cd roundoff
make .venv/ready && . .venv/bin/activate
dvc remote add --local -d {branch} ../{remote}
dvc pull
```

The published figures, computed anew from the predictions and times that were measured; git then shows no change:

```
dvc repro -f -s report
git status --short metrics
```

The same measured on your machine (engines are built anew where they are bound to another one):

```
dvc repro
dvc metrics diff
```
"""


def names(_: Path) -> Sequence[str]:
    """What a release consists of."""
    return NAMES


def release(project: Path, directory: Path, run: str | None = None) -> Path:
    """Write the committed run, or the one kept as results/RUN, into a folder, whole or not at all.

    Raises DataError where the project has changes that are not committed, or DVC's cache lacks a part of the run.
    """
    _require_committed(project)
    with (
        tempfile.TemporaryDirectory(prefix="roundoff-release-") as scratch,
        whole_directory(directory, names) as partial,
    ):
        clone = Path(scratch) / "clone"
        _checked(project, "clone", "--quiet", "--no-local", str(project.resolve()), str(clone))
        _checked(clone, "checkout", "--quiet", "-B", BRANCH)
        if run is not None:
            _put_in_place(clone, run)
        _push(project, clone, partial / REMOTE)
        _checked(clone, "bundle", "create", "--quiet", str((partial / BUNDLE).resolve()), BRANCH)
        title = f"The run results/{run}" if run else "The run of this commit"
        write_text(partial / README, COMMANDS.format(title=title, bundle=BUNDLE, remote=REMOTE, branch=BRANCH))
    return directory


def _require_committed(project: Path) -> None:
    changed = _checked(project, "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise DataError(
            "there are changes that are not committed",
            received=", ".join(line[3:] for line in changed[:5]),
            expected="the run that is to be published, committed with its metrics and dvc.lock",
            fix="commit them (`git commit`), or put them aside (`git stash`)",
        )


def _put_in_place(clone: Path, run: str) -> None:
    """Bring the kept run to where DVC and the stages look for it, and commit it."""
    kept = clone / "results" / run
    if not (kept / "dvc.lock").is_file():
        raise DataError(
            "no such run was kept",
            received=f"RUN={run}",
            expected="a folder below results/ with dvc.lock, as `make results` leaves it",
            fix="list them: ls results/*/*/dvc.lock",
        )
    for file in RUN:
        shutil.copy(kept / file, clone / file)
    for path in kept.rglob("*"):
        relative = path.relative_to(kept)
        if path.is_file() and own.fits(relative.parts, own.metrics(Path())):
            (clone / "metrics" / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, clone / "metrics" / relative)
    _checked(clone, "add", "-A")
    identity = ("-c", "user.name=roundoff", "-c", "user.email=roundoff@localhost")
    _checked(clone, *identity, "commit", "--quiet", "--allow-empty", "-m", f"release: {run}")


def _push(project: Path, clone: Path, remote: Path) -> None:
    """Copy what the clone's dvc.lock lists from the project's cache; DataError where a part is missing."""
    from dvc.exceptions import DvcException

    try:
        missing = _pushed(project, clone, remote)
    except DvcException as error:
        raise DataError(
            "DVC cannot copy the run",
            received=str(error),
            expected="a project in which `dvc status` works",
            fix="do what DVC says",
        ) from error
    if missing:
        raise DataError(
            "DVC's cache does not hold the whole run",
            received=f"missing: {', '.join(sorted(missing)[:5])}",
            expected="everything that dvc.lock lists",
            fix="bring it with `dvc pull`, or make it with `dvc repro`; a run of before needs the cache of its day",
        )


def _pushed(project: Path, clone: Path, remote: Path) -> set[str]:
    """Copy the run; the outputs that could not be, since neither dvc.lock nor the cache has them."""
    from dvc.repo import Repo

    with Repo(str(project)) as origin:
        cache = origin.cache.local_cache_dir
    config = {"cache": {"dir": cache}, "remote": {BRANCH: {"url": str(remote.resolve())}}}
    with Repo(str(clone), config=config) as repo:
        repo.push(remote=BRANCH)
        unlisted = {str(out) for out in repo.index.outs if out.use_cache and not out.hash_info}
        return unlisted | set(repo.status(cloud=True, remote=BRANCH))


def _checked(folder: Path, *words: str) -> str:
    done = git(folder, *words)
    if done.returncode != 0:
        raise DataError(
            f"git {words[0]} fails",
            received=done.stderr.strip(),
            expected="a git repository with the committed run",
            fix="do what git says",
        )
    return done.stdout


if __name__ == "__main__":
    try:
        print(release(Path(), Path(sys.argv[1]), next(iter(filter(None, sys.argv[2:])), None)))
    except RoundoffError as error:
        sys.exit(f"error: {error}")
