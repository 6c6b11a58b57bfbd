"""Download a file whose SHA-256 is known: resumed where it broke off, in place only when it is right."""

from __future__ import annotations

import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from roundoff.errors import DataError
from roundoff.system.files import sha256_of
from roundoff.system.progress import progress_bar

if TYPE_CHECKING:
    from requests import Response

ATTEMPTS = 5
PAUSE_S = 2.0
TIMEOUT_S = 60
CHUNK = 1 << 20
PARTIAL = 206
UNSATISFIABLE = 416


def fetch(url: str, sha256: str, directory: Path) -> Path:
    """The file of `url` under `directory`, downloaded unless it is there with this SHA-256.

    An interrupted download leaves NAME.partial, which the next call continues. Raises DataError when the server
    cannot be reached or refuses, and when the hash differs (the wrong file is deleted).
    """
    target = directory / PurePosixPath(urlsplit(url).path).name
    if target.is_file() and sha256_of(target) == sha256:
        return target
    directory.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    _download(url, partial)
    try:
        require_sha256(partial, sha256)
    except DataError:
        partial.unlink()
        raise
    return partial.replace(target)


def require_sha256(path: Path, sha256: str) -> None:
    """Raise DataError unless the file's SHA-256 is the expected one."""
    received = sha256_of(path)
    if received != sha256:
        raise DataError(
            f"{path} is not the expected file: its SHA-256 differs",
            received=received,
            expected=sha256,
            fix="get the file again; if another file is meant, set dataset.sha256 to its hash",
        )


def _download(url: str, partial: Path) -> None:
    import requests
    import urllib3

    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, partial)
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if attempt == ATTEMPTS:
                raise DataError(
                    f"cannot download {url}",
                    received=f"{error} ({ATTEMPTS} attempts)",
                    expected="the whole file",
                    fix="run again to continue where it stopped, or get the file by hand and set dataset.archive=PATH",
                ) from error
            time.sleep(PAUSE_S)


def _continue(url: str, partial: Path) -> None:
    """Append what is missing; a server that ignores the range sends the whole file, which replaces the partial."""
    import requests

    offset = partial.stat().st_size if partial.exists() else 0
    # identity: a server that labels .tar.gz as gzip content would otherwise have it unpacked in transit
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == UNSATISFIABLE and offset:
            return  # nothing is missing; the hash decides
        _require_success(response)
        resumed = response.status_code == PARTIAL
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            raise requests.RequestException(f"asked from byte {offset}, got {response.headers.get('Content-Range')}")
        _save(response, partial, offset if resumed else 0)


def _require_success(response: Response) -> None:
    """Raise at once on what another attempt cannot change (4xx), and a retried error on 5xx."""
    if 400 <= response.status_code < 500:
        raise DataError(
            f"cannot download {response.url}",
            received=f"HTTP {response.status_code} {response.reason}",
            expected="HTTP 200",
            fix="check dataset.url, or get the file by hand and set dataset.archive=PATH",
        )
    response.raise_for_status()


def _save(response: Response, partial: Path, offset: int) -> None:
    missing = response.headers.get("Content-Length")
    total_mb = (offset + int(missing)) / 1e6 if missing else None
    with (
        partial.open("ab" if offset else "wb") as file,
        progress_bar(f"download {partial.stem} (MB)", total_mb) as bar,
    ):
        bar.advance(offset / 1e6)
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            bar.advance(len(chunk) / 1e6)
