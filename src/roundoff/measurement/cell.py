"""A cell under measurement: one precision on one backend, what is on disk of it, and its row as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.backend.base import Backend, Logits, Runner
from roundoff.engine import SIDECAR, build_directories, open_cell, read_cell
from roundoff.errors import ConfigError, Unavailable, noted

REFERENCE_PRECISION = "fp32"
RESERVED = frozenset(("platform", "reference", "method"))
PREFERRED_REFERENCE = "fp32/onnxruntime"


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
        """Whether it was built, and nothing has yet shown that it cannot run here."""
        return bool(self.row["status"] != "unavailable")

    @property
    def builds(self) -> list[Path]:
        """The directories of its builds that differ: what a load may take."""
        return build_directories(self.directory)

    def open(self, platform: Mapping[str, Any]) -> Runner | None:
        """The loaded engine, files and machine checked; None where it cannot run here, and its row then says why."""
        try:
            with noted(f"while loading {self.name} from {self.directory}"):
                return open_cell(self.loader, self.directory, dict(platform))
        except Unavailable as missing:
            self.row = _unavailable(str(missing), self.row)
            return None


def find_cells(engines: Path, precisions: Sequence[str], backends: Mapping[str, Backend]) -> list[Cell]:
    """A cell for each precision and each backend, FP32 first; what was not built under `engines` is unavailable.

    Raises ConfigError for a backend named like a key that every metrics file has.
    """
    for name in RESERVED & set(backends):
        raise ConfigError(
            "a backend's name is taken",
            received=name,
            expected=f"any other name than {', '.join(sorted(RESERVED))}, which metrics files use themselves",
            fix=f"rename backends.{name}",
        )
    names = sorted(precisions, key=lambda name: (name != REFERENCE_PRECISION, name))
    return [_cell(engines / name, backend, loader) for name in names for backend, loader in backends.items()]


def _cell(precision: Path, backend: str, loader: Backend) -> Cell:
    directory = precision / backend
    return Cell(precision.name, backend, loader, directory, _first_row(directory))


def _first_row(directory: Path) -> dict[str, Any]:
    if not (directory / SIDECAR).exists():
        return _unavailable("not built: this backend was not configured when the build stage ran", {})
    sidecar = read_cell(directory)
    if sidecar["status"] != "built":
        return _unavailable(sidecar["reason"], sidecar)
    facts = sidecar["facts"]
    return {
        "status": "measured",
        "reason": None,
        "label": None,
        "note": facts.get("note"),
        "size_mb": sidecar["size_mb"],
        "build_s": sidecar["build_s"],
        "builds": sidecar["builds"],
        "numerics": {"relative_error": None, "layer_types": facts.get("layer_types")},
    }


def _unavailable(reason: str, known: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": "unavailable", "reason": reason, **{key: known.get(key) for key in ("size_mb", "build_s")}}


def choose_reference(cells: list[Cell]) -> Cell | None:
    """What the others are compared with: fp32 on ONNX Runtime, else the first fp32 cell that runs; None without one."""
    candidates = [cell for cell in cells if cell.precision == REFERENCE_PRECISION]
    preferred = [cell for cell in candidates if cell.name == PREFERRED_REFERENCE]
    return next(iter(preferred + candidates), None)
