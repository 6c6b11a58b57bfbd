"""One cell on disk: a precision's graph, a backend's artifact, and the sidecar that says what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from roundoff.backend.base import Backend, Runner
from roundoff.backend.fingerprint import part
from roundoff.cells.describing import unbuilt
from roundoff.cells.engine import built
from roundoff.cells.inputs import Inputs
from roundoff.cells.sidecar import (
    REBUILD,
    REBUILDS,
    SIDECAR,
    Sidecar,
    check_files,
    read_cell,
    unusable,
    write_cell,
)
from roundoff.errors import Unavailable, noted
from roundoff.precision.base import Precision
from roundoff.results.build import BuildMetrics
from roundoff.results.message import Message, as_message, message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system import own
from roundoff.system.at_work import at_work
from roundoff.system.files import whole_directory
from roundoff.system.slots import build_stage


class CellPath(NamedTuple):
    """Where a cell lies."""

    precision: str
    backend: str
    directory: Path


def build_cell(
    backend_name: str,
    backend: Backend,
    precision_name: str,
    precision: Precision,
    inputs: Inputs,
    directory: Path,
) -> BuildMetrics:
    """Build one cell into `directory`, whole or not at all.

    Where this machine cannot build it the directory holds the sidecar alone, with the reason. Builds that differ from
    all before them are kept under rebuilds/.
    Raises ConfigError for a name that is no folder's, and what the build raises for a cell that should have been
    built: see `build_or_tell`.
    """
    own.require_folder_name("backend", backend_name)
    own.require_folder_name("precision", precision_name)
    with whole_directory(directory, own.cell) as partial:
        described = unbuilt(backend_name, backend, precision_name, precision, inputs)
        build_s = None
        try:
            log = inputs.logs / precision_name / f"{backend_name}.log" if inputs.logs else None
            sidecar, build_s = built(described, backend, precision_name, precision, inputs, partial, log)
        except Unavailable as error:
            _empty(partial)
            sidecar = replace(described, reason=_finished(as_message(error.args[0])))
        write_cell(sidecar, partial)
    return _metrics(sidecar, build_s)


def build_or_tell(
    backend_name: str,
    backend: Backend,
    precision_name: str,
    precision: Precision,
    inputs: Inputs,
    directory: Path,
    strict: bool = False,
    network: str = "",
) -> BuildMetrics:
    """As `build_cell`; of a build that fails, the directory holds the sidecar alone, which says so, and no engine.

    With `strict` a failure is raised, and the directory stays as it was. `network` tells builds of several apart.
    """
    cell, missing = f"{precision_name}/{backend_name}", list[Shortfall]()
    with (
        tolerated(message("doing_build"), missing.append, strict),
        at_work(f"building {cell}{network and f' of {network}'}"),
        noted(f"while building {cell}"),
    ):
        return build_cell(backend_name, backend, precision_name, precision, inputs, directory)
    why = missing[0]
    sidecar = replace(
        unbuilt(backend_name, backend, precision_name, precision, inputs),
        status=why.status,
        reason=_finished(why.reason),
        detail=own.UNFINISHED.sub("", why.detail) if why.detail else None,
        rerun=why.rerun(build_stage(precision_name)),
    )
    with whole_directory(directory, own.cell) as partial:
        write_cell(sidecar, partial)
    return _metrics(sidecar, None)


def _finished(said: Message) -> Message:
    """Without the names of folders that were being written, which nobody will find."""
    clean = {key: own.UNFINISHED.sub("", text) if isinstance(text, str) else text for key, text in said.values.items()}
    return replace(said, values=clean)


def _metrics(sidecar: Sidecar, build_s: float | None) -> BuildMetrics:
    return BuildMetrics(
        status=sidecar.status,
        reason=sidecar.reason,
        detail=sidecar.detail,
        rerun=sidecar.rerun,
        size_mb=sidecar.size_mb,
        build_s=build_s,
        builds=sidecar.builds,
        build_info=sidecar.build_info,
        sha256={name: file.sha256 for name, file in sidecar.files.items()},
    )


def open_cell(backend: Backend, directory: Path, fingerprint: Platform) -> Runner:
    """Load a cell on the machine with `fingerprint`, after checking its files against the sidecar's hashes.

    Raises Unavailable for a cell that could not be built, that was built for another machine, or that this one
    cannot run; BuildError for one that failed to build, or files that are missing or altered.
    """
    sidecar = read_cell(directory)
    if sidecar.status == "failed":
        raise unusable(directory, f"{sidecar.reason}: {sidecar.detail}", "a cell that was built")
    if sidecar.status != "built":
        raise Unavailable(sidecar.reason)
    check_files(directory, sidecar, backend.artifact)
    _check_machine(backend, sidecar.fingerprint, fingerprint)
    return backend.load(directory)


def cells(root: Path) -> list[CellPath]:
    """The cells under `root`, laid out as PRECISION/BACKEND/, in alphabetical order."""
    directories = sorted(path.parent for path in root.glob(f"*/*/{SIDECAR}") if not path.parent.name.startswith("."))
    return [CellPath(directory.parent.name, directory.name, directory) for directory in directories]


def build_directories(directory: Path) -> list[Path]:
    """A cell's directory, then those of the further builds that came out otherwise, which are named by numbers."""
    numbered = [path for path in (directory / REBUILDS).glob("*") if path.name.isdecimal()]
    return [directory, *sorted(numbered, key=lambda path: int(path.name))]


def _empty(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _check_machine(backend: Backend, built_on: Platform, here: Platform) -> None:
    for key in backend.bound_to:
        there, now = part(built_on, key), part(here, key)
        if there != now:
            values = {"there": str(there), "now": str(now), "built_on": built_on.id, "here": here.id}
            raise Unavailable(message("built_elsewhere", key=key, remedy=REBUILD, **values))
