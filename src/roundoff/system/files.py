"""Files that are whole or absent: atomic writes, hashes, JSON."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from roundoff.errors import ConfigError, DataError
from roundoff.system.own import UNFINISHED, Names, foreign, refuse_foreign
from roundoff.system.plain_files import read_plain, refuse_special
from roundoff.system.printable import printable
from roundoff.system.processes import has_ended, here
from roundoff.system.refusal import is_exhausted, name_path

STALE_S = 86400.0
DEEPEST = 100  # levels of JSON; what roundoff writes has ten


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, same suffix; rename it into place on success, delete it on failure.

    Several processes may write one `path`: the last to finish stands. Raises ConfigError where a folder is in the way,
    DataError where a pipe or a device is.
    """
    partial = _partial(path)
    if path.is_dir():
        raise ConfigError(
            f"{path} is a folder, and a file is to be written there",
            received=f"the folder {path}",
            expected="a file, or nothing yet",
            fix="choose another path, or move the folder away",
        )
    refuse_special(path)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        name_path(error, path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path, names: Names) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; on success it replaces `path`, on failure it is deleted.

    Only a folder that is empty or holds `names` alone is replaced (looked up before and after the work): anything else
    stays, and a ConfigError names it. Of a link the link is replaced, not what it leads to. What is written has to be
    of `names`, too. Several processes may write one `path`: the last to finish stands.
    """
    refuse_foreign(path, names)
    partial = _partial(path)
    partial.mkdir()
    try:
        yield partial
        undeclared = foreign(partial, names)
        assert undeclared is None, f"{undeclared} is missing from the names in `own`: it could never be replaced"
        refuse_foreign(path, names)
        _exchange(partial, path)
    except OSError as error:
        name_path(error, path)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(path: Path) -> Path:
    """A name that no other writer has, in a folder that is there.

    Also removes what writers left that were killed. Raises ConfigError where no folder can be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        return _partial_name(path)
    except (OSError, ValueError) as error:
        if is_exhausted(error):
            raise
        raise ConfigError(
            f"{path} cannot be written",
            received=str(error),
            expected="a place in a folder of yours, or where one can be made",
            fix="choose another path, or see to the folder that is named",
        ) from error


def _partial_name(path: Path) -> Path:
    return path.with_name(f".partial.{os.getpid()}-{here()}-{secrets.token_hex(4)}.{path.name}")


def _remove_stale(path: Path) -> None:
    """Remove what killed writers left beside `path`: this machine's at once, `path`'s of another one after a day."""
    for left in path.parent.iterdir():
        named = UNFINISHED.match(left.name)
        if named is None:
            continue
        with suppress(FileNotFoundError):
            seen = left.lstat()
            if named[2] == here():
                stale = has_ended(int(named[1]), seen.st_ctime)
            else:
                stale = left.name[named.end() :] == path.name and time.time() - seen.st_mtime > STALE_S
            if stale:
                _remove(left)


def _exchange(partial: Path, path: Path) -> None:
    """Put a directory in the place of another, which another process may be doing too."""
    former = _partial_name(path)
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
    """SHA-256, in hexadecimal, of a file's bytes; of a folder, of its files' names and hashes."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "".join(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n" for file in files)
        return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
    refuse_special(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, names that are none with escapes."""
    _write(path, printable(text).encode())


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, since JSON has none."""
    _write(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(data)


def read_json(path: Path) -> Any:
    """The value in a JSON file; DataError, which names it, where it holds none."""
    try:
        text = read_plain(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _no_json(str(path), error) from error
    return parsed_json(text, str(path))


def parsed_json(text: str, where: str) -> Any:
    """The value that a JSON text stands for; DataError, which names `where` it stands, for any other text.

    What Python reads beyond JSON is refused as well: NaN, infinities, numbers that no float can hold, an object's key
    twice, half of a character; and more levels than those who walk through them can.
    """
    try:
        text.encode("utf-8", "surrogateescape").decode("utf-8")  # names the byte that was no UTF-8 where it was read
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once)
        if "\\ud" in text.lower():  # the only way to write half of a character
            json.dumps(value, ensure_ascii=False).encode()
        _refuse_deep(value)
    except (ValueError, RecursionError) as error:
        raise _no_json(where, error) from error
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return held


def _refuse_deep(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inside for each in values if isinstance(each, dict | list)]
    if level:
        raise ValueError(f"more than {DEEPEST} levels")


def _no_json(where: str, error: Exception) -> DataError:
    return DataError(
        f"{where} is broken",
        received=str(error),
        expected="JSON, as the stage that writes it leaves it",
        fix="run that stage again (`dvc repro -f STAGE`), or restore it (`git checkout`, `dvc pull`)",
    )
