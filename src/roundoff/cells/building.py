"""One precision on every configured backend: built, written and told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roundoff.backend.base import Backend
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_or_tell
from roundoff.precision.base import Precision
from roundoff.results.metrics import write_builds
from roundoff.results.shortfall import say_last
from roundoff.system.progress import track


def build_cells(
    name: str,
    precision: Precision,
    backends: Mapping[str, Backend],
    inputs: Inputs,
    engines: Path,
    metrics: Path,
    strict: bool,
) -> None:
    """Write the cells of the precision `name` under `engines`, and what the metrics say of them.

    With `strict` the first that fails is raised.
    """
    builds = {
        backend_name: build_or_tell(
            backend_name, backend, name, precision, inputs, engines / name / backend_name, strict
        )
        for backend_name, backend in track(backends.items(), f"build {name}")
    }
    write_builds(name, builds, metrics)
    say_last({f"{name}/{backend_name}": build for backend_name, build in builds.items()})
