"""Files that are whole or absent: atomic writes, hashes, JSON."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from roundoff.errors import DataError

STALE_S = 86400.0


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, same suffix; rename it into place on success, delete it on failure.

    Several processes may write one `path`: the last to finish stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it replaces `path`, on failure it is deleted.

    Several processes may write one `path`: the last to finish stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    partial.mkdir()
    try:
        yield partial
        _exchange(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(path: Path) -> Path:
    """A name that no other writer has; also removes what writers that were killed left a day ago or earlier."""
    for left in path.parent.glob(f".partial.*-*.{glob.escape(path.name)}"):
        with suppress(FileNotFoundError):
            if time.time() - left.lstat().st_mtime > STALE_S:
                _remove(left)
    return path.with_name(f".partial.{os.getpid()}-{secrets.token_hex(4)}.{path.name}")


def _exchange(partial: Path, path: Path) -> None:
    """Put a directory in the place of another, which another process may be doing too."""
    former = _partial(path)
    try:
        while True:
            with suppress(FileNotFoundError):
                path.replace(former)
            try:
                partial.replace(path)
                return
            except OSError as error:
                # another process has put its directory there in between
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                _remove(former)
    finally:
        _remove(former)


def _remove(path: Path) -> None:
    """Remove a file, a link (not what it points to) or a directory, as far as possible; there may be none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file; DataError, which names it, where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path} is broken",
            received=str(error),
            expected="JSON, as the stage that writes it leaves it",
            fix="run that stage again: `dvc repro -f STAGE`",
        ) from error
