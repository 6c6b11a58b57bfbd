"""One hash of sources: results of other sources are not these results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import roundoff


def sha256_of_sources(rooms: Iterable[str], others: Iterable[Path] = ()) -> str:
    """SHA-256 of all modules of `rooms`, folders of src/roundoff, and of `others`."""
    package = Path(roundoff.__file__).parent
    sources = [path for room in rooms for path in package.joinpath(room).rglob("*.py")]
    digest = hashlib.sha256()
    for path in [*sorted(sources), *others]:
        digest.update(f"{path.parent.name}/{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()
