"""A cell's sidecar: what its folder says of itself, and whether its files still are what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from roundoff.errors import BuildError, DataError
from roundoff.results.build import BuildInfo, Builds
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message
from roundoff.results.platform import Platform
from roundoff.system import own
from roundoff.system.files import read_json, sha256_of, write_json

FORMAT_VERSION = 3
SIDECAR = own.SIDECAR
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

    sha256: str
    bytes: int


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
    size_mb: float | None = None
    builds: Builds | None = None
    build_info: BuildInfo | None = None


def read_cell(directory: Path) -> Sidecar:
    """A cell's sidecar; raises BuildError where there is none, or one of another format."""
    path = directory / SIDECAR
    try:
        content = read_json(path)
        version = content["format"]
        if version == FORMAT_VERSION:
            return checked(Sidecar, content, str(path))
    except (OSError, DataError, LookupError, TypeError) as error:
        raise unusable(directory, f"{path}: {error}", "the sidecar that the build stage wrote") from error
    raise unusable(directory, f"{path} of format {version}", f"format {FORMAT_VERSION}")


def write_cell(sidecar: Sidecar, directory: Path) -> None:
    """Write the sidecar into the cell's folder."""
    write_json(directory / SIDECAR, as_json(sidecar))


def check_files(directory: Path, files: dict[str, StoredFile]) -> None:
    """Raise BuildError for files that are missing, or are not those that were built."""
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


def unusable(directory: Path, received: str, expected: str) -> BuildError:
    """The error of a cell that must be built again."""
    return BuildError(f"{directory} must not be used as it is", received=received, expected=expected, fix=REBUILD)
