"""Where a project keeps what is shipped: its paths, the chosen cell, and what a reader of the folder needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roundoff.cells.sidecar import Sidecar, artifact_of, read_cell
from roundoff.dataset.base import Prepared
from roundoff.errors import DataError, RoundoffError
from roundoff.gate.gate import judged
from roundoff.gate.required import recommendation, require_known
from roundoff.pipeline.paths import DEFAULTS, Paths
from roundoff.results.cell import CellMetrics
from roundoff.results.metrics import builds_from
from roundoff.results.preparation import Manifest
from roundoff.revisions.lock import yaml_at
from roundoff.revisions.revision import Snapshot, snapshot
from roundoff.training.trained import DESCRIPTION, Trained, read_trained

PARAMS = "params.yaml"


@dataclass(frozen=True)
class Project:
    """A project's root, its paths, and its metrics with their verdict."""

    root: Path
    paths: Paths
    snapshot: Snapshot

    def path(self, key: str) -> Path:
        """What `paths.KEY` leads to; DataError where nothing is there."""
        place: Path = self.root / getattr(self.paths, key)
        if not place.exists():
            raise DataError(
                f"paths.{key} is not here",
                received=f"no {place}",
                expected="the outputs of a finished run",
                fix="bring them with `dvc pull`, or run `dvc repro`",
            )
        return place


@dataclass(frozen=True)
class Chosen:
    """A cell that was measured, and what it comes from; `artifact` is its engine's file in `directory`."""

    name: str
    directory: Path
    sidecar: Sidecar
    artifact: str
    metrics: CellMetrics
    manifest: Manifest
    trained: Trained

    @property
    def is_calibrated(self) -> bool:
        """Whether the calibration table is among its sources."""
        return "calibration" in self.sidecar.sources


def opened(root: Path, metrics: str) -> Project:
    """The project in a folder; DataError where it has no judged metrics, or params.yaml cannot be read."""
    return Project(root, _paths(root), judged(snapshot(root, metrics, None)))


def _paths(root: Path) -> Paths:
    """The section `paths` of params.yaml; the default paths where there is none."""
    settings = yaml_at(root, None, PARAMS)
    section = settings.get("paths", {}) if isinstance(settings, dict) else settings
    known = {key: value for key, value in section.items() if key in DEFAULTS} if isinstance(section, dict) else None
    if known is None or not all(isinstance(value, str) for value in known.values()):
        raise DataError(
            f"{root / PARAMS} does not say where the outputs are",
            received=repr(section if known is None else known)[:200],
            expected="a section paths, of keys with a path each",
            fix="restore it with `git checkout params.yaml`, or run `make params`",
        )
    return Paths(**known)


def chosen(project: Project, asked: str | None) -> Chosen:
    """The cell that is asked for, by its name or a use, else the one that ships; raises RoundoffError."""
    require_known(asked, project.snapshot, "--cell")
    choice = recommendation(asked, project.snapshot)
    if choice.cell is None:
        raise RoundoffError(
            "no cell is to be shipped",
            received=f"a verdict by which none passes, or it is undecided ({', '.join(choice.undecided) or 'none'})",
            expected="a cell that passes",
            fix="see `roundoff check`; a cell is shipped all the same where it is named: --cell PRECISION/BACKEND",
        )
    metrics = project.snapshot.cells[choice.cell]
    if not metrics.measured:
        raise DataError(
            f"{choice.cell} was not measured, so there is nothing to ship",
            received=f"{metrics.status}: {metrics.reason}",
            expected="a cell that ran on the machine of the metrics",
            fix="choose another cell, or measure on a machine that can run it",
        )
    directory = project.path("engines") / choice.cell
    sidecar = read_cell(directory)
    artifact = artifact_of(directory, sidecar)
    trained = project.path("trained")
    manifest = Prepared(project.path("prepared")).manifest
    described = read_trained(trained) if (trained / DESCRIPTION).is_file() else Trained("", trained)
    return Chosen(choice.cell, directory, sidecar, artifact, metrics, manifest, described)


def require_build_of_metrics(project: Project, metrics: str, cell: Chosen) -> None:
    """DataError where the engine is another than the build stage told of, which the metrics are of."""
    precision, _, backend = cell.name.partition("/")
    name = f"build-{precision}"
    builds = builds_from(name, project.snapshot.stages[name]) if name in project.snapshot.stages else {}
    told = builds[backend].sha256 if backend in builds else {}
    here = {name: file.sha256 for name, file in cell.sidecar.files.items()}
    if told != here:
        raise DataError(
            f"{cell.directory} is not the engine that was measured",
            received=f"{metrics}/{name}.json tells other files or hashes than {cell.directory}/cell.json",
            expected="engines and metrics of one run",
            fix="bring both to one commit (`dvc checkout`, `dvc pull`), or run `dvc repro`",
        )
