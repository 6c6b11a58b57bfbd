"""A cell's sidecar: what its folder says of itself, and whether its files still are what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from msgspec import Meta

from roundoff.errors import BuildError, DataError
from roundoff.results.build import BuildInfo, Builds
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message
from roundoff.results.platform import Platform
from roundoff.results.values import Count, NotNegative
from roundoff.system import own
from roundoff.system.files import read_json, sha256_of, write_json

FORMAT_VERSION = 3
SIDECAR = own.SIDECAR
GRAPH = "graph.onnx"
REBUILDS = "rebuilds"
ARTIFACTS = ("model.engine", "model.onnx", "model.tflite")
"""What the package's own backends call what they ship."""
REBUILD = "run the build stage again: dvc repro"


@dataclass(frozen=True, kw_only=True)
class Component:
    """A backend or a precision as it was configured."""

    name: str
    type: str
    config: dict[str, Any]
    weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a cell."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: Count


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """What a cell's folder says of itself: what it was built from, where, and what came of it.

    `configured` are the backends of that build, `ranges` which ranges of the calibration table were used, `sources`
    SHA-256 of what it was built from. Times are not in the folder: building again from the
    same gives the same bytes.
    """

    format: int
    backend: Component
    precision: Component
    configured: list[str]
    ranges: Literal["symmetric", "asymmetric"] | None
    sources: dict[str, str]
    fingerprint: Platform
    status: Literal["built", "unavailable", "failed"]
    reason: Message | None = None
    detail: str | None = None
    rerun: str | None = None
    files: dict[str, StoredFile] = field(default_factory=dict)
    size_mb: NotNegative | None = None
    builds: Builds | None = None
    build_info: BuildInfo | None = None


def read_cell(directory: Path) -> Sidecar:
    """The sidecar of the cell in a folder PRECISION/BACKEND; BuildError where there is none, or another cell's."""
    sidecar = read_sidecar(directory)
    cell, place = f"{sidecar.precision.name}/{sidecar.backend.name}", f"{directory.parent.name}/{directory.name}"
    if cell != place:
        raise unusable(directory, f"the sidecar of {cell}", f"that of {place}, where it lies")
    return sidecar


def read_sidecar(directory: Path) -> Sidecar:
    """The sidecar in a folder of any name; BuildError where there is none, or one that cannot be."""
    path = directory / SIDECAR
    try:
        content = read_json(path)
        version = content["format"]
        if version == FORMAT_VERSION:
            sidecar = checked(Sidecar, content, str(path))
            _require_sound(directory, sidecar)
            return sidecar
    except (OSError, DataError, LookupError, TypeError) as error:
        why = f"{error.what}: {error.received}" if isinstance(error, DataError) else f"{path}: {error}"
        raise unusable(directory, why, "the sidecar that the build stage wrote") from error
    raise unusable(directory, f"{path} of format {version}", f"format {FORMAT_VERSION}")


def _require_sound(directory: Path, sidecar: Sidecar) -> None:
    if wrong := next(_faults(sidecar), None):
        raise unusable(directory, f"{SIDECAR} with {wrong}", "the sidecar that the build stage wrote")


def _faults(sidecar: Sidecar) -> Iterator[str]:
    """What cannot be about a sidecar, each in words."""
    for name in sidecar.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.name in ("", SIDECAR):
            yield f"a file {name!r}, which lies elsewhere"
    told, sources = sidecar.ranges, set(sidecar.sources)
    if "calibration" not in sources if told else sources == {"onnx", "calibration"}:
        yield f"{told or 'no'} ranges, of a cell that is built from {' and '.join(sorted(sources))}"
    if sidecar.status != "built":
        if sidecar.reason is None or sidecar.files:
            yield f"the status {sidecar.status}, {'no reason' if sidecar.reason is None else 'and files'}"
    elif sidecar.build_info is None or sidecar.size_mb is None or not sidecar.files:
        yield "the status built, and no build_info, size_mb or files"


def write_cell(sidecar: Sidecar, directory: Path) -> None:
    """Write the sidecar into the cell's folder."""
    write_json(directory / SIDECAR, as_json(sidecar))


def check_files(directory: Path, sidecar: Sidecar, artifact: str) -> None:
    """Raise BuildError for files that are missing, or are not those that were built; `artifact` is the one to ship.

    Every file that may be loaded has to be among those that the sidecar lists.
    """
    files = sidecar.files
    again = [path for name in (artifact, GRAPH) for path in directory.glob(f"{REBUILDS}/*/{name}")]
    for path in (directory / artifact, directory / GRAPH, *again):
        name = path.relative_to(directory).as_posix()
        if name not in files and (name == artifact or path.exists()):
            raise unusable(directory, f"no hash of {name} in {SIDECAR}", "one of each file of the cell")
    size_mb = files[artifact].bytes / 1e6
    if sidecar.size_mb != size_mb:
        raise unusable(directory, f"size_mb {sidecar.size_mb}", f"{size_mb}, the size of {artifact}")
    for name, known in files.items():
        path = directory / name
        if not path.is_file():
            raise unusable(directory, f"no {name}", f"{name}, {known.bytes} bytes")
        size = path.stat().st_size
        if size != known.bytes:
            raise unusable(directory, f"{name}, {size} bytes", f"{known.bytes} bytes")
        sha256 = sha256_of(path)
        if sha256 != known.sha256:
            raise unusable(directory, f"{name} with SHA-256 {sha256}", f"SHA-256 {known.sha256}")


def artifact_of(directory: Path, sidecar: Sidecar) -> str:
    """The name of the file that is shipped; BuildError where not one alone can be it.

    It has the cell's size, as `check_files` demands of it; of several such files it is the one with a known name. What
    the sidecar says of its backend imports nothing.
    """
    own_files = {name: file for name, file in sidecar.files.items() if name != GRAPH and not _is_rebuild(name)}
    fitting = [name for name, file in own_files.items() if file.bytes / 1e6 == sidecar.size_mb]
    found = [name for name in fitting if name in ARTIFACTS] or fitting
    if len(found) != 1:
        received = f"{', '.join(found) or 'no file'} of {sidecar.size_mb} MB in {SIDECAR}"
        raise unusable(directory, received, "one file of that size, the engine")
    return found[0]


def _is_rebuild(name: str) -> bool:
    return PurePosixPath(name).parts[0] == REBUILDS


def unusable(directory: Path, received: str, expected: str) -> BuildError:
    """The error of a cell that must be built again."""
    return BuildError(f"{directory} must not be used as it is", received=received, expected=expected, fix=REBUILD)
