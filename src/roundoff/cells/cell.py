"""A cell under measurement: one precision on one backend, what is on disk of it, and its row as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.backend.base import Backend, Logits, Runner
from roundoff.cells.store import SIDECAR, build_directories, build_stage, open_cell, read_cell
from roundoff.errors import BuildError, ConfigError, DataError, noted
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.own import require_folder_name

REFERENCE_PRECISION = "fp32"
RESERVED = frozenset(("platform", "reference", "method"))
PREFERRED_REFERENCE = "fp32/onnxruntime"
RERUN = "evaluate"  # the stage that looks at a cell again
NO_ENGINE = "no engine here: run `dvc pull` or `dvc repro`"
NOT_HERE = "no engine here, as it was not built or not pulled: run `dvc pull` or `dvc repro`"
NOT_CONFIGURED = "not built: this backend was not configured when the build stage ran"


@dataclass
class Cell:
    """`device` and `logits` float32 [N, classes] are None until the test set has run through the cell."""

    precision: str
    backend: str
    loader: Backend
    directory: Path
    row: dict[str, Any]
    device: str | None = None
    logits: Logits | None = None

    @property
    def name(self) -> str:
        """`PRECISION/BACKEND`."""
        return f"{self.precision}/{self.backend}"

    @property
    def available(self) -> bool:
        """Whether it was built, and nothing has yet shown that it does not run here."""
        return bool(self.row["status"] == "measured")

    def leave_out(self, found: Shortfall) -> None:
        """Measure it no more: its row says why, and keeps what is known of what was built."""
        self.logits = None
        self.row = {**found.row(RERUN), **_known(self.row)}

    def fail(self, found: Shortfall) -> None:
        """Call it failed, since all of its batch sizes are; what its row has of them, and of its accuracy, stays."""
        self.row |= found.row(RERUN)

    @property
    def builds(self) -> list[Path]:
        """The directories of its builds that differ: what a load may take."""
        return build_directories(self.directory)

    def open(self, platform: Mapping[str, Any], strict: bool = False) -> Runner | None:
        """The loaded engine, files and machine checked; None where it does not run here, and its row then says why."""
        with (
            tolerated("loading the engine", self.leave_out, strict),
            noted(f"while loading {self.name} from {self.directory}"),
        ):
            return open_cell(self.loader, self.directory, dict(platform))
        return None


def find_cells(engines: Path, precisions: Sequence[str], backends: Mapping[str, Backend]) -> list[Cell]:
    """A cell for each precision and each backend, FP32 first; what was not built under `engines` is unavailable.

    Raises ConfigError for a backend named like a key that every metrics file has, and for a name that is no folder's;
    DataError where there is no cell at all.
    """
    for kind, named in (("precision", precisions), ("backend", backends)):
        for name in named:
            require_folder_name(kind, name)
    for name in RESERVED & set(backends):
        raise ConfigError(
            "a backend's name is taken",
            received=name,
            expected=f"any other name than {', '.join(sorted(RESERVED))}, which metrics files use themselves",
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
    return [_cell(engines / name, backend, loader) for name in names for backend, loader in backends.items()]


def _cell(precision: Path, backend: str, loader: Backend) -> Cell:
    directory = precision / backend
    return Cell(precision.name, backend, loader, directory, _first_row(precision.name, directory))


def _first_row(precision: str, directory: Path) -> dict[str, Any]:
    if not (directory / SIDECAR).exists():
        return {**Shortfall("unavailable", _missing(directory)).row(RERUN), **_known({})}
    broken: list[Shortfall] = []
    with tolerated("reading what was built", broken.append):
        return _row_of(precision, read_cell(directory))
    return {**broken[0].row(build_stage(precision)), **_known({})}


def _row_of(precision: str, sidecar: Mapping[str, Any]) -> dict[str, Any]:
    if sidecar["status"] != "built":
        found = Shortfall(sidecar["status"], sidecar["reason"], sidecar.get("detail"))
        return {**found.row(build_stage(precision)), **_known(sidecar)}
    facts = sidecar["facts"]
    return {
        "status": "measured",
        "reason": None,
        "label": None,
        "note": facts.get("note"),
        "weights": sidecar["precision"].get("weights"),
        "ranges": sidecar.get("ranges"),
        "size_mb": sidecar["size_mb"],
        "builds": sidecar["builds"],
        "numerics": {"relative_error": None, "layer_types": facts.get("layer_types")},
    }


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"size_mb": row.get("size_mb")}


def _missing(directory: Path) -> str:
    """Why there is no cell in `directory`, as far as its neighbours of the same build know."""
    configured: set[str] = set()
    for path in directory.parent.glob(f"*/{SIDECAR}"):
        with suppress(BuildError):  # a broken neighbour has a row of its own, which says so
            configured |= set(read_cell(path.parent).get("configured", ()))
    return NOT_CONFIGURED if configured and directory.name not in configured else NOT_HERE


def references(cells: list[Cell]) -> list[Cell]:
    """What the others may be compared with, the best first: fp32 on ONNX Runtime, then the other fp32 cells."""
    candidates = [cell for cell in cells if cell.precision == REFERENCE_PRECISION]
    return sorted(candidates, key=lambda cell: cell.name != PREFERRED_REFERENCE)
