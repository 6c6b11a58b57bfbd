"""One cell on disk: a precision's graph, a backend's artifact, and the sidecar that says what they are."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from roundoff.backend.base import Backend, Runner, Source
from roundoff.calibration.base import CalibrationTable
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, DataError, Unavailable, noted
from roundoff.precision.base import Precision
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system import own
from roundoff.system.device_lock import device_lock
from roundoff.system.files import read_json, sha256_of, whole_directory, write_json

FORMAT_VERSION = 2
GRAPH = "graph.onnx"
SIDECAR = own.SIDECAR
REBUILDS = "rebuilds"
OWN_STAGES = ("fp32", "fp16", "int8")  # each has a stage of its own; further precisions share one, by item
REBUILD = "run the build stage again: dvc repro"


@dataclass(frozen=True)
class Inputs:
    """What every cell is built from, and what is known of all cells of a build.

    `onnx` is the FP32 graph, `keras` what it was exported from (None if that is not here), `table` the calibration
    table's file, `calibration` images uint8 [N, H, W, C], `fingerprint` the machine's (platform.json). `backends` are
    those that are configured; what they say while they build goes to `logs`, as PRECISION/BACKEND.log.
    """

    onnx: Path
    keras: Path | None
    table: Path | None
    calibration: Images
    fingerprint: dict[str, Any]
    backends: tuple[str, ...] = ()
    logs: Path | None = None


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
) -> dict[str, Any]:
    """Build one cell into `directory`, whole or not at all, and return its sidecar and `build_s`.

    Where this machine cannot build it the directory holds the sidecar alone, with the reason. `size_mb` is the
    artifact in MB (10^6 bytes), `builds` the number of builds and of those that differ from all before them, which are
    kept under rebuilds/. `build_s`, the backend's build in seconds, is not in the directory: building again from the
    same gives the same bytes.
    Raises ConfigError for a name that is no folder's, and what the build raises for a cell that should have been
    built: see `build_row`.
    """
    own.require_folder_name("backend", backend_name)
    own.require_folder_name("precision", precision_name)
    with whole_directory(directory, own.cell) as partial:
        sidecar = _described(backend_name, backend, precision_name, precision, inputs)
        try:
            log = inputs.logs / precision_name / f"{backend_name}.log" if inputs.logs else None
            built = _built(backend, precision_name, precision, inputs, partial, log)
        except Unavailable as reason:
            _empty(partial)
            sidecar |= {"status": "unavailable", "reason": own.UNFINISHED.sub("", str(reason))}
        else:
            sidecar |= {"status": "built", "reason": None, **built}
        write_json(partial / SIDECAR, {key: value for key, value in sidecar.items() if key != "build_s"})
    return sidecar


def build_row(
    backend_name: str,
    backend: Backend,
    precision_name: str,
    precision: Precision,
    inputs: Inputs,
    directory: Path,
    strict: bool = False,
) -> dict[str, Any]:
    """As `build_cell`; of a build that fails, the directory holds the sidecar alone, which says so, and no engine.

    With `strict` a failure is raised, and the directory stays as it was.
    """
    cell, missing = f"{precision_name}/{backend_name}", list[Shortfall]()
    with tolerated("the build", missing.append, strict), noted(f"while building {cell}"):
        return build_cell(backend_name, backend, precision_name, precision, inputs, directory)
    sidecar = _described(backend_name, backend, precision_name, precision, inputs)
    row = missing[0].row(build_stage(precision_name))
    sidecar |= {key: own.UNFINISHED.sub("", text) if text else text for key, text in row.items()}
    with whole_directory(directory, own.cell) as partial:
        write_json(partial / SIDECAR, sidecar)
    return sidecar


def build_stage(precision: str) -> str:
    """The name of the stage of dvc.yaml that builds a precision."""
    return f"build-{precision}" if precision in OWN_STAGES else f"build-more@{precision}"


def build_metrics(sidecar: dict[str, Any]) -> dict[str, Any]:
    """What a metrics file says of a build: status, reason, and for a built cell its size, build time and hashes."""
    if sidecar["status"] != "built":
        return {key: sidecar[key] for key in ("status", "reason", "detail", "rerun") if key in sidecar}
    hashes = {name: file["sha256"] for name, file in sidecar["files"].items()}
    return {key: sidecar[key] for key in ("status", "size_mb", "build_s", "builds", "facts")} | {"sha256": hashes}


def read_cell(directory: Path) -> dict[str, Any]:
    """A cell's sidecar; raises BuildError where there is none, or one of another format."""
    path = directory / SIDECAR
    try:
        sidecar: dict[str, Any] = read_json(path)
        version = sidecar.get("format")
    except (OSError, DataError, AttributeError) as error:
        raise _unusable(directory, f"{path}: {error}", "the sidecar that the build stage wrote") from error
    if version != FORMAT_VERSION:
        raise _unusable(directory, f"{path} of format {version}", f"format {FORMAT_VERSION}")
    return sidecar


def open_cell(backend: Backend, directory: Path, fingerprint: dict[str, Any]) -> Runner:
    """Load a cell on the machine with `fingerprint`, after checking its files against the sidecar's hashes.

    Raises Unavailable for a cell that could not be built, that was built for another machine, or that this one
    cannot run; BuildError for one that failed to build, or files that are missing or altered.
    """
    sidecar = read_cell(directory)
    if sidecar["status"] == "failed":
        raise _unusable(directory, f"{sidecar['reason']}: {sidecar['detail']}", "a cell that was built")
    if sidecar["status"] != "built":
        raise Unavailable(sidecar["reason"])
    _check_files(directory, sidecar["files"])
    _check_machine(backend, sidecar["fingerprint"], fingerprint)
    return backend.load(directory)


def cells(root: Path) -> list[CellPath]:
    """The cells under `root`, laid out as PRECISION/BACKEND/, in alphabetical order."""
    found = sorted(path.parent for path in root.glob(f"*/*/{SIDECAR}") if not path.parent.name.startswith("."))
    return [CellPath(directory.parent.name, directory.name, directory) for directory in found]


def build_directories(directory: Path) -> list[Path]:
    """A cell's directory, then those of the further builds that came out otherwise."""
    return [directory, *sorted((directory / REBUILDS).glob("*"), key=lambda path: int(path.name))]


def _described(
    backend_name: str, backend: Backend, precision_name: str, precision: Precision, inputs: Inputs
) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "backend": {"name": backend_name, **_settings(backend)},
        "precision": {"name": precision_name, "weights": precision.weights, **_settings(precision)},
        "configured": list(inputs.backends),
        "ranges": _ranges(backend, precision, inputs),
        "sources": _source_hashes(backend, precision, inputs),
        "fingerprint": inputs.fingerprint,
    }


def _ranges(backend: Backend, precision: Precision, inputs: Inputs) -> str | None:
    """Which of the calibration table's ranges the cell is built from: for symmetric or asymmetric grids, or none."""
    if not (backend.takes_onnx and precision.needs_calibration and inputs.table):
        return None
    fitted = precision.activations == "int8" and not backend.grid.symmetric
    return "asymmetric" if fitted else "symmetric"


def _settings(component: Any) -> dict[str, Any]:
    kind = type(component)
    # lists that come from a configuration are OmegaConf's, which JSON does not know
    config = json.loads(json.dumps(asdict(component), default=list))
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "config": config}


def _source_hashes(backend: Backend, precision: Precision, inputs: Inputs) -> dict[str, str]:
    if not backend.takes_onnx:
        images = hashlib.sha256(inputs.calibration.tobytes()).hexdigest()
        keras = {"keras": sha256_of(inputs.keras)} if inputs.keras else {}
        return keras | ({"images": images} if precision.needs_calibration else {})
    table = {"calibration": sha256_of(inputs.table)} if precision.needs_calibration and inputs.table else {}
    return {"onnx": sha256_of(inputs.onnx)} | table


def _built(
    backend: Backend, name: str, precision: Precision, inputs: Inputs, directory: Path, log: Path | None
) -> dict[str, Any]:
    refusal = backend.refusal(precision)
    if refusal is not None:
        raise Unavailable(refusal)
    if not backend.takes_onnx and inputs.keras is None:
        raise Unavailable("converted from the Keras model, and there is none here")
    graph = _converted(backend, precision, inputs, directory / GRAPH) if backend.takes_onnx else inputs.onnx
    source = Source(name, precision, graph, inputs.keras, inputs.calibration, log=log)
    device = backend.builds_on()
    with device_lock(device) if device else nullcontext():
        start = time.perf_counter()
        facts = backend.build(source, directory)
        build_s = time.perf_counter() - start
        different = _build_again(backend, source, directory)
    files = {
        path.relative_to(directory).as_posix(): {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    size_mb = (directory / backend.artifact).stat().st_size / 1e6
    builds = {"count": backend.repeats, "different": different}
    return {"files": files, "size_mb": size_mb, "build_s": build_s, "builds": builds, "facts": facts}


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
    onnx.save(precision.convert(onnx.load(inputs.onnx), backend.grid, table), path)
    return path


def _empty(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _check_files(directory: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, known in files.items():
        path = directory / name
        if not path.is_file():
            raise _unusable(directory, f"no {name}", f"{name}, {known['bytes']} bytes")
        size = path.stat().st_size
        if size != known["bytes"]:
            raise _unusable(directory, f"{name}, {size} bytes", f"{known['bytes']} bytes")
        found = sha256_of(path)
        if found != known["sha256"]:
            raise _unusable(directory, f"{name} with SHA-256 {found}", f"SHA-256 {known['sha256']}")


def _check_machine(backend: Backend, built_on: dict[str, Any], here: dict[str, Any]) -> None:
    for key in backend.bound_to:
        there, now = _part(built_on, key), _part(here, key)
        if there != now:
            raise Unavailable(
                f"built where {key} was {there} (fingerprint {built_on.get('id')}), but here it is {now} "
                f"(fingerprint {here.get('id')}); {REBUILD}"
            )


def _part(fingerprint: Any, key: str) -> Any:
    for name in key.split("."):
        fingerprint = fingerprint.get(name) if isinstance(fingerprint, dict) else None
    return fingerprint


def _unusable(directory: Path, received: str, expected: str) -> BuildError:
    return BuildError(f"{directory} must not be used as it is", received=received, expected=expected, fix=REBUILD)
