"""One job at a time that times something on a device: others wait for it instead of spoiling its figures."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from roundoff.errors import ConfigError

ELSEWHERE = "ROUNDOFF_LOCK_DIRECTORY"
log = logging.getLogger(__name__)


@contextmanager
def device_lock(device: str, directory: str | None = None) -> Iterator[float]:
    """Hold the lock of `device` ("cpu", or a GPU's UUID) on this machine; yields the seconds spent waiting for it.

    The kernel releases the lock when its process ends, however it ends. Raises ConfigError where no file can lie.
    """
    path = lock_path(device, directory)
    descriptor = _open(path)
    try:
        started = time.monotonic()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning(
                "warning: another job is at work on %s: waiting for it, so that neither disturbs the other's times; "
                "evaluate.lock_directory says where the lock lies (%s)",
                device,
                path,
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield time.monotonic() - started
    finally:
        os.close(descriptor)


def lock_path(device: str, directory: str | None = None) -> Path:
    """The lock's file: in `directory`, else in ROUNDOFF_LOCK_DIRECTORY, else where every job and user here meets."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", device)[:60]
    unique = hashlib.sha256(device.encode()).hexdigest()[:8]
    return Path(directory or os.environ.get(ELSEWHERE) or _shared()) / f"roundoff-{readable}-{unique}.lock"


def _shared() -> str:
    # not tempfile.gettempdir(): jobs with a TMPDIR of their own must meet here all the same
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()


def _open(path: Path) -> int:
    try:
        return _opened_or_made(path)
    except OSError as error:
        raise ConfigError(
            "the lock of a device cannot be opened",
            received=f"{path} ({error.strerror})",
            expected="a file, or room for one in a directory that is there",
            fix=f"set evaluate.lock_directory or {ELSEWHERE} to one that all jobs on a device share",
        ) from error


def _opened_or_made(path: Path) -> int:
    # Linux refuses O_CREAT on another user's file in a sticky directory (fs.protected_regular), hence the two steps.
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with suppress(PermissionError):  # another user's, who was faster
            os.fchmod(descriptor, 0o644)  # whatever the umask: others are to open it
        return descriptor
