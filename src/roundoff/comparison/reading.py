"""Runs as they are asked for: DVC experiments, git revisions, folders of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundoff.comparison.run import Run
from roundoff.errors import DataError
from roundoff.results.message import LANGUAGES
from roundoff.revisions.lock import yaml_at
from roundoff.revisions.revision import WORKSPACE, experiments_here, folder_snapshot, snapshot
from roundoff.revisions.revision_context import revision_context
from roundoff.system.printable import printable
from roundoff.system.slots import REFERENCE_PRECISION

PARAMS = "params.yaml"
METRICS = "metrics"
SIGN = f"{REFERENCE_PRECISION}.json"
"""The file by which a folder is known to hold the metrics of a run."""


def read_runs(project: Path, metrics: str, asked: Sequence[str]) -> list[Run]:
    """Each of what is asked for once; without any, the experiments of the commit that is checked out.

    A folder stands for the run in it, or for those in its folders. Raises DataError for what is none of these, and
    where fewer than two runs are left.
    """
    names = list(dict.fromkeys(asked)) or experiments_here(project)
    runs = [run for name in names for run in _read(project, metrics, name)]
    if len(runs) < 2:
        raise DataError(
            "a comparison needs two runs",
            received=", ".join(run.name for run in runs) or "no experiment of the commit that is checked out",
            expected="experiments, git revisions, or folders with metrics",
            fix="name two or more; `dvc exp show` lists experiments",
        )
    return runs


def metrics_folder(folder: Path) -> Path | None:
    """Where a folder of results has its metrics: in it, or in its folder `metrics`; None: it has none."""
    return next((place for place in (folder / METRICS, folder) if (place / SIGN).is_file()), None)


def language_of(project: Path) -> str:
    """The language of the project's report, English where it has none."""
    section = _settings(project, None).get("report")
    language = section.get("language") if isinstance(section, dict) else None
    return language if isinstance(language, str) else LANGUAGES[0]


def _read(project: Path, metrics: str, name: str) -> list[Run]:
    folder = Path(name)
    if not folder.is_dir():
        return [_of_revision(project, metrics, name)]
    if place := metrics_folder(folder):
        is_here = folder.resolve() == project.resolve()
        return [_of_folder(folder, place, WORKSPACE if is_here else name)]
    inside = [(each, place) for each in sorted(folder.iterdir()) if each.is_dir() and (place := metrics_folder(each))]
    if inside:
        return [_of_folder(each, place, f"{name.rstrip('/')}/{each.name}") for each, place in inside]
    return [_of_revision(project, metrics, name)]


def _of_revision(project: Path, metrics: str, name: str) -> Run:
    found = snapshot(project, metrics, name)
    return Run(printable(name), found, revision_context(project, metrics, found), _settings(project, found.commit))


def _of_folder(folder: Path, place: Path, name: str) -> Run:
    found = folder_snapshot(place, name)
    return Run(printable(name), found, revision_context(folder, METRICS, found), _settings(folder, None))


def _settings(place: Path, commit: str | None) -> dict[str, object]:
    content = yaml_at(place, commit, PARAMS)
    return content if isinstance(content, dict) else {}
