"""One cell on disk: a precision's graph, a backend's artifact, and the sidecar that says what they are."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from roundoff.backend.base import Backend, Runner, Source
from roundoff.backend.fingerprint import part
from roundoff.calibration.base import CalibrationTable
from roundoff.cells.sidecar import (
    FORMAT_VERSION,
    REBUILD,
    SIDECAR,
    Component,
    Sidecar,
    StoredFile,
    check_files,
    read_cell,
    unusable,
    write_cell,
)
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, Unavailable, noted
from roundoff.precision.base import Precision
from roundoff.precision.rewriting.in_range import convert_in_range
from roundoff.precision.rewriting.kept import kept_notes
from roundoff.results.build import BuildInfo, BuildMetrics, Builds
from roundoff.results.message import Message, as_message, message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system import own
from roundoff.system.device_lock import device_lock
from roundoff.system.files import sha256_of, whole_directory
from roundoff.system.slots import build_stage

GRAPH = "graph.onnx"
REBUILDS = "rebuilds"


@dataclass(frozen=True)
class Inputs:
    """What every cell is built from, and what is known of all cells of a build.

    `onnx` is the FP32 graph, `keras` what it was exported from (None if that is not here), `table` the calibration
    table's file, `calibration` images uint8 [N, H, W, C], `fingerprint` the machine's (platform.json). `backends` are
    those that are configured; what they say while they build goes to `logs`, as PRECISION/BACKEND.log. In place of the
    FP32 graph there may be one that is `given`: .onnx or .tflite, uint8 images in, float32 logits out.
    """

    onnx: Path
    keras: Path | None
    table: Path | None
    calibration: Images
    fingerprint: Platform
    backends: tuple[str, ...] = ()
    logs: Path | None = None
    given: Path | None = None
    why_no_keras: Message = field(default_factory=lambda: message("no_keras"))


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
        described = _described(backend_name, backend, precision_name, precision, inputs)
        build_s = None
        try:
            log = inputs.logs / precision_name / f"{backend_name}.log" if inputs.logs else None
            sidecar, build_s = _built(described, backend, precision_name, precision, inputs, partial, log)
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
) -> BuildMetrics:
    """As `build_cell`; of a build that fails, the directory holds the sidecar alone, which says so, and no engine.

    With `strict` a failure is raised, and the directory stays as it was.
    """
    cell, missing = f"{precision_name}/{backend_name}", list[Shortfall]()
    with tolerated(message("doing_build"), missing.append, strict), noted(f"while building {cell}"):
        return build_cell(backend_name, backend, precision_name, precision, inputs, directory)
    why = missing[0]
    sidecar = replace(
        _described(backend_name, backend, precision_name, precision, inputs),
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
    check_files(directory, sidecar.files)
    _check_machine(backend, sidecar.fingerprint, fingerprint)
    return backend.load(directory)


def cells(root: Path) -> list[CellPath]:
    """The cells under `root`, laid out as PRECISION/BACKEND/, in alphabetical order."""
    directories = sorted(path.parent for path in root.glob(f"*/*/{SIDECAR}") if not path.parent.name.startswith("."))
    return [CellPath(directory.parent.name, directory.name, directory) for directory in directories]


def build_directories(directory: Path) -> list[Path]:
    """A cell's directory, then those of the further builds that came out otherwise."""
    return [directory, *sorted((directory / REBUILDS).glob("*"), key=lambda path: int(path.name))]


def _described(
    backend_name: str, backend: Backend, precision_name: str, precision: Precision, inputs: Inputs
) -> Sidecar:
    return Sidecar(
        format=FORMAT_VERSION,
        backend=_configured(backend_name, backend),
        precision=replace(_configured(precision_name, precision), weights=precision.weights),
        configured=list(inputs.backends),
        ranges=_ranges(backend, precision, inputs),
        sources=_source_hashes(backend, precision, inputs),
        fingerprint=inputs.fingerprint,
        status="unavailable",
    )


def _ranges(backend: Backend, precision: Precision, inputs: Inputs) -> Literal["symmetric", "asymmetric"] | None:
    """Which of the calibration table's ranges the cell is built from: for symmetric or asymmetric grids, or none."""
    if not (backend.takes_onnx and precision.needs_calibration and inputs.table):
        return None
    fitted = precision.activations == "int8" and not backend.grid.symmetric
    return "asymmetric" if fitted else "symmetric"


def _configured(name: str, component: Any) -> Component:
    kind = type(component)
    # lists that come from a configuration are OmegaConf's, which JSON does not know
    config = json.loads(json.dumps(asdict(component), default=list))
    return Component(name=name, type=f"{kind.__module__}.{kind.__qualname__}", config=config)


def _source_hashes(backend: Backend, precision: Precision, inputs: Inputs) -> dict[str, str]:
    if inputs.given:
        return {"given": sha256_of(inputs.given)}
    if not backend.takes_onnx:
        images = hashlib.sha256(inputs.calibration.tobytes()).hexdigest()
        keras = {"keras": sha256_of(inputs.keras)} if inputs.keras else {}
        return keras | ({"images": images} if precision.needs_calibration else {})
    table = {"calibration": sha256_of(inputs.table)} if precision.needs_calibration and inputs.table else {}
    return {"onnx": sha256_of(inputs.onnx)} | table


def _built(
    described: Sidecar,
    backend: Backend,
    name: str,
    precision: Precision,
    inputs: Inputs,
    directory: Path,
    log: Path | None,
) -> tuple[Sidecar, float]:
    """The sidecar of what was built, and the seconds that it took."""
    refusal = _refusal(backend, precision, inputs)
    if refusal is not None:
        raise Unavailable(refusal)
    graph = _converted(backend, precision, inputs, directory / GRAPH) if backend.takes_onnx else inputs.onnx
    source = Source(name, precision, graph, inputs.keras, inputs.calibration, log=log, given=inputs.given)
    device = backend.builds_on()
    with device_lock(device) if device else nullcontext():
        start = time.perf_counter()
        info = backend.build(source, directory)
        build_s = time.perf_counter() - start
        _refuse_foreign(backend, info)
        info = replace(info, notes=[*_notes(backend, graph), *info.notes])
        different = _build_again(backend, source, directory)
    files = {
        path.relative_to(directory).as_posix(): StoredFile(sha256=sha256_of(path), bytes=path.stat().st_size)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    sidecar = replace(
        described,
        status="built",
        files=files,
        size_mb=(directory / backend.artifact).stat().st_size / 1e6,
        builds=Builds(count=backend.repeats, different=different),
        build_info=replace(info, multiplications=None),
    )
    return sidecar, build_s


def _refusal(backend: Backend, precision: Precision, inputs: Inputs) -> Message | str | None:
    """Why there is no such cell here: the backend cannot read what it would be made from, or not build it."""
    if inputs.given is None:
        unread = None if backend.takes_onnx or inputs.keras else inputs.why_no_keras
    elif inputs.given.suffix == ".tflite":
        unread = None if backend.takes_tflite else message("given_is_tflite")
    else:
        unread = None if backend.takes_onnx else message("given_is_onnx")
    return unread or backend.refusal(precision)


def _refuse_foreign(backend: Backend, info: object) -> None:
    if not isinstance(info, BuildInfo):
        raise BuildError(
            f"{type(backend).__name__}.build does not return what a build is told by",
            received=type(info).__name__,
            expected="a roundoff.results.build.BuildInfo",
            fix="return BuildInfo(...), all fields of which may be left out",
        )


def _build_again(backend: Backend, source: Source, directory: Path) -> int:
    """Build `repeats` - 1 times more; the number of different artifacts, the first one's included."""
    seen = {sha256_of(directory / backend.artifact)}
    for number in range(2, backend.repeats + 1):
        again = directory / REBUILDS / str(number)
        again.mkdir(parents=True)
        backend.build(replace(source, again=True), again)
        digest = sha256_of(again / backend.artifact)
        if digest in seen:
            shutil.rmtree(again)
        seen.add(digest)
    return len(seen)


def _converted(backend: Backend, precision: Precision, inputs: Inputs, path: Path) -> Path:
    import onnx

    table = CalibrationTable.load(inputs.table) if precision.needs_calibration and inputs.table else None
    model = onnx.load(inputs.given or inputs.onnx)
    if inputs.given:
        converted = precision.convert(model, backend.grid, table)
    else:
        converted = convert_in_range(precision, model, backend.grid, table, inputs.calibration)
    onnx.save(converted, path)
    return path


def _notes(backend: Backend, graph: Path) -> list[Message]:
    """What the conversion says of the graph."""
    import onnx

    return kept_notes(onnx.load(graph)) if backend.takes_onnx else []


def _empty(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _check_machine(backend: Backend, built_on: Platform, here: Platform) -> None:
    for key in backend.bound_to:
        there, now = part(built_on, key), part(here, key)
        if there != now:
            values = {"there": str(there), "now": str(now), "built_on": built_on.id, "here": here.id}
            raise Unavailable(message("built_elsewhere", key=key, remedy=REBUILD, **values))
