"""A folder of results from another machine: whole, by the readers that roundoff has, before it is taken in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from roundoff.comparison.reading import PARAMS, metrics_folder
from roundoff.comparison.run import Run
from roundoff.errors import DataError
from roundoff.results.layers import read_profile, read_rows
from roundoff.results.metrics import summary_from
from roundoff.results.platform import read_platform
from roundoff.results.sensitivity import read_effects, read_whole
from roundoff.revisions.lock import LOCK, read_lock, yaml_at
from roundoff.revisions.revision import folder_snapshot
from roundoff.revisions.series import curves_in, noise_in
from roundoff.system import own

PLATFORM = "platform.json"
OF_RUN = (PLATFORM, PARAMS, LOCK)


@dataclass(frozen=True)
class Results:
    """A run that was read, and its files: where each belongs in a project, and where it lies now."""

    run: Run
    files: dict[PurePosixPath, Path]


def read_results(folder: Path, metrics: str) -> Results:
    """The run in a folder, whose metrics belong into the folder `metrics`. Raises DataError for what is not whole."""
    place = metrics_folder(folder)
    if place is None:
        raise _no_results(folder)
    run = Run(folder.name, folder_snapshot(place, str(folder)))
    _read_all(run, place)
    for at in (folder, place):
        read_lock(at, None)
        yaml_at(at, None, PARAMS)
    files = {PurePosixPath(metrics) / path.relative_to(place).as_posix(): path for path in _of_metrics(place)}
    found = ((name, next((at / name for at in (folder, place) if _is_file(at / name)), None)) for name in OF_RUN)
    files |= {PurePosixPath(name): path for name, path in found if path is not None}
    _require_one_machine(run, files.get(PurePosixPath(PLATFORM)))
    return Results(run, files)


def _of_metrics(place: Path) -> list[Path]:
    """What roundoff writes into a folder of metrics; of others' files nothing is taken."""
    patterns = own.metrics(Path())
    every = (path for path in sorted(place.rglob("*")) if _is_file(path))
    return [path for path in every if own.fits(path.relative_to(place).parts, patterns)]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read_all(run: Run, place: Path) -> None:
    """Read once what a comparison or a report reads later; the readers refuse what cannot be."""
    _ = run.builds, run.told, run.model_graphs
    if "summary" in run.snapshot.stages:
        summary_from(run.snapshot.stages["summary"])
    curves_in(place / "curves.csv")
    noise_in(place / "noise.csv")
    read_rows(place / "layers.csv")
    read_profile(place / "profile.json")
    read_effects(place / "sensitivity.csv")
    read_whole(place / "sensitivity.json")


def _require_one_machine(run: Run, platform: Path | None) -> None:
    """Metrics, verdict and platform.json have to be of one fingerprint."""
    ids = {"the metrics": run.snapshot.machine, "verdict.json": run.verdict.platform}
    ids[PLATFORM] = read_platform(platform).id if platform else None
    known = {name: each for name, each in ids.items() if each is not None}
    if len(set(known.values())) > 1:
        raise DataError(
            "the results are of several machines",
            received=", ".join(f"{name}: {each}" for name, each in known.items()),
            expected="one fingerprint in all of them",
            fix="copy metrics/ and platform.json from one run on one machine",
        )


def _no_results(folder: Path) -> DataError:
    inside = [each.name for each in sorted(folder.iterdir()) if metrics_folder(each)] if folder.is_dir() else []
    return DataError(
        "there are no results to collect",
        received=f"{folder}: {', '.join(inside) if inside else 'no metrics of a run'}",
        expected="a folder with metrics/ and platform.json, or with the files of metrics/ themselves",
        fix="name one of these folders" if inside else "copy metrics/ and platform.json from the other machine",
    )
