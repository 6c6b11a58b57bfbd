"""A cell that is to be measured: one precision on one backend, and what is on disk of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roundoff.backend.base import Backend, Runner
from roundoff.cells.sidecar import SIDECAR, Sidecar, read_cell
from roundoff.cells.store import build_directories, open_cell
from roundoff.errors import BuildError, ConfigError, DataError, noted
from roundoff.precision.base import Precision
from roundoff.results.cell import CellMetrics, Numerics
from roundoff.results.message import Message, message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.own import require_folder_name
from roundoff.system.slots import REFERENCE_PRECISION, TAKEN, build_stage

RERUN = "evaluate"  # the stage that looks at a cell again
NO_ENGINE = "no engine here: run `dvc pull` or `dvc repro`"


@dataclass(frozen=True)
class Cell:
    """One precision on one backend; `built` is what its files say: measured where there is an engine to measure."""

    precision: str
    backend: str
    loader: Backend
    directory: Path
    built: CellMetrics
    full_width: bool = False

    @property
    def name(self) -> str:
        """`PRECISION/BACKEND`."""
        return f"{self.precision}/{self.backend}"

    @property
    def builds(self) -> list[Path]:
        """The directories of its builds that differ: what a load may take."""
        return build_directories(self.directory)

    def open(self, platform: Platform) -> Runner:
        """The loaded engine, files and machine checked; raises as `open_cell`."""
        with noted(f"while loading {self.name} from {self.directory}"):
            return open_cell(self.loader, self.directory, platform)


def left_out(built: CellMetrics, why: Shortfall, stage: str = RERUN) -> CellMetrics:
    """A cell that is not measured, and why; of what was built its size is kept."""
    return CellMetrics(
        status=why.status, reason=why.reason, detail=why.detail, rerun=why.rerun(stage), size_mb=built.size_mb
    )


def find_cells(engines: Path, precisions: Mapping[str, Precision], backends: Mapping[str, Backend]) -> list[Cell]:
    """A cell for each precision and each backend, FP32 first; what was not built under `engines` is unavailable.

    Raises ConfigError for a backend named like a key that every metrics file has, and for a name that is no folder's;
    DataError where there is no cell at all.
    """
    for kind, named in (("precision", precisions), ("backend", backends)):
        for name in named:
            require_folder_name(kind, name)
    for name in set(TAKEN) & set(backends):
        raise ConfigError(
            "a backend's name is taken",
            received=name,
            expected=f"any other name than {', '.join(TAKEN)}, which metrics files use themselves",
            fix=f"rename backends.{name}",
        )
    names = sorted(precisions, key=lambda name: (name != REFERENCE_PRECISION, name))
    directories = [engines / name / backend for name in names for backend in backends]
    if not any((directory / SIDECAR).exists() for directory in directories):
        raise DataError(
            NO_ENGINE,
            received=f"none of {', '.join(map(str, directories))}",
            expected="a folder for each cell, as the build stages leave it",
            fix="run `dvc pull` where another machine has built them, else `dvc repro`",
        )
    return [
        _cell(engines / name, precisions[name], backend, loader)
        for name in names
        for backend, loader in backends.items()
    ]


def _cell(place: Path, precision: Precision, backend: str, loader: Backend) -> Cell:
    directory = place / backend
    return Cell(place.name, backend, loader, directory, _built(place.name, directory), precision.full_width)


def _built(precision: str, directory: Path) -> CellMetrics:
    nothing = CellMetrics(status="unavailable")
    if not (directory / SIDECAR).exists():
        return left_out(nothing, Shortfall("unavailable", _missing(directory)))
    broken: list[Shortfall] = []
    with tolerated(message("doing_reading"), broken.append):
        return _told(precision, read_cell(directory))
    return left_out(nothing, broken[0], build_stage(precision))


def _told(precision: str, sidecar: Sidecar) -> CellMetrics:
    info = sidecar.build_info
    if sidecar.status != "built" or info is None:
        state: Literal["failed", "unavailable"] = "failed" if sidecar.status == "failed" else "unavailable"
        why = Shortfall(state, sidecar.reason or message("unknown"), sidecar.detail)
        return left_out(CellMetrics(status=state), why, build_stage(precision))
    return CellMetrics(
        status="measured",
        notes=info.notes,
        weights=sidecar.precision.weights,
        ranges=sidecar.ranges,
        size_mb=sidecar.size_mb,
        builds=sidecar.builds,
        numerics=Numerics(layer_types=info.layer_types, conversions=info.conversions),
    )


def _missing(directory: Path) -> Message:
    """Why there is no cell in `directory`, as far as its neighbours of the same build know."""
    configured: set[str] = set()
    for path in directory.parent.glob(f"*/{SIDECAR}"):
        with suppress(BuildError):  # a broken neighbour has a row of its own, which says so
            configured |= set(read_cell(path.parent).configured)
    return message("not_configured" if configured and directory.name not in configured else "no_engine")
