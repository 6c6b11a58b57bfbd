"""The files of one cell: the precision's graph, the backend's artifact, and further builds that came out otherwise."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from roundoff.backend.base import Backend, Source
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.cells.inputs import Inputs
from roundoff.cells.sidecar import GRAPH, REBUILDS, Sidecar, StoredFile
from roundoff.errors import BuildError, Unavailable
from roundoff.precision.base import Precision
from roundoff.precision.rewriting.in_range import convert_in_range
from roundoff.precision.rewriting.kept import kept_notes
from roundoff.results.build import BuildInfo, Builds
from roundoff.results.message import Message, message
from roundoff.system.device_lock import device_lock
from roundoff.system.files import sha256_of


def built(
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
    sources = described.sources | ({"data": inputs.data} if inputs.data else {})
    graph = _converted(backend, precision, inputs, sources, directory / GRAPH) if backend.takes_onnx else inputs.onnx
    source = Source(
        name,
        precision,
        graph,
        inputs.keras,
        inputs.calibration,
        log=log,
        given=inputs.given,
        tflite=inputs.tflite,
        table=inputs.table,
    )
    device = backend.builds_on()
    with device_lock(device) if device else nullcontext():
        start = time.perf_counter()
        info = backend.build(source, directory)
        build_s = time.perf_counter() - start
        _refuse_foreign(backend, info)
        info = replace(info, notes=[*_told_of(inputs), *_notes(backend, graph), *info.notes])
        different = _build_again(backend, source, directory)
    sidecar = replace(
        described,
        status="built",
        files=_stored(directory),
        size_mb=(directory / backend.artifact).stat().st_size / 1e6,
        builds=Builds(count=backend.repeats, different=different),
        build_info=replace(info, multiplications=None),
    )
    return sidecar, build_s


def _stored(directory: Path) -> dict[str, StoredFile]:
    return {
        path.relative_to(directory).as_posix(): StoredFile(sha256=sha256_of(path), bytes=path.stat().st_size)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _told_of(inputs: Inputs) -> list[Message]:
    return [message("given_file", file=inputs.given.name)] if inputs.given else []


def _refusal(backend: Backend, precision: Precision, inputs: Inputs) -> Message | str | None:
    """Why there is no such cell here: the backend cannot read what it would be made from, or not build it."""
    if inputs.given is None:
        unread = _missing(backend, inputs)
    elif inputs.given.suffix == ".tflite":
        unread = None if backend.takes_tflite else message("given_is_tflite")
    else:
        unread = None if backend.takes_onnx else message("given_is_onnx")
    return unread or backend.refusal(precision)


def _missing(backend: Backend, inputs: Inputs) -> Message | None:
    """Why what the backend starts from is not here; None where it is."""
    missing = {
        "tflite": None if inputs.tflite else inputs.why_no_tflite,
        "keras": None if inputs.keras else inputs.why_no_keras,
    }
    return missing.get(backend.starts_from)


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


def _converted(backend: Backend, precision: Precision, inputs: Inputs, sources: Mapping[str, str], path: Path) -> Path:
    """The precision's graph, at `path`, with the hashes of its `sources` beside those that the FP32 graph has."""
    import onnx

    from roundoff.graph.provenance import write_provenance
    from roundoff.graph.reading import read_graph, seal

    table = CalibrationTable.load(inputs.table) if precision.needs_calibration and inputs.table else None
    model = onnx.load(inputs.given) if inputs.given else read_graph(inputs.onnx)
    if inputs.given:
        converted = precision.convert(model, backend.grid, table)
    else:
        converted = convert_in_range(precision, model, backend.grid, table, inputs.calibration)
    write_provenance(converted, sources)
    seal(converted)
    onnx.save(converted, path)
    return path


def _notes(backend: Backend, graph: Path) -> list[Message]:
    """What the conversion says of the graph."""
    import onnx

    return kept_notes(onnx.load(graph)) if backend.takes_onnx else []
