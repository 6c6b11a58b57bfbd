"""ship.json: what a shipped folder holds, by hash, and the chain from the images to the verdict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from roundoff.cells.sidecar import StoredFile
from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.system.files import parsed_json, sha256_of
from roundoff.system.plain_files import read_plain

NAME, FORMAT_VERSION = "ship.json", 1
Layout = Literal["plain", "triton"]
ANEW = "do not use the folder: ship it again (`roundoff ship DIR`), or copy it again from where it is whole"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of the chain: what it stands for, the hash of that, the shipped file (None: not shipped), and the chain.

    `link` is the SHA-256 of the link before (empty for the first), `name` and `sha256`, a line each.
    """

    name: str
    sha256: str
    file: str | None
    link: str


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """ship.json. `artifact` is the engine's name in its cell, `engine` where it lies here; both are of `files`' kind.

    `seal` is the SHA-256 of all the rest: who knows it from elsewhere knows the folder.
    """

    format: int
    cell: str
    layout: Layout
    artifact: str
    engine: str
    files: dict[str, StoredFile]
    chain: list[Link]
    seal: str = ""

    def sealed(self) -> Shipment:
        """The same with its seal."""
        rest = {key: value for key, value in as_json(self).items() if key != "seal"}
        return replace(self, seal=hashlib.sha256(_text(rest).encode()).hexdigest())

    def text(self) -> str:
        """The file's text, the only one for this content."""
        return _text(as_json(self))


def chained(links: Iterable[tuple[str, str, str | None]]) -> list[Link]:
    """The chain of (name, SHA-256, file) in their order."""
    chain: list[Link] = []
    before = ""
    for name, sha256, file in links:
        before = hashlib.sha256(f"{before}\n{name}\n{sha256}".encode()).hexdigest()
        chain.append(Link(name=name, sha256=sha256, file=file, link=before))
    return chain


def files_of(directory: Path) -> dict[str, StoredFile]:
    """Every file below the folder but ship.json, by its relative path; DataError for a link or what is no file."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise broken(directory, f"{name}, a link or special file", "plain files and folders")
        if path.is_file() and name != NAME:
            found[name] = StoredFile(sha256=sha256_of(path), bytes=path.stat().st_size)
    return found


def read_shipment(directory: Path) -> Shipment:
    """The folder's ship.json, in its own form and with its own seal; DataError where it is not."""
    path = directory / NAME
    if not path.is_file() or path.is_symlink():
        raise broken(directory, f"no {NAME}", f"a folder that `roundoff ship` wrote, with {NAME}")
    try:
        text = read_plain(path).decode("utf-8")
        content = parsed_json(text, NAME)
        version = content["format"]
    except (DataError, ValueError, LookupError, TypeError) as error:
        why = error.received if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        raise broken(directory, f"{NAME}: {why}", "JSON with its format") from None
    if version != FORMAT_VERSION:
        raise broken(directory, f"{NAME} of format {version}", f"format {FORMAT_VERSION}")
    shipment = checked(Shipment, content, str(path))
    if shipment.text() != text or shipment.sealed() != shipment:
        raise broken(directory, f"{NAME} with seal {shipment.seal}", f"{NAME} as it was written, unchanged")
    return shipment


def broken(directory: Path, received: str, expected: str) -> DataError:
    """The error of a folder that is not what was shipped."""
    return DataError(f"{directory} is not what was shipped", received=received, expected=expected, fix=ANEW)


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
